//! Protocols, ports and ICMP messages that no rule tells apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segwall_packetset::{Family, Header, PortRange, proto};

use crate::policy::{Ports, Service};

/// ICMP messages that open a connection; no other one is ever `new` (see `Flow::first_state`).
pub(super) const ICMP_OPENS: [u8; 4] = [8, 13, 15, 17];
/// The same of ICMPv6.
pub(super) const ICMPV6_OPENS: [u8; 2] = [128, 139];
/// A protocol for experiments (RFC 3692) that stands for all that nobody names.
const UNNAMED_PROTO: u8 = 253;
const EPHEMERAL_PORT: u16 = 40_000;

/// One piece of what follows the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// Destination ports of a protocol.
    Ports(u8, PortRange),
    /// One ICMP or ICMPv6 message; no code: every one.
    Icmp(u8, u8, Option<u8>),
    /// An ICMP or ICMPv6 type with every code that is not named; the last number is one of them.
    IcmpRest(u8, u8, u8),
    /// A protocol without ports.
    Plain(u8),
    /// ICMP in an IPv6 packet, ICMPv6 in an IPv4 packet: no host speaks it, but a rule for the protocol covers it.
    Misplaced(u8),
    /// Every protocol that nobody names.
    Others,
}

/// Pieces that the same rules hold.
#[derive(Debug, Clone)]
pub(super) struct ServiceClass {
    pub pieces: Vec<Piece>,
}

impl Piece {
    /// The protocol and header of one packet of it, where the family has any.
    fn example(self, family: Family) -> Option<(u8, Header)> {
        Some(match self {
            Self::Ports(protocol, range) => {
                let dport = if range.first == 0 { range.last.min(EPHEMERAL_PORT) } else { range.first };
                (protocol, Header::Ports { sport: EPHEMERAL_PORT, dport })
            }
            Self::Icmp(protocol, kind, code) => {
                if (protocol == proto::ICMP) != (family == Family::V4) {
                    return None;
                }
                (protocol, Header::Icmp { kind, code: code.unwrap_or(0) })
            }
            Self::IcmpRest(protocol, kind, code) => return Self::Icmp(protocol, kind, Some(code)).example(family),
            Self::Plain(protocol) => (protocol, Header::Other),
            Self::Misplaced(protocol) => {
                if (protocol == proto::ICMP) != (family == Family::V6) {
                    return None;
                }
                (protocol, Header::Other)
            }
            Self::Others => (UNNAMED_PROTO, Header::Other),
        })
    }

    /// Whether people never think of it.
    pub fn is_misplaced(self) -> bool {
        matches!(self, Self::Misplaced(_))
    }

    /// As a service of the policy; `None` for everything that nobody names.
    pub fn service(self) -> Option<Service> {
        match self {
            Self::Ports(proto, PortRange::ALL) | Self::Plain(proto) | Self::Misplaced(proto) => {
                Some(Service { proto, ports: Ports::All })
            }
            Self::Ports(proto, range) => Some(Service { proto, ports: Ports::Range(range) }),
            Self::Icmp(proto, kind, code) => Some(Service { proto, ports: Ports::Icmp { kind, code } }),
            Self::IcmpRest(proto, kind, _) => Some(Service { proto, ports: Ports::Icmp { kind, code: None } }),
            Self::Others => None,
        }
    }

    fn is_of(self, service: &Service) -> bool {
        match (self, service.ports) {
            (Self::Others, _) => false,
            (
                Self::Ports(protocol, _)
                | Self::Icmp(protocol, ..)
                | Self::IcmpRest(protocol, ..)
                | Self::Plain(protocol)
                | Self::Misplaced(protocol),
                Ports::All,
            ) => protocol == service.proto,
            (Self::Ports(protocol, range), Ports::Range(named)) => {
                protocol == service.proto && named.contains(range.first) && named.contains(range.last)
            }
            (Self::Icmp(protocol, kind, code), Ports::Icmp { kind: named, code: named_code }) => {
                protocol == service.proto && kind == named && (named_code.is_none() || named_code == code)
            }
            (Self::IcmpRest(protocol, kind, _), Ports::Icmp { kind: named, code }) => {
                protocol == service.proto && kind == named && code.is_none()
            }
            (
                Self::Ports(..) | Self::Icmp(..) | Self::IcmpRest(..) | Self::Plain(_) | Self::Misplaced(_),
                Ports::Range(_) | Ports::Icmp { .. },
            ) => false,
        }
    }
}

impl ServiceClass {
    /// Whether packets of a family that people think of can be of it.
    pub fn is_thinkable(&self, family: Family) -> bool {
        self.pieces.iter().any(|piece| !piece.is_misplaced() && piece.example(family).is_some())
    }

    /// Protocol and header of one packet of it, where the family has any.
    pub fn example(&self, family: Family) -> Option<(u8, Header)> {
        // Well-known ports first: people know them.
        let rank = |piece: &Piece| match piece {
            Piece::Ports(_, range) if range.first > 0 => 0,
            Piece::Ports(..) => 1,
            Piece::Icmp(..) | Piece::IcmpRest(..) => 2,
            Piece::Plain(_) => 3,
            Piece::Others => 4,
            Piece::Misplaced(_) => 5,
        };
        let mut pieces: Vec<&Piece> = self.pieces.iter().collect();
        pieces.sort_by_key(|piece| rank(piece));
        pieces.into_iter().find_map(|piece| piece.example(family))
    }
}

