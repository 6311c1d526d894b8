//! The oracle: what the policy says of a packet at an instant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::{AddrRange, CtState, Flow, Header, InterfaceId, Packet, Place, PortRange, Sent, proto};

use super::At;
use super::model::{Dst, FlowBox, Path, Role, Rule, Ruleset, Side};
use crate::policy::{Ports, Service, Verdict};

/// A verdict and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Accept, drop or reject.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The connection is written down because a covering rule with this verdict logs. (Drops are written down within
    /// their limit anyway.)
    pub log: bool,
    /// Accepted within a limit only.
    pub limited: bool,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// This rule (its index in [`Ruleset::rules`]): the first deciding one in the file.
    Rule(usize),
    /// It belongs to a connection that was accepted.
    Established,
    /// Its source does not belong to the interface it came by.
    Spoofed,
    /// It came by an interface the policy does not name.
    UnknownInterface,
    /// It fits no connection and cannot open one.
    Invalid,
    /// It is not tracked and no neighbour discovery or MLD.
    Untracked,
    /// A TCP packet without a connection that is no bare SYN.
    NotSyn,
    /// One of its interfaces carries no packets of its family.
    Family,
    /// One of its ends is in quarantine: see [`Ruleset::judge_quarantined`].
    Quarantined,
    /// Broadcast or multicast to the box that no rule names.
    Broadcast,
    /// No rule names it.
    Unnamed,
}

impl Reason {
    /// A word for tables, counters and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule(_) => "rule",
            Self::Established => "established",
            Self::Spoofed => "spoofed",
            Self::UnknownInterface => "unknown-interface",
            Self::Invalid => "invalid",
            Self::Untracked => "untracked",
            Self::NotSyn => "not-syn",
            Self::Family => "family",
            Self::Quarantined => "quarantine",
            Self::Broadcast => "broadcast",
            Self::Unnamed => "unnamed",
        }
    }
}

/// Whether sorted, merged ranges hold the address.
pub(crate) fn holds(ranges: &[AddrRange], addr: IpAddr) -> bool {
    let behind = ranges.partition_point(|range| range.first() <= addr);
    behind > 0 && ranges[behind - 1].contains(addr)
}

/// Whether a flow is of a service.
fn service_covers(service: &Service, flow: &Flow) -> bool {
    service.proto == flow.proto
        && match (service.ports, flow.header) {
            (Ports::All, _) => true,
            (Ports::Range(range), Header::Ports { dport, .. }) => range.contains(dport),
            (Ports::Icmp { kind, code }, Header::Icmp { kind: seen, code: seen_code }) => {
                kind == seen && code.is_none_or(|code| code == seen_code)
            }
            (Ports::Range(_) | Ports::Icmp { .. }, _) => false,
        }
}

/// IPv4 addresses of RFC 1918 and RFC 6598: what is masqueraded towards an uplink.
#[must_use]
pub fn private_ipv4() -> [AddrRange; 4] {
    [
        AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
        AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
        AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
        AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    ]
}

impl Ruleset {
    /// What the policy says of the first packet of a flow.
    #[must_use]
    pub fn eval(&self, flow: &Flow, at: At) -> Decision {
        self.judge(&Packet::first_of(*flow), at)
    }

    /// What the policy says of a packet.
    #[must_use]
    pub fn judge(&self, packet: &Packet, at: At) -> Decision {
        let plain = |verdict, reason| Decision { verdict, reason, log: false, limited: false };
        let flow = &packet.flow;
        if flow.input == Place::Gateway && flow.output == Place::Gateway {
            return plain(Verdict::Accept, Reason::Established); // the loopback interface
        }
        if let Some(reason) = self.spoofed(flow) {
            return plain(Verdict::Drop, reason);
        }
        let icmp = matches!(flow.header, Header::Icmp { .. });
        let untracked = match packet.state {
            CtState::Established => return plain(Verdict::Accept, Reason::Established),
            CtState::Related if icmp || flow.input == Place::Gateway => {
                return plain(Verdict::Accept, Reason::Established);
            }
            CtState::Invalid => return plain(Verdict::Drop, Reason::Invalid),
            CtState::Untracked => true,
            CtState::Related | CtState::New => false,
        };
        if !untracked && flow.proto == proto::TCP && !packet.flags.is_bare_syn() {
            return plain(Verdict::Drop, Reason::NotSyn);
        }
        if !self.carried(flow) {
            return plain(Verdict::Drop, Reason::Family);
        }
        self.decide(flow, untracked, at)
    }

