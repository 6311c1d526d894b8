//! Random packets, most of them at the edges of what a policy's rules name.

use std::net::IpAddr;

use segwall_core::policy::*;
use segwall_packetset::{
    AddrRange, CtState, Family, Flow, Header, InterfaceId, Packet, Place, PortRange, Sent, TcpFlags, proto,
};

use super::reading::Reading;

/// Everything packets are made of.
pub struct Edges {
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    places: Vec<Place>,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("a constant")
}

impl Edges {
    pub fn of(reading: &Reading) -> Self {
        let policy = reading.policy;
        let mut ranges: Vec<AddrRange> = Vec::new();
        for segment in &policy.segments {
            ranges.extend(segment.subnets.iter().flat_map(|s| [s.network, AddrRange::single(s.gateway)]));
            ranges.extend(segment.routes.iter().map(|route| route.to));
        }
        let ends = policy.rules.iter().flat_map(|rule| rule.from.iter().chain(&rule.to));
        ranges.extend(ends.filter_map(|end| end.addresses.as_ref()).flatten());
        ranges.extend(policy.hosts.iter().flat_map(|host| host.addresses.iter().copied().map(AddrRange::single)));
        ranges.extend(reading.uplink_addresses.iter().copied().map(AddrRange::single));
        let mut addresses: Vec<IpAddr> = ranges
            .iter()
            .flat_map(|range| [Some(range.first()), Some(range.last()), range.before(), range.after()])
            .flatten()
            .collect();
        addresses.extend(
            [
                "0.0.0.0",
                "255.255.255.255",
                "224.0.0.1",
                "239.255.255.250",
                "8.8.8.8",
                "9.9.9.9",
                "198.51.100.7",
                "203.0.113.255",
                "172.31.255.255",
                "::",
                "fe80::1",
                "fe80::2",
                "ff02::1",
                "ff02::2",
                "ff02::1:2",
                "2001:db8:1::1",
                "2001:db8:99::7",
            ]
            .map(ip),
        );
        addresses.sort_unstable();
        addresses.dedup();
        let mut ports = vec![0, 22, 53, 67, 68, 80, 123, 443, 514, 546, 547, 6514, 8443, 40000, 65535];
        let services = policy.rules.iter().filter_map(|rule| rule.services.as_ref()).flatten();
        for service in services.chain(policy.forwards.iter().flat_map(|forward| &forward.ports)) {
            if let Ports::Range(PortRange { first, last }) = service.ports {
                ports.extend([first, last, first.saturating_sub(1), last.saturating_add(1)]);
            }
        }
        ports.extend(policy.forwards.iter().filter_map(|forward| forward.to_port));
        let interfaces = u32::try_from(policy.segments.len() + policy.uplinks.len()).expect("a handful");
        let mut places: Vec<Place> = (0..interfaces).map(|at| Place::Interface(InterfaceId(at))).collect();
        places.extend([Place::Gateway, Place::Elsewhere]);
        Self { addresses, ports, places }
    }
}

pub struct Maker<'a> {
    pub reading: &'a Reading<'a>,
    pub edges: &'a Edges,
    pub choose: &'a mut dyn FnMut(u64) -> u64,
}

