//! The network of a policy as a value: who is wired to whom, with which addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_core::policy::{Policy, Wiring};
use segwall_core::ruleset::{Dst, Role, Ruleset};
use segwall_host::rtnl::Mac;
use segwall_packetset::{AddrRange, Family, InterfaceId, Place};

/// A gateway and one host behind each of its interfaces.
#[derive(Debug, Clone)]
pub struct Topology {
    /// One for each interface of the ruleset; [`InterfaceId`] is the index.
    pub hosts: Vec<Host>,
    /// What the gateway's kernel takes for its own: its addresses, and the ends of its networks that mean all of them.
    own: BTreeSet<IpAddr>,
}

/// An interface of the gateway and the host at the other end of its wire.
#[derive(Debug, Clone)]
pub struct Host {
    /// Name of the segment or uplink.
    pub zone: String,
    /// Name of the gateway's interface.
    pub device: String,
    /// Tagged or not.
    pub wiring: Wiring,
    /// Whether it stands for the internet.
    pub is_internet: bool,
    /// Hardware address of the gateway's interface.
    pub gateway_mac: Mac,
    /// Hardware address of the host.
    pub mac: Mac,
    /// The gateway's addresses with their prefix lengths, its link-local address last.
    pub gateway_addresses: Vec<(IpAddr, u8)>,
    /// Networks behind the host.
    pub routes: Vec<(AddrRange, IpAddr)>,
    /// Next hops of the gateway's default routes.
    pub next_hops: Vec<IpAddr>,
    /// An address of each family that a connection from here may come from; on the internet one that no rule names.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl Host {
    /// The host's address of a family.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().map(|(addr, _)| *addr).find(|addr| Family::of(*addr) == family)
    }

    /// The gateway's own (not link-local) address of a family on this wire.
    #[must_use]
    pub fn gateway_address(&self, family: Family) -> Option<IpAddr> {
        self.gateway_addresses
            .iter()
            .map(|(addr, _)| *addr)
            .find(|addr| Family::of(*addr) == family && !is_link_local(*addr))
    }

    /// The gateway's link-local address on this wire.
    #[must_use]
    pub fn link_local(&self) -> Option<IpAddr> {
        self.gateway_addresses.iter().map(|(addr, _)| *addr).find(|addr| is_link_local(*addr))
    }
}

/// An address of the gateway, and the address of its network that every host (IPv4) or every router (IPv6) hears.
fn own_ends((addr, len): &(IpAddr, u8)) -> impl Iterator<Item = IpAddr> + use<> {
    let network = AddrRange::prefix(*addr, *len);
    let everybody = match addr {
        IpAddr::V4(_) => (*len < 31).then(|| network.last()),
        IpAddr::V6(_) => (*len < 127).then(|| network.first()),
    };
    [*addr].into_iter().chain(everybody)
}

fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Prefix length of what we invent.
const STAND_IN_LEN: (u8, u8) = (24, 64);

impl Topology {
    /// The network of a policy, and its ruleset with the addresses that are invented here: an uplink with dynamic
    /// addresses gets some from a documentation range that the policy does not name.
    #[must_use]
    pub fn of(policy: &Policy, ruleset: &Ruleset) -> (Self, Ruleset) {
        let mut ruleset = ruleset.clone();
        let mut named = named_ranges(policy, &ruleset);
        let mut hosts = Vec::with_capacity(ruleset.interfaces.len());
        for at in 0..ruleset.interfaces.len() {
            let host = match ruleset.interfaces[at].role {
                Role::Segment(id) => segment(policy, id.index(), at),
                Role::Uplink => uplink(policy, &mut ruleset, at, &mut named),
            };
            hosts.push(host);
        }
        let own = hosts.iter().flat_map(|host| &host.gateway_addresses).flat_map(own_ends).collect();
        (Self { hosts, own }, ruleset)
    }

    /// The host at an interface.
    #[must_use]
    pub fn host(&self, id: InterfaceId) -> &Host {
        &self.hosts[id.index()]
    }