/// Cuts the asked services where rules' services begin and end, and joins what the same lists hold.
pub(super) fn service_classes(asked: Option<&[Service]>, lists: &[&Arc<[Service]>]) -> Vec<ServiceClass> {
    let named: Vec<&Service> = lists.iter().flat_map(|list| list.iter()).chain(asked.unwrap_or_default()).collect();
    let pieces = pieces(&named);
    let mut classes: BTreeMap<(u8, Vec<bool>), Vec<Piece>> = BTreeMap::new();
    for piece in pieces {
        if asked.is_some_and(|asked| !asked.iter().any(|service| piece.is_of(service))) {
            continue;
        }
        let held = lists.iter().map(|list| list.iter().any(|service| piece.is_of(service))).collect();
        // A class has flows in both families or in one, as a whole.
        let family = match piece {
            Piece::Icmp(proto::ICMP, ..) | Piece::IcmpRest(proto::ICMP, ..) | Piece::Misplaced(proto::ICMPV6) => 4,
            Piece::Icmp(..) | Piece::IcmpRest(..) | Piece::Misplaced(_) => 6,
            Piece::Ports(..) | Piece::Plain(_) | Piece::Others => 0,
        };
        classes.entry((family, held)).or_default().push(piece);
    }
    classes.into_values().map(|pieces| ServiceClass { pieces }).collect()
}

/// Every protocol in pieces that no named service divides.
fn pieces(named: &[&Service]) -> Vec<Piece> {
    let mut pieces = vec![Piece::Others];
    let protocols: BTreeSet<u8> = named.iter().map(|service| service.proto).chain([proto::TCP, proto::UDP]).collect();
    for protocol in protocols {
        if proto::has_ports(protocol) {
            let mut cuts: BTreeSet<u16> = BTreeSet::from([0]);
            for service in named.iter().filter(|service| service.proto == protocol) {
                if let Ports::Range(range) = service.ports {
                    cuts.insert(range.first);
                    cuts.extend(range.last.checked_add(1));
                }
            }
            let starts: Vec<u16> = cuts.into_iter().collect();
            for (at, first) in starts.iter().enumerate() {
                let last = starts.get(at + 1).map_or(u16::MAX, |next| next - 1);
                pieces.push(Piece::Ports(protocol, PortRange { first: *first, last }));
            }
        } else if protocol != proto::ICMP && protocol != proto::ICMPV6 {
            pieces.push(Piece::Plain(protocol));
        }
    }
    for (protocol, kinds) in [(proto::ICMP, &ICMP_OPENS[..]), (proto::ICMPV6, &ICMPV6_OPENS[..])] {
        pieces.push(Piece::Misplaced(protocol));
        for kind in kinds {
            let codes: BTreeSet<u8> = named
                .iter()
                .filter(|service| service.proto == protocol)
                .filter_map(|service| match service.ports {
                    Ports::Icmp { kind: named, code } if named == *kind => code,
                    Ports::All | Ports::Range(_) | Ports::Icmp { .. } => None,
                })
                .collect();
            if codes.is_empty() {
                pieces.push(Piece::Icmp(protocol, *kind, None));
            } else {
                let free = (0..=u8::MAX).find(|code| !codes.contains(code));
                pieces.extend(free.map(|code| Piece::IcmpRest(protocol, *kind, code)));
            }
            pieces.extend(codes.into_iter().map(|code| Piece::Icmp(protocol, *kind, Some(code))));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(first: u16, last: u16) -> Service {
        Service { proto: proto::TCP, ports: Ports::Range(PortRange { first, last }) }
    }

    #[test]
    fn ports_are_cut_at_both_edges() {
        let list: Arc<[Service]> = [tcp(80, 443)].into();
        let classes = service_classes(Some(&[tcp(443, 444)]), &[&list]);
        let pieces: Vec<&[Piece]> = classes.iter().map(|class| class.pieces.as_slice()).collect();
        let piece = |port| Piece::Ports(proto::TCP, PortRange::single(port));
        assert_eq!(pieces, [&[piece(444)][..], &[piece(443)][..]]);
    }

    #[test]
    fn a_protocol_that_nobody_names_is_asked_about_too() {
        let classes = service_classes(None, &[]);
        assert!(classes.iter().any(|class| class.pieces.contains(&Piece::Others)));
    }

    #[test]
    fn a_named_code_is_not_the_others() {
        let named = Service { proto: proto::ICMP, ports: Ports::Icmp { kind: 8, code: Some(0) } };
        let every = Service { proto: proto::ICMP, ports: Ports::Icmp { kind: 8, code: None } };
        let list: Arc<[Service]> = [named].into();
        let classes = service_classes(Some(&[every]), &[&list]);
        assert_eq!(classes.len(), 2);
        // What stands for the others is not the named one.
        let codes: BTreeSet<u8> = classes
            .iter()
            .filter_map(|class| match class.example(Family::V4) {
                Some((_, Header::Icmp { code, .. })) => Some(code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, BTreeSet::from([0, 1]));
    }
}