impl Maker<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.choose)(bound as u64)).expect("small")
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn address(&mut self, family: Family) -> IpAddr {
        let list: Vec<IpAddr> = self.edges.addresses.iter().copied().filter(|a| Family::of(*a) == family).collect();
        self.of(&list)
    }

    fn inside(&mut self, range: AddrRange) -> IpAddr {
        match self.below(3) {
            0 => range.first(),
            1 => range.last(),
            _ => range.nth(range.len() / 2).expect("inside"),
        }
    }

    fn place_of(&mut self, zone: Zone) -> Place {
        let segments = self.reading.policy.segments.len();
        let interface = |at: usize| Place::Interface(InterfaceId(u32::try_from(at).expect("a handful")));
        match zone {
            Zone::Segment(id) => interface(id.index()),
            Zone::Segments => interface(self.below(segments)),
            Zone::Internet => interface(segments.min(segments + self.reading.policy.uplinks.len() - 1)),
            Zone::Gateway => Place::Gateway,
        }
    }

    /// An address that belongs to a place.
    fn home(&mut self, place: Place, family: Family) -> IpAddr {
        let policy = self.reading.policy;
        if let Place::Interface(id) = place
            && let Some(segment) = policy.segments.get(id.index())
        {
            let own: Vec<AddrRange> = segment
                .subnets
                .iter()
                .map(|subnet| subnet.network)
                .chain(segment.routes.iter().map(|route| route.to))
                .filter(|range| range.family() == family)
                .collect();
            if !own.is_empty() {
                let range = self.of(&own);
                return self.inside(range);
            }
        }
        if place == Place::Gateway {
            let own: Vec<IpAddr> = policy
                .segments
                .iter()
                .flat_map(|segment| segment.subnets.iter().map(|subnet| subnet.gateway))
                .chain(self.reading.uplink_addresses.iter().copied())
                .filter(|addr| Family::of(*addr) == family)
                .collect();
            if !own.is_empty() {
                return self.of(&own);
            }
        }
        match family {
            Family::V4 => ip(["8.8.8.8", "198.51.100.7", "192.0.2.6"][self.below(3)]),
            Family::V6 => ip(["2001:db8:1::1", "2001:db8:99::7"][self.below(2)]),
        }
    }

    /// One that a service names, at its edges.
    fn named(&mut self, service: Service, family: Family) -> (u8, Header) {
        let header = match service.ports {
            Ports::Range(PortRange { first, last }) => {
                let port = self.of(&[first, last, last.saturating_add(1), first.saturating_sub(1)]);
                Header::Ports { sport: 40000, dport: port }
            }
            Ports::Icmp { kind, code } => Header::Icmp { kind, code: code.unwrap_or(0) },
            Ports::All => return self.some_header(service.proto, family),
        };
        (service.proto, header)
    }

    fn some_header(&mut self, protocol: u8, family: Family) -> (u8, Header) {
        let icmp = if family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
        let header = if proto::has_ports(protocol) {
            let edges = self.edges;
            Header::Ports { sport: 40000, dport: self.of(&edges.ports) }
        } else if protocol == icmp {
            let kinds = [8, 0, 13, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 139, 143, 3];
            Header::Icmp { kind: self.of(&kinds), code: self.of(&[0, 1]) }
        } else {
            Header::Other
        };
        (protocol, header)
    }

    fn any_header(&mut self, family: Family) -> (u8, Header) {
        let icmp = if family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
        let protocols =
            [proto::TCP, proto::UDP, icmp, icmp, proto::IGMP, proto::ESP, proto::SCTP, proto::ICMPV6, proto::ICMP];
        let protocol = self.of(&protocols);
        self.some_header(protocol, family)
    }

    /// A packet near a rule, or anywhere.
    pub fn packet(&mut self) -> Packet {
        let family = self.of(&Family::BOTH);
        let (mut input, mut output) = (self.of(&self.edges.places), self.of(&self.edges.places));
        let mut src = if self.below(4) > 0 { self.home(input, family) } else { self.address(family) };
        let mut dst = if self.below(2) > 0 { self.home(output, family) } else { self.address(family) };
        let (mut protocol, mut header) = self.any_header(family);
        let rules = &self.reading.policy.rules;
        if !rules.is_empty() && self.below(3) > 0 {
            let rule = &rules[self.below(rules.len())];
            let from = &rule.from[self.below(rule.from.len())];
            let to = &rule.to[self.below(rule.to.len())];
            if self.below(12) > 0 {
                input = self.place_of(from.zone);
                src = self.home(input, family);
            }
            if self.below(6) > 0 {
                output = self.place_of(to.zone);
                dst = self.home(output, family);
            }
            for (end, addr) in [(from, &mut src), (to, &mut dst)] {
                let ranges: Vec<AddrRange> =
                    end.addresses.iter().flatten().copied().filter(|range| range.family() == family).collect();
                if !ranges.is_empty() && self.below(8) > 0 {
                    let range = self.of(&ranges);
                    *addr = self.inside(range);
                }
            }
            if let Some(services) = &rule.services
                && self.below(8) > 0
            {
                let service = self.of(services);
                (protocol, header) = self.named(service, family);
            }
        }
        if output == Place::Gateway && self.below(2) > 0 {
            dst = self.box_address(input, family);
        }
        let forwards = &self.reading.policy.forwards;
        if !forwards.is_empty() && self.below(4) == 0 {
            let forward = &forwards[self.below(forwards.len())];
            let service = self.of(&forward.ports);
            (protocol, header) = self.named(service, family);
            let segment = Place::Interface(InterfaceId(forward.segment.0));
            output = if self.below(8) > 0 { segment } else { output };
            if self.below(2) > 0 {
                input = self.place_of(Zone::Internet);
                src = self.home(input, family);
            }
            let listening: Vec<IpAddr> =
                self.reading.uplink_addresses.iter().copied().filter(|addr| Family::of(*addr) == family).collect();
            if !listening.is_empty() {
                dst = self.of(&listening);
            }
        }
        let mut flow = Flow { input, output, proto: protocol, src, dst, header, sent: None };
        if !flow.is_well_formed() {
            // ICMP of the other family has no header that rules look at.
            flow.header = Header::Other;
            if !flow.is_well_formed() {
                (flow.proto, flow.header) = (proto::TCP, Header::Ports { sport: 40000, dport: 80 });
            }
        }
        if let Header::Ports { sport, dport } = flow.header {
            let sent = Sent { dst: flow.dst, dport };
            if let Some((to, port)) = self.reading.translate(input, src, sent, flow.proto) {
                flow.dst = to;
                flow.header = Header::Ports { sport, dport: port };
                flow.sent = Some(sent);
            }
        }
        let mut packet = Packet::first_of(flow);
        if self.below(8) == 0 {
            packet.state =
                self.of(&[CtState::New, CtState::Established, CtState::Related, CtState::Invalid, CtState::Untracked]);
        }
        if self.below(10) == 0 {
            packet.flags = TcpFlags(u8::try_from(self.below(256)).expect("a byte"));
        }
        packet
    }

    /// What a host sends to the box: its address there, another of its addresses, broadcasts, multicasts.
    fn box_address(&mut self, input: Place, family: Family) -> IpAddr {
        if let Place::Interface(id) = input
            && let Some(segment) = self.reading.policy.segments.get(id.index())
            && self.below(2) == 0
        {
            let own: Vec<IpAddr> = segment.subnets.iter().map(|subnet| subnet.gateway).collect();
            let own: Vec<IpAddr> = own.into_iter().filter(|addr| Family::of(*addr) == family).collect();
            if !own.is_empty() {
                return self.of(&own);
            }
        }
        match (family, self.below(4)) {
            (_, 0) => self.home(Place::Gateway, family),
            (Family::V4, 1) => ip("255.255.255.255"),
            (Family::V4, 2) => ip("224.0.0.22"),
            (Family::V6, 1) => ip("ff02::1:2"),
            (Family::V6, 2) => ip("fe80::1"),
            (_, _) => self.address(family),
        }
    }
}
