//! Where addresses, ports, protocols and types are cut, and one of each piece.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_core::emit::nft::{Action, Field, Key, Part, Program, Type};
use segwall_packetset::{AddrRange, CtState, Family, Flow, Header, Place, TcpFlags, proto};

/// Ports that packets other than the first of a connection are tried with.
pub const STATE_PORTS: [u16; 4] = [22, 67, 443, 547];

/// What follows the IP header, and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub proto: u8,
    pub header: Header,
    pub state: CtState,
    pub flags: u8,
}

/// Everything that packets are told apart by.
#[derive(Default)]
pub struct Cuts {
    pub ranges: BTreeSet<AddrRange>,
    pub ports: BTreeSet<(u16, u16)>,
    pub protocols: BTreeSet<u8>,
    pub kinds: BTreeSet<u8>,
    pub codes: BTreeSet<u8>,
}

impl Cuts {
    pub fn program(&mut self, program: &Program) {
        for part in program.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.parts) {
            match part {
                Part::Among { field, keys, .. } => keys.iter().for_each(|key| self.key(*key, field.key_type(), None)),
                Part::Lookup { fields, set, .. } => {
                    let Some(set) = program.sets.iter().find(|one| one.name == *set) else { continue };
                    for element in set.elements() {
                        for (key, field) in element.iter().zip(fields) {
                            let masked = match field {
                                Field::SrcMasked(_, len) => Some(*len),
                                _ => None,
                            };
                            self.key(*key, field.key_type(), masked);
                        }
                    }
                }
                Part::SentTo(list) => self.ranges.extend(list.iter().copied().map(AddrRange::single)),
                Part::SentPort(_, range) => drop(self.ports.insert((range.first, range.last))),
                Part::Do(Action::Dnat(to, port)) => {
                    self.ranges.insert(AddrRange::single(*to));
                    self.ports.extend(port.map(|port| (port, port)));
                }
                _ => {}
            }
        }
    }

    fn key(&mut self, key: Key, of: Type, masked: Option<u8>) {
        let range = |first: IpAddr, last: IpAddr| match masked {
            Some(len) => Some(AddrRange::prefix(first, len)),
            None => AddrRange::new(first, last),
        };
        match key {
            Key::Name(_) => {}
            Key::V4(first, last) => self.ranges.extend(range(IpAddr::V4(first), IpAddr::V4(last))),
            Key::V6(first, last) => self.ranges.extend(range(IpAddr::V6(first), IpAddr::V6(last))),
            Key::Ports(first, last) => drop(self.ports.insert((first, last))),
            Key::Byte(number) => match of {
                Type::Proto => drop(self.protocols.insert(number)),
                Type::IcmpType(_) => drop(self.kinds.insert(number)),
                Type::IcmpCode(_) => drop(self.codes.insert(number)),
                Type::Name | Type::Addr(_) | Type::Port => {}
            },
        }
    }

    /// Two addresses of each class, or one twice: a class is what lies in the same ranges.
    pub fn addresses(&self, family: Family) -> (Vec<IpAddr>, Vec<IpAddr>) {
        let ranges: Vec<&AddrRange> = self.ranges.iter().filter(|range| range.family() == family).collect();
        let mut starts: BTreeSet<IpAddr> = BTreeSet::from([AddrRange::all(family).first()]);
        for range in &ranges {
            starts.insert(range.first());
            starts.extend(range.after());
        }
        let mut seen = BTreeSet::new();
        let signature = |addr: IpAddr| -> Vec<bool> { ranges.iter().map(|range| range.contains(addr)).collect() };
        let mut pairs = Vec::new();
        let mut later = starts.iter().skip(1);
        for start in &starts {
            let next = later.next().and_then(|next| AddrRange::single(*next).before());
            if seen.insert(signature(*start)) {
                pairs.push((*start, next.unwrap_or(AddrRange::all(family).last())));
            }
        }
        pairs.into_iter().unzip()
    }

    fn port_classes(&self) -> Vec<u16> {
        let mut starts = BTreeSet::from([1u16]);
        for (first, last) in &self.ports {
            starts.insert((*first).max(1));
            starts.extend(last.checked_add(1));
        }
        let mut seen = BTreeSet::new();
        let signature = |port: u16| -> Vec<bool> {
            self.ports.iter().map(|(first, last)| (first..=last).contains(&&port)).collect()
        };
        starts.into_iter().filter(|start| seen.insert(signature(*start))).collect()
    }

    pub fn items(&self, family: Family) -> Vec<Item> {
        let mut items = BTreeSet::new();
        let mut push = |proto, header, state, flags| {
            items.insert(Item { proto, header, state, flags });
        };
        let syn = TcpFlags::SYN;
        let icmp = match family {
            Family::V4 => proto::ICMP,
            Family::V6 => proto::ICMPV6,
        };
        // In IPv6 these are extension headers, which rules look behind.
        let is_extension = |protocol: u8| family == Family::V6 && matches!(protocol, 0 | 43 | 44 | 51 | 59 | 60 | 135);
        for protocol in self.protocols.iter().copied() {
            if proto::has_ports(protocol) {
                for port in self.port_classes() {
                    let header = Header::Ports { sport: 40_000, dport: port };
                    push(protocol, header, CtState::New, syn);
                    if protocol == proto::TCP {
                        push(protocol, header, CtState::New, TcpFlags::ACK);
                    }
                    // Before the connection's state no condition looks at ports but those of first contact.
                    if !STATE_PORTS.contains(&port) {
                        continue;
                    }
                    match protocol {
                        proto::TCP => {
                            push(protocol, header, CtState::Invalid, TcpFlags::RST);
                            push(protocol, header, CtState::Established, TcpFlags::ACK);
                        }
                        proto::UDP => push(protocol, header, CtState::Established, syn),
                        _ => {}
                    }
                }
            } else if protocol != proto::ICMP && protocol != proto::ICMPV6 && !is_extension(protocol) {
                push(protocol, Header::Other, CtState::New, syn);
            }
        }
        let codes: BTreeSet<u8> = self.codes.iter().flat_map(|code| [*code, code.wrapping_add(1)]).chain([0]).collect();
        for kind in self.kinds.iter().copied() {
            for code in codes.iter().copied() {
                let header = Header::Icmp { kind, code };
                let any = match family {
                    Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
                };
                let flow = Flow {
                    input: Place::Elsewhere,
                    output: Place::Elsewhere,
                    proto: icmp,
                    src: any,
                    dst: any,
                    header,
                    sent: None,
                };
                push(icmp, header, flow.first_state(), syn);
                let is_error = match family {
                    Family::V4 => matches!(kind, 3 | 11),
                    Family::V6 => matches!(kind, 1 | 3),
                };
                if is_error {
                    push(icmp, header, CtState::Related, syn);
                }
            }
        }
        items.into_iter().collect()
    }
}