    /// The host that stands for the internet.
    #[must_use]
    pub fn internet(&self) -> Option<InterfaceId> {
        (0u32..).map(InterfaceId).zip(&self.hosts).find(|(_, host)| host.is_internet).map(|(id, _)| id)
    }

    /// Every interface.
    pub fn ids(&self) -> impl Iterator<Item = InterfaceId> + use<> {
        (0u32..).map(InterfaceId).take(self.hosts.len())
    }

    /// Where the gateway's kernel takes a packet for this address: to itself (its own addresses, broadcasts,
    /// multicasts, the anycast address of its IPv6 subnets), to a segment, or to the uplink.
    #[must_use]
    pub fn route(&self, ruleset: &Ruleset, dst: IpAddr) -> Place {
        let multicast = match dst {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_multicast(),
        };
        if multicast || self.own.contains(&dst) { Place::Gateway } else { ruleset.route(dst) }
    }

    /// A name for people.
    #[must_use]
    pub fn place_name(&self, place: Place) -> &str {
        match place {
            Place::Gateway => "gateway",
            Place::Interface(id) if self.host(id).is_internet => "internet",
            Place::Interface(id) => &self.host(id).zone,
            Place::Elsewhere => "elsewhere",
        }
    }
}

fn mac(kind: u8, at: usize) -> Mac {
    let [_, _, high, low] = u32::try_from(at).expect("interfaces are counted in 32 bits").to_be_bytes();
    [0x02, 0x53, 0x57, kind, high, low]
}

fn link_local(at: usize) -> (IpAddr, u8) {
    let number = u16::try_from(at % 0xffff).expect("below 65535") + 1;
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x53, 0x57, number)), 64)
}

fn segment(policy: &Policy, index: usize, at: usize) -> Host {
    let segment = &policy.segments[index];
    let len = |network: &AddrRange| network.prefix_len().expect("subnets are prefixes");
    let mut gateway_addresses: Vec<(IpAddr, u8)> =
        segment.subnets.iter().map(|subnet| (subnet.gateway, len(&subnet.network))).collect();
    let mut addresses: Vec<(IpAddr, u8)> = Vec::new();
    for subnet in &segment.subnets {
        let family = subnet.network.family();
        let taken = addresses.iter().any(|(addr, _)| Family::of(*addr) == family);
        // The tenth, so that it is neither the gateway nor an end of a range; in small subnets what there is.
        let free = (10..13).chain(1..10).filter_map(|offset| subnet.network.nth(offset)).find(|addr| {
            *addr != subnet.gateway
                && !(family == Family::V4 && len(&subnet.network) < 31 && *addr == subnet.network.last())
        });
        if let (false, Some(addr)) = (taken, free) {
            addresses.push((addr, len(&subnet.network)));
        }
    }
    gateway_addresses.push(link_local(at));
    Host {
        zone: segment.name.clone(),
        device: segment.device.clone(),
        wiring: segment.wiring.clone(),
        is_internet: false,
        gateway_mac: mac(1, at),
        mac: mac(2, at),
        gateway_addresses,
        routes: segment.routes.iter().map(|route| (route.to, route.via)).collect(),
        next_hops: Vec::new(),
        addresses,
    }
}

