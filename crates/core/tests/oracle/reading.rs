//! A literal reading of product.md's "Meaning", straight from the policy: every rule, every pair of ends, every service.
//!
//! Written without a look at how `ruleset` does it; slow, and plain enough to be checked by eye.

#[path = "reading_needs.rs"]
mod reading_needs;

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::policy::*;
use segwall_core::ruleset::At;
use segwall_packetset::{AddrRange, CtState, Family, Flow, Header, Packet, Place, Sent, proto};

/// The policy and what it does not say.
pub struct Reading<'p> {
    pub policy: &'p Policy,
    /// The addresses the uplink has, static and dynamic ones.
    pub uplink_addresses: Vec<IpAddr>,
}

/// Who decided.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum By {
    Rule(usize),
    Forward(usize),
    Need,
    Word(&'static str),
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Answer {
    pub verdict: Verdict,
    pub by: By,
    pub limited: bool,
    pub log: bool,
}

/// What lies at an end of a packet's way.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Where {
    Box,
    Segment(usize),
    Uplink,
    Unknown,
}

impl Reading<'_> {
    fn place(&self, place: Place) -> Where {
        match place {
            Place::Gateway => Where::Box,
            Place::Elsewhere => Where::Unknown,
            Place::Interface(id) if id.index() < self.policy.segments.len() => Where::Segment(id.index()),
            Place::Interface(_) => Where::Uplink,
        }
    }

    /// The box's own addresses on an interface.
    pub(crate) fn own(&self, place: Where) -> Vec<IpAddr> {
        match place {
            Where::Segment(at) => self.policy.segments[at].subnets.iter().map(|subnet| subnet.gateway).collect(),
            Where::Uplink => self.uplink_addresses.clone(),
            Where::Box | Where::Unknown => Vec::new(),
        }
    }

    /// Subnets and routes.
    fn networks(&self, segment: usize) -> Vec<AddrRange> {
        let segment = &self.policy.segments[segment];
        segment.subnets.iter().map(|s| s.network).chain(segment.routes.iter().map(|r| r.to)).collect()
    }

    pub(crate) fn has_family(&self, place: Where, family: Family) -> bool {
        match place {
            Where::Segment(at) => self.policy.segments[at].subnets.iter().any(|s| s.network.family() == family),
            Where::Uplink => {
                let uplink = &self.policy.uplinks[0];
                let dynamic = if family == Family::V4 { uplink.dhcp } else { uplink.ra };
                dynamic || uplink.addresses.iter().any(|a| Family::of(a.addr) == family)
            }
            Where::Box | Where::Unknown => true,
        }
    }

    /// The whole meaning, in its order.
    pub fn decide(&self, packet: &Packet, at: At) -> Answer {
        let flow = &packet.flow;
        let (from, to) = (self.place(flow.input), self.place(flow.output));
        let drop = |word| Answer { verdict: Verdict::Drop, by: By::Word(word), limited: false, log: false };
        let established = Answer { verdict: Verdict::Accept, by: By::Word("established"), limited: false, log: false };
        if from == Where::Box && to == Where::Box {
            return established;
        }
        // "Anti-spoofing comes before everything else, on every packet, before connection state"
        match from {
            Where::Unknown => return drop("unknown-interface"),
            Where::Segment(_) | Where::Uplink if !self.may_come(flow, from, to) => return drop("spoofed"),
            _ => {}
        }
        let icmp = matches!(flow.header, Header::Icmp { .. });
        match packet.state {
            CtState::Established => return established,
            CtState::Related if icmp || from == Where::Box => return established,
            CtState::Invalid => return drop("invalid"),
            CtState::Related | CtState::New | CtState::Untracked => {}
        }
        let untracked = packet.state == CtState::Untracked;
        // SYN set; FIN, RST and ACK not.
        if !untracked && flow.proto == proto::TCP && packet.flags.0 & 0b1_0111 != 0b0_0010 {
            return drop("not-syn");
        }
        // "Without IPv6 subnets IPv6 is dropped, not ignored"
        if from != Where::Box && !(self.has_family(from, flow.family()) && self.has_family(to, flow.family())) {
            return drop("family");
        }
        self.by_rules(flow, from, to, untracked, at)
    }

    fn by_rules(&self, flow: &Flow, from: Where, to: Where, untracked: bool, at: At) -> Answer {
        let answer = |verdict, by, limited, log| Answer { verdict, by, limited, log };
        // Everything that covers the flow, in the file's order.
        let mut covering: Vec<(u32, By, Verdict, bool, bool)> = Vec::new();
        for (id, rule) in self.policy.rules.iter().enumerate() {
            if self.rule_covers(rule, flow, from, to)
                && self.in_force(rule, at)
                && !(untracked && rule.verdict == Verdict::Accept)
            {
                covering.push((rule.span.start, By::Rule(id), rule.verdict, rule.limit.is_some(), rule.log));
            }
        }
        for (id, forward) in self.policy.forwards.iter().enumerate() {
            // "accepts exactly the translated connections": those from the uplink; hairpin is for those who may anyway.
            let meant = from == Where::Uplink
                && to == Where::Segment(forward.segment.index())
                && self.forwards(forward, from, flow.src, flow.sent, flow.proto) == Some((flow.dst, flow.dport()));
            if meant && !untracked {
                covering.push((forward.span.start, By::Forward(id), Verdict::Accept, false, forward.log));
            }
        }
        covering.sort_by_key(|entry| entry.0);
        let firm = self.firm_need(flow, from, to, untracked);
        let soft = self.soft_need(flow, from, to, untracked);
        let log_of_all =
            |wanted| covering.iter().any(|(_, _, verdict, limited, log)| *log && !limited && *verdict == wanted);
        if firm {
            return answer(Verdict::Accept, By::Need, false, false);
        }
        for refused in [Verdict::Drop, Verdict::Reject] {
            if let Some((_, by, ..)) = covering.iter().find(|(_, _, verdict, ..)| *verdict == refused) {
                return answer(refused, *by, false, log_of_all(refused));
            }
        }
        if let Some((_, by, ..)) = covering.iter().find(|(_, _, _, limited, _)| !limited) {
            return answer(Verdict::Accept, *by, false, log_of_all(Verdict::Accept));
        }
        if soft {
            return answer(Verdict::Accept, By::Need, false, log_of_all(Verdict::Accept));
        }
        if let Some((_, by, _, _, log)) = covering.first() {
            return answer(Verdict::Accept, *by, true, *log);
        }
        let word = match (untracked, to) {
            (true, _) => "untracked",
            (false, Where::Box) if self.is_broadcast(flow.dst) => "broadcast",
            _ => "unnamed",
        };
        answer(Verdict::Drop, By::Word(word), false, false)
    }

    /// "what enters a segment's interface must come from its subnets or `routes`. Excepted, only towards the box itself:
    /// 0.0.0.0 to udp/67, `::` for DAD and MLD, fe80::/10 for ND, RS, MLD and udp/547. On an uplink, sources of any
    /// segment or of the box are dropped."
    fn may_come(&self, flow: &Flow, from: Where, to: Where) -> bool {
        let within = |ranges: &[AddrRange]| ranges.iter().any(|range| range.contains(flow.src));
        let Where::Segment(at) = from else {
            let of_a_segment = (0..self.policy.segments.len()).any(|at| within(&self.networks(at)));
            return !of_a_segment && !self.uplink_addresses.contains(&flow.src);
        };
        if within(&self.networks(at)) {
            return true;
        }
        if to != Where::Box || !self.has_family(from, flow.family()) {
            return false;
        }
        let udp_to = |port| flow.proto == proto::UDP && flow.dport() == Some(port);
        let icmp_type = match flow.header {
            Header::Icmp { kind, .. } => Some(kind),
            Header::Ports { .. } | Header::Other => None,
        };
        match flow.src {
            IpAddr::V4(src) => src == Ipv4Addr::UNSPECIFIED && udp_to(67),
            IpAddr::V6(src) if src.is_unspecified() => matches!(icmp_type, Some(135 | 131 | 132 | 143)),
            IpAddr::V6(src) if src.segments()[0] & 0xffc0 == 0xfe80 => {
                udp_to(547) || matches!(icmp_type, Some(133 | 135 | 136 | 130 | 131 | 132 | 143))
            }
            IpAddr::V6(_) => false,
        }
    }

    fn rule_covers(&self, rule: &Rule, flow: &Flow, from: Where, to: Where) -> bool {
        rule.services.as_ref().is_none_or(|services| services.iter().any(|service| names(service, flow)))
            && rule.from.iter().any(|source| {
                rule.to.iter().any(|target| match rule.verdict {
                    Verdict::Accept => self.accept_ends(source, target, flow, from, to),
                    Verdict::Drop | Verdict::Reject => {
                        self.refuse_source(source, flow, from) && self.refuse_target(target, flow, to)
                    }
                })
            })
    }

    fn zone_is(&self, zone: Zone, place: Where) -> bool {
        match zone {
            Zone::Segment(id) => place == Where::Segment(id.index()),
            Zone::Segments => matches!(place, Where::Segment(_)),
            Zone::Internet => place == Where::Uplink,
            Zone::Gateway => place == Where::Box,
        }
    }

    /// "A host or address in an accept means interface **and** address"
    fn accept_ends(&self, source: &End, target: &End, flow: &Flow, from: Where, to: Where) -> bool {
        let named = |end: &End, addr| end.addresses.as_ref().is_none_or(|list| list.iter().any(|r| r.contains(addr)));
        if !self.zone_is(source.zone, from) || !self.zone_is(target.zone, to) {
            return false;
        }
        if !named(source, flow.src) || !named(target, flow.dst) {
            return false;
        }
        // "`gateway` as a destination is the box's address in the interface's own segment"
        if to == Where::Box && target.addresses.is_none() && !self.own(from).contains(&flow.dst) {
            return false;
        }
        // "What is routed inside a segment is accepted only by a rule that names that segment at both ends; `any` and
        // groups do not count as that." The same for what would turn round on the uplink.
        from != to || (source.direct && target.direct && source.zone != Zone::Segments && source.zone == target.zone)
    }

    /// Who is refused: an address whatever the interface, a segment by its interface or its subnets.
    fn refuse_source(&self, source: &End, flow: &Flow, from: Where) -> bool {
        if source.zone == Zone::Gateway || from == Where::Box {
            let ours = source.zone == Zone::Gateway && from == Where::Box;
            return ours && source.addresses.as_ref().is_none_or(|list| list.iter().any(|r| r.contains(flow.src)));
        }
        self.refused(source, flow.src, from)
    }

    fn refuse_target(&self, target: &End, flow: &Flow, to: Where) -> bool {
        if target.zone == Zone::Gateway || to == Where::Box {
            let ours = target.zone == Zone::Gateway && to == Where::Box;
            return ours && target.addresses.as_ref().is_none_or(|list| list.iter().any(|r| r.contains(flow.dst)));
        }
        self.refused(target, flow.dst, to)
    }

    /// "in a drop or reject the address alone, whatever the interface, and a segment its interface **or** its subnets"
    fn refused(&self, end: &End, addr: IpAddr, place: Where) -> bool {
        if let Some(list) = &end.addresses {
            return list.iter().any(|range| range.contains(addr));
        }
        let by_subnet = match end.zone {
            Zone::Segment(id) => self.networks(id.index()).iter().any(|network| network.contains(addr)),
            Zone::Segments => {
                (0..self.policy.segments.len()).any(|at| self.networks(at).iter().any(|network| network.contains(addr)))
            }
            Zone::Internet | Zone::Gateway => false,
        };
        by_subnet || self.zone_is(end.zone, place)
    }

    /// Where a forward delivers what was sent, if it means it.
    fn forwards(
        &self,
        forward: &Forward,
        from: Where,
        src: IpAddr,
        sent: Option<Sent>,
        protocol: u8,
    ) -> Option<(IpAddr, Option<u16>)> {
        let sent = sent?;
        let meant = self.uplink_addresses.contains(&sent.dst)
            && forward.ports.iter().any(|service| {
                service.proto == protocol
                    && match service.ports {
                        Ports::Range(range) => range.contains(sent.dport),
                        Ports::All => true,
                        Ports::Icmp { .. } => false,
                    }
            })
            && match from {
                Where::Uplink => forward
                    .from
                    .iter()
                    .any(|end| end.addresses.as_ref().is_none_or(|list| list.iter().any(|range| range.contains(src)))),
                Where::Segment(_) => forward.hairpin,
                Where::Box | Where::Unknown => false,
            };
        // Who listens to sources of one family forwards that family only, for those inside too.
        let same_family = |range: &AddrRange| range.family() == Family::of(sent.dst);
        let listens = |end: &End| end.addresses.as_ref().is_none_or(|list| list.iter().any(same_family));
        let meant = meant && forward.from.iter().any(listens);
        let target = forward.to.iter().find(|to| to.is_ipv4() == sent.dst.is_ipv4())?;
        meant.then_some((*target, Some(forward.to_port.unwrap_or(sent.dport))))
    }

    /// What the first forward that means a packet makes of it.
    pub fn translate(&self, input: Place, src: IpAddr, sent: Sent, protocol: u8) -> Option<(IpAddr, u16)> {
        let from = self.place(input);
        let mut forwards: Vec<&Forward> = self.policy.forwards.iter().collect();
        forwards.sort_by_key(|forward| forward.span);
        let found = forwards.iter().find_map(|forward| self.forwards(forward, from, src, Some(sent), protocol))?;
        Some((found.0, found.1.expect("forwards translate ports")))
    }

    /// Whether the connection leaves with the box's address as its source.
    pub fn masquerades(&self, flow: &Flow) -> bool {
        let private = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"]
            .iter()
            .any(|net| net.parse::<AddrRange>().expect("a constant").contains(flow.src));
        match self.place(flow.output) {
            Where::Uplink => {
                let uplink = &self.policy.uplinks[0];
                let ipv4 = uplink.dhcp || uplink.addresses.iter().any(|address| address.addr.is_ipv4());
                private && uplink.nat && ipv4
            }
            // A hairpin inside one segment: without it the host would answer the client directly.
            Where::Segment(_) => flow.sent.is_some() && flow.input == flow.output,
            Where::Box | Where::Unknown => false,
        }
    }

    fn in_force(&self, rule: &Rule, at: At) -> bool {
        let now = match at {
            At::Instant(now) => now,
            At::ClockUnknown => {
                let timed = rule.schedule.is_some() || rule.expires.is_some();
                return !timed || rule.verdict != Verdict::Accept;
            }
        };
        let zone = self.policy.gateway.timezone.clone().unwrap_or(TimeZone::UTC);
        let local = zone.to_datetime(now);
        let valid = rule.expires.is_none_or(|last| local.date() <= last);
        valid && rule.schedule.is_none_or(|schedule| in_window(&schedule, &zone, now))
    }

    fn is_broadcast(&self, dst: IpAddr) -> bool {
        let directed = self
            .policy
            .segments
            .iter()
            .flat_map(|segment| segment.subnets.iter().map(|subnet| subnet.network))
            .chain(self.policy.uplinks.iter().flat_map(|uplink| {
                uplink.addresses.iter().map(|address| AddrRange::prefix(address.addr, address.prefix_len))
            }))
            .any(|network| network.last() == dst);
        match dst {
            IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast() || directed,
            IpAddr::V6(v6) => v6.is_multicast(),
        }
    }
}

/// Whether a flow is of a service.
pub fn names(service: &Service, flow: &Flow) -> bool {
    if service.proto != flow.proto {
        return false;
    }
    match (service.ports, flow.header) {
        (Ports::All, _) => true,
        (Ports::Range(range), Header::Ports { dport, .. }) => range.first <= dport && dport <= range.last,
        (Ports::Icmp { kind, code }, Header::Icmp { kind: k, code: c }) => {
            kind == k && code.is_none_or(|code| code == c)
        }
        _ => false,
    }
}

fn in_window(schedule: &Schedule, zone: &TimeZone, now: Timestamp) -> bool {
    let local = zone.to_datetime(now);
    let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
    let today = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
    let yesterday = (today + 6) % 7;
    if schedule.to_minute > schedule.from_minute {
        return schedule.days[today] && schedule.from_minute <= minute && minute < schedule.to_minute;
    }
    (schedule.days[today] && minute >= schedule.from_minute)
        || (schedule.days[yesterday] && minute < schedule.to_minute)
}