    /// Every active rule that covers a flow, in the file's order, needs last.
    #[must_use]
    pub fn covering(&self, flow: &Flow, untracked: bool, at: At) -> Vec<usize> {
        let mut found = Vec::new();
        let lists: [&[(u32, u32)]; 2] = match flow.input {
            Place::Gateway => [&self.index.output, &[]],
            Place::Interface(id) => [&self.index.by_input[id.index()], &self.index.wide],
            Place::Elsewhere => [&[], &self.index.wide],
        };
        for (rule_at, box_at) in lists.into_iter().flatten() {
            let rule = &self.rules[*rule_at as usize];
            if found.last() != Some(&(*rule_at as usize))
                && (rule.untracked == untracked || (untracked && rule.verdict != Verdict::Accept))
                && self.box_covers(&rule.boxes[*box_at as usize], flow)
                && self.is_active(rule, at)
            {
                found.push(*rule_at as usize);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn decide(&self, flow: &Flow, untracked: bool, at: At) -> Decision {
        let covering = self.covering(flow, untracked, at);
        let first = |wanted: &dyn Fn(&Rule) -> bool| covering.iter().copied().find(|at| wanted(&self.rules[*at]));
        let deciding = first(&|rule| rule.firm)
            .or_else(|| first(&|rule| rule.verdict == Verdict::Drop))
            .or_else(|| first(&|rule| rule.verdict == Verdict::Reject))
            .or_else(|| first(&|rule| rule.limit.is_none()))
            .or_else(|| first(&|_| true));
        match deciding {
            Some(at) => {
                let rule = &self.rules[at];
                // Any rule that says the same, at the same step, may have it written down.
                let alike = |other: &Rule| {
                    other.log && other.limit.is_none() && other.verdict == rule.verdict && other.firm == rule.firm
                };
                Decision {
                    verdict: rule.verdict,
                    reason: Reason::Rule(at),
                    log: rule.log || covering.iter().any(|at| alike(&self.rules[*at])),
                    limited: rule.limit.is_some(),
                }
            }
            None => {
                let reason = match (flow.output, untracked) {
                    (_, true) => Reason::Untracked,
                    (Place::Gateway, _) if self.is_broadcast(flow.dst) => Reason::Broadcast,
                    _ => Reason::Unnamed,
                };
                Decision { verdict: Verdict::Drop, reason, log: false, limited: false }
            }
        }
    }

    /// Whether a flow's box is this one.
    #[must_use]
    pub fn box_covers(&self, flow_box: &FlowBox, flow: &Flow) -> bool {
        let path = match (flow_box.path, flow.input, flow.output) {
            (Path::Input { input }, from, Place::Gateway) => self.side_holds(input, from),
            (Path::Output { output }, Place::Gateway, to) => self.side_holds(output, to),
            (_, Place::Gateway, _) | (_, _, Place::Gateway) => false,
            (Path::Forward { input, output, same }, from, to) => {
                self.side_holds(input, from) && self.side_holds(output, to) && (same || from != to)
            }
            (Path::Input { .. } | Path::Output { .. }, _, _) => false,
        };
        path && flow_box.src.as_ref().is_none_or(|src| holds(src, flow.src))
            && match &flow_box.dst {
                Dst::Any => true,
                Dst::Own => match flow.input {
                    Place::Interface(id) => self.interface(id).addresses.contains(&flow.dst),
                    Place::Gateway | Place::Elsewhere => false,
                },
                Dst::Addresses(ranges) => holds(ranges, flow.dst),
            }
            && flow_box
                .services
                .as_ref()
                .is_none_or(|services| services.iter().any(|service| service_covers(service, flow)))
            && flow_box.translated.is_none_or(|at| {
                let translation = &self.translations[at as usize];
                flow.sent.is_some_and(|sent| {
                    translation.ports.contains(sent.dport)
                        && self.interface(translation.uplink).addresses.contains(&sent.dst)
                })
            })
    }

    pub(super) fn side_holds(&self, side: Side, place: Place) -> bool {
        match (side, place) {
            (_, Place::Gateway) => false,
            (Side::Any, _) => true,
            (Side::Segments, Place::Interface(id)) => self.is_segment(id),
            (Side::One(id), Place::Interface(seen)) => id == seen,
            (Side::Segments | Side::One(_), Place::Elsewhere) => false,
        }
    }

    /// Anti-spoofing: why this source may not come by this interface, if so.
    fn spoofed(&self, flow: &Flow) -> Option<Reason> {
        let id = match flow.input {
            Place::Gateway => return None,
            Place::Elsewhere => return Some(Reason::UnknownInterface),
            Place::Interface(id) => id,
        };
        let interface = self.interface(id);
        let allowed = match interface.role {
            // A dynamic address of the box is not in `inside`, which text is made of, but is no less its own.
            Role::Uplink => !holds(&self.inside, flow.src) && !interface.addresses.contains(&flow.src),
            Role::Segment(_) => {
                holds(&interface.sources, flow.src)
                    || (flow.output == Place::Gateway && interface.carries(flow.family()) && is_first_contact(flow))
            }
        };
        (!allowed).then_some(Reason::Spoofed)
    }

    /// Whether both interfaces carry the flow's family. What the box itself sends is not looked at.
    fn carried(&self, flow: &Flow) -> bool {
        let carries = |place| match place {
            Place::Interface(id) => self.interface(id).carries(flow.family()),
            Place::Gateway | Place::Elsewhere => true,
        };
        flow.input == Place::Gateway || (carries(flow.input) && carries(flow.output))
    }

    /// Broadcast or multicast, for the box's networks.
    #[must_use]
    pub fn is_broadcast(&self, dst: IpAddr) -> bool {
        let directed = |networks: &[AddrRange]| {
            networks.iter().any(|network| network.prefix_len().is_some_and(|len| len < 31) && network.last() == dst)
        };
        match dst {
            IpAddr::V6(addr) => addr.is_multicast(),
            IpAddr::V4(addr) => {
                addr.is_multicast()
                    || addr.is_broadcast()
                    || self.home(dst).is_some_and(|id| directed(&self.interface(id).networks))
                    || self.uplinks().any(|(_, uplink)| directed(&uplink.networks))
            }
        }
    }

    /// Where a port forward delivers a packet, `None` when none translates it.
    #[must_use]
    pub fn translate(&self, input: Place, src: IpAddr, sent: Sent, protocol: u8) -> Option<(IpAddr, u16)> {
        let Place::Interface(input) = input else { return None };
        let translation = self.translations.iter().find(|translation| {
            translation.proto == protocol
                && translation.ports.contains(sent.dport)
                && translation.to.is_ipv4() == sent.dst.is_ipv4()
                && self.interface(translation.uplink).addresses.contains(&sent.dst)
                && if input == translation.uplink {
                    translation.from.as_ref().is_none_or(|from| holds(from, src))
                } else {
                    translation.hairpin && self.is_segment(input)
                }
        })?;
        Some((translation.to, translation.to_port.unwrap_or(sent.dport)))
    }

    /// The interface whose address replaces the source of an accepted connection, if one does.
    #[must_use]
    pub fn masquerade(&self, flow: &Flow) -> Option<InterfaceId> {
        let Place::Interface(output) = flow.output else { return None };
        let interface = self.interface(output);
        let private = private_ipv4().iter().any(|range| range.contains(flow.src));
        let hairpin = flow.sent.is_some() && flow.input == flow.output && interface.role != Role::Uplink;
        ((interface.masquerade && private) || hairpin).then_some(output)
    }

    /// What lies behind an interface of this name, as the kernel names it.
    #[must_use]
    pub fn behind(&self, name: &str) -> Place {
        let found = self.interface_ids().find(|(_, interface)| interface.name == name);
        found.map_or(Place::Elsewhere, |(id, _)| Place::Interface(id))
    }

    /// Where the box sends packets for an address: itself, the segment it lies in, or the uplink.
    #[must_use]
    pub fn route(&self, dst: IpAddr) -> Place {
        let home = self.home(dst);
        let own = |id: InterfaceId| self.interface(id).addresses.contains(&dst);
        if home.is_some_and(own) || self.uplinks().any(|(id, _)| own(id)) {
            return Place::Gateway;
        }
        home.or_else(|| self.uplink()).map_or(Place::Elsewhere, Place::Interface)
    }

    /// Ports a protocol's services name, as a whole.
    #[must_use]
    pub fn ports_of(service: &Service) -> Option<PortRange> {
        match service.ports {
            Ports::Range(range) => Some(range),
            Ports::All if proto::has_ports(service.proto) => Some(PortRange::ALL),
            Ports::All | Ports::Icmp { .. } => None,
        }
    }
}

/// What a host without an address of its subnet must be able to send to the box: DHCP, address detection, neighbour
/// discovery, MLD, DHCPv6.
fn is_first_contact(flow: &Flow) -> bool {
    let dport = flow.dport();
    match (flow.src, flow.header) {
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), _) => flow.proto == proto::UDP && dport == Some(67),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), Header::Icmp { kind, .. }) => matches!(kind, 135 | 131 | 132 | 143),
        (IpAddr::V6(src), header) if src.is_unicast_link_local() => match header {
            Header::Icmp { kind, .. } => matches!(kind, 130..=133 | 135 | 136 | 143),
            Header::Ports { .. } => flow.proto == proto::UDP && dport == Some(547),
            Header::Other => false,
        },
        _ => false,
    }
}