fn uplink(policy: &Policy, ruleset: &mut Ruleset, at: usize, named: &mut Vec<AddrRange>) -> Host {
    // Uplinks stand behind the segments, in the policy's order.
    let uplink = &policy.uplinks[at - policy.segments.len()];
    let mut gateway_addresses: Vec<(IpAddr, u8)> =
        uplink.addresses.iter().map(|address| (address.addr, address.prefix_len)).collect();
    let mut next_hops = uplink.gateways.clone();
    for (family, wanted) in [(Family::V4, uplink.dhcp), (Family::V6, uplink.ra)] {
        let has = gateway_addresses.iter().any(|(addr, _)| Family::of(*addr) == family);
        if wanted
            && !has
            && let Some(network) = stand_in(family, named)
        {
            named.push(network);
            let (own, hop) = (network.nth(2), network.nth(1));
            let len = network.prefix_len().expect("stand-ins are prefixes");
            let interface = &mut ruleset.interfaces[at];
            gateway_addresses.extend(own.map(|own| (own, len)));
            interface.addresses.extend(own);
            interface.networks.push(network);
            next_hops.extend(hop);
        }
    }
    let mut addresses = Vec::new();
    for family in Family::BOTH {
        // Both families have a way out, so that a packet the ruleset ought to drop is not dropped for want of a route.
        let hop = next_hops.iter().any(|hop| Family::of(*hop) == family);
        if !hop {
            let on_wire = gateway_addresses.iter().find(|(addr, _)| Family::of(*addr) == family);
            let near = on_wire.and_then(|(own, len)| {
                let network = AddrRange::prefix(*own, *len);
                (1..4).filter_map(|offset| network.nth(offset)).find(|addr| addr != own)
            });
            next_hops.push(near.unwrap_or(match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::new(169, 254, 83, 87)),
                Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x53, 0x57, 0xffff)),
            }));
        }
        if let Some(network) = stand_in(family, named) {
            named.push(network);
            let len = network.prefix_len().expect("stand-ins are prefixes");
            addresses.extend(network.nth(10).map(|addr| (addr, len)));
        }
    }
    gateway_addresses.push(link_local(at));
    Host {
        zone: uplink.name.clone(),
        device: uplink.device.clone(),
        wiring: uplink.wiring.clone(),
        is_internet: true,
        gateway_mac: mac(1, at),
        mac: mac(2, at),
        gateway_addresses,
        routes: Vec::new(),
        next_hops,
        addresses,
    }
}

/// Every range the policy speaks of.
fn named_ranges(policy: &Policy, ruleset: &Ruleset) -> Vec<AddrRange> {
    let mut named: Vec<AddrRange> = ruleset.inside.to_vec();
    named.extend(ruleset.interfaces.iter().flat_map(|interface| interface.networks.iter().copied()));
    named.extend(policy.uplinks.iter().flat_map(|uplink| uplink.gateways.iter().copied().map(AddrRange::single)));
    for flow_box in ruleset.rules.iter().flat_map(|rule| &rule.boxes) {
        named.extend(flow_box.src.iter().flat_map(|ranges| ranges.iter().copied()));
        if let Dst::Addresses(ranges) = &flow_box.dst {
            named.extend(ranges.iter().copied());
        }
    }
    for translation in &ruleset.translations {
        named.extend(translation.from.iter().flat_map(|ranges| ranges.iter().copied()));
    }
    // Wider than any of our candidates is no reason to avoid it: such a range would leave no address at all.
    named.retain(|range| range.prefix_len().is_none_or(|len| len > 8));
    named
}

/// A network for documentation (RFC 5737, RFC 2544, RFC 3849) that the policy does not name.
fn stand_in(family: Family, named: &[AddrRange]) -> Option<AddrRange> {
    let free = |network: &AddrRange| !named.iter().any(|range| range.overlaps(network));
    match family {
        Family::V4 => {
            let documentation = [[198, 51, 100], [192, 0, 2], [203, 0, 113]].into_iter();
            let benchmarks = (0..=255u8).flat_map(|third| [[198, 18, third], [198, 19, third]]);
            documentation
                .chain(benchmarks)
                .map(|[a, b, c]| AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), STAND_IN_LEN.0))
                .find(free)
        }
        Family::V6 => {
            // 2001:db8::/32, and the later and wider 3fff::/20 (RFC 9637) for who names all of the first.
            let documentation = |number: u16| {
                [
                    Ipv6Addr::new(0x2001, 0xdb8, 0x5e9, number, 0, 0, 0, 0),
                    Ipv6Addr::new(0x3fff, 0x5e9, 0, number, 0, 0, 0, 0),
                ]
            };
            (1..=0xffu16)
                .flat_map(documentation)
                .map(|addr| AddrRange::prefix(IpAddr::V6(addr), STAND_IN_LEN.1))
                .find(free)
        }
    }
}
