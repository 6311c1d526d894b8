//! Runs a program's rules on a packet, as the kernel would, so that their meaning can be compared without one.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::emit::nft::{Action, Base, Field, Hook, Key, Part, Program, Rule, Set, State};
use segwall_core::ruleset::Ruleset;
use segwall_packetset::{CtState, Family, Flow, Header, Packet, Place, mask_address, proto};

/// What a run saw.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Trace<'a> {
    /// The end.
    pub end: Option<Action>,
    /// Chains that were entered.
    pub chains: Vec<&'a str>,
    /// Prefixes that were logged.
    pub logs: Vec<&'static str>,
    /// Whether a limit that is never over was asked on the way to the end.
    pub limited: bool,
}

pub struct Machine<'a> {
    pub program: &'a Program,
    pub ruleset: &'a Ruleset,
    pub packet: &'a Packet,
    pub now: Option<Timestamp>,
    pub trace: Trace<'a>,
}

fn holds(key: &Key, with: Key) -> bool {
    match (*key, with) {
        (Key::Name(a), Key::Name(b)) => a == b,
        (Key::V4(first, last), Key::V4(at, _)) => first <= at && at <= last,
        (Key::V6(first, last), Key::V6(at, _)) => first <= at && at <= last,
        (Key::Ports(first, last), Key::Ports(at, _)) => first <= at && at <= last,
        (Key::Byte(a), Key::Byte(b)) => a == b,
        _ => panic!("{key:?} is compared with {with:?}"),
    }
}

impl<'a> Machine<'a> {
    pub fn new(program: &'a Program, ruleset: &'a Ruleset, packet: &'a Packet, now: Option<Timestamp>) -> Self {
        Self { program, ruleset, packet, now, trace: Trace::default() }
    }

    /// The filter's verdict.
    pub fn filter(mut self) -> Trace<'a> {
        let flow = &self.packet.flow;
        let hook = match (flow.input, flow.output) {
            (Place::Gateway, _) => Hook::Output,
            (_, Place::Gateway) => Hook::Input,
            _ => Hook::Forward,
        };
        let base = self.program.chains.iter().find(|chain| chain.base == Some(Base::Filter(hook)));
        let name = &base.expect("every hook has a chain").name;
        self.trace.end = self.chain(name).cloned().or(Some(Action::Drop));
        self.trace
    }

    /// A nat chain's decision, if it has one.
    pub fn nat(mut self, base: Base) -> Option<Action> {
        let chain = self.program.chains.iter().find(|chain| chain.base == Some(base))?;
        self.chain(&chain.name).cloned()
    }

    fn chain(&mut self, name: &'a str) -> Option<&'a Action> {
        self.trace.chains.push(name);
        let chain = self.program.chains.iter().find(|chain| chain.name == name);
        let chain = chain.unwrap_or_else(|| panic!("no chain {name}"));
        for rule in &chain.rules {
            match self.rule(rule) {
                None => {}
                Some(Action::Return) => return None,
                Some(Action::Jump(to)) => {
                    if let Some(end) = self.chain(to) {
                        return Some(end);
                    }
                }
                Some(Action::Goto(to)) => return self.chain(to),
                Some(end) => return Some(end),
            }
        }
        None
    }

    fn rule(&mut self, rule: &'a Rule) -> Option<&'a Action> {
        for part in &rule.parts {
            match part {
                Part::States(list) => {
                    let state = match self.packet.state {
                        CtState::New => return None,
                        CtState::Established => State::Established,
                        CtState::Related => State::Related,
                        CtState::Invalid => State::Invalid,
                        CtState::Untracked => State::Untracked,
                    };
                    return list.iter().find(|(of, _)| *of == state).map(|(_, action)| action);
                }
                Part::Do(action) => return Some(action),
                Part::Log { prefix, .. } => self.trace.logs.push(prefix),
                Part::Rate(_) | Part::NamedRate(_) => self.trace.limited = true,
                Part::SourceRate { family, .. } => {
                    if *family != self.packet.flow.family() {
                        return None;
                    }
                    self.trace.limited = true;
                }
                Part::Count(name) => assert!(self.program.counters.contains(name), "no counter {name}"),
                Part::Learn { set, .. } => {
                    self.set(set);
                }
                other => {
                    if !self.matches(other) {
                        return None;
                    }
                }
            }
        }
        None
    }

    fn set(&self, name: &str) -> &'a Set {
        let set = self.program.sets.iter().find(|set| set.name == name);
        set.unwrap_or_else(|| panic!("no set {name}"))
    }

    fn name(&self, place: Place) -> Key {
        let name = match place {
            Place::Interface(id) => return Key::Name(id.0),
            // The kernel gives no name; nothing is called so.
            Place::Gateway => "",
            Place::Elsewhere => "elsewhere",
        };
        assert!(!self.program.names.iter().any(|known| known == name));
        Key::Name(u32::MAX)
    }

    fn local(&self, addr: IpAddr, here: bool) -> bool {
        let input = self.packet.flow.input;
        self.ruleset
            .interface_ids()
            .any(|(id, interface)| (!here || Place::Interface(id) == input) && interface.addresses.contains(&addr))
    }

    /// The field's value; `None` where the packet has none, and the rule ends.
    fn field(&self, field: Field) -> Option<Key> {
        let Flow { input, output, proto: protocol, src, dst, header, .. } = self.packet.flow;
        let addr = |family, addr: IpAddr| {
            (Family::of(addr) == family).then(|| Key::addresses(segwall_packetset::AddrRange::single(addr)))
        };
        match field {
            Field::In => Some(self.name(input)),
            Field::Out => Some(self.name(output)),
            Field::Src(family) => addr(family, src),
            Field::SrcMasked(family, len) => {
                if Family::of(src) != family {
                    return None;
                }
                addr(family, mask_address(src, len))
            }
            Field::Dst(family) => addr(family, dst),
            Field::Proto => Some(Key::Byte(protocol)),
            // Bytes 2 and 3 of anything.
            Field::Dport => match header {
                Header::Ports { dport, .. } => Some(Key::Ports(dport, dport)),
                Header::Icmp { .. } | Header::Other => Some(Key::Ports(80, 80)),
            },
            Field::IcmpType(family) | Field::IcmpCode(family) => match header {
                Header::Icmp { kind, code } if self.packet.flow.family() == family => {
                    Some(Key::Byte(if matches!(field, Field::IcmpType(_)) { kind } else { code }))
                }
                _ => None,
            },
        }
    }

    fn matches(&self, part: &Part) -> bool {
        let flow = &self.packet.flow;
        match part {
            Part::Family(family) => flow.family() == *family,
            Part::Lookup { fields, not, set } => {
                let set = self.set(set);
                assert!(fields.iter().map(|field| field.key_type()).eq(set.types.iter().copied()), "{}", set.name);
                let Some(with) = fields.iter().map(|field| self.field(*field)).collect::<Option<Vec<Key>>>() else {
                    return false;
                };
                set.elements().any(|element| element.iter().zip(&with).all(|(key, with)| holds(key, *with))) != *not
            }
            Part::Among { field, not, keys } => {
                let Some(with) = self.field(*field) else { return false };
                keys.iter().any(|key| match (key, flow.output) {
                    // The loopback interface is the box's own.
                    (Key::Name(id), Place::Gateway) if *field == Field::Out => {
                        self.program.names[*id as usize] == "lo" && flow.input == Place::Gateway
                    }
                    _ => holds(key, with),
                }) != *not
            }
            Part::Icmp => matches!(flow.header, Header::Icmp { .. }),
            Part::NotBareSyn => flow.proto == proto::TCP && !self.packet.flags.is_bare_syn(),
            Part::Translated => flow.sent.is_some(),
            Part::SentTo(list) => list.contains(&flow.sent.map_or(flow.dst, |sent| sent.dst)),
            Part::SentPort(protocol, range) => {
                let dport = flow.sent.map(|sent| sent.dport).or(flow.dport());
                flow.proto == *protocol && dport.is_some_and(|dport| range.contains(dport))
            }
            Part::Local { here } => self.local(flow.dst, *here),
            Part::LocalSource => self.local(flow.src, true),
            Part::Broadcast => self.ruleset.is_broadcast(flow.dst),
            Part::HopLimit(_) => flow.family() == Family::V6,
            Part::Days(days) => {
                let now = self.now.expect("no schedule while the clock is unknown").to_zoned(TimeZone::UTC);
                days[usize::try_from(now.weekday().to_monday_zero_offset()).expect("0 to 6")]
            }
            Part::Seconds(first, last) => {
                let now = self.now.expect("no schedule while the clock is unknown");
                let second = u32::try_from(now.as_second().rem_euclid(86400)).expect("of a day");
                *first <= second && second <= *last
            }
            Part::Before(until) => self.now.expect("no expiry while the clock is unknown") < *until,
            Part::States(_)
            | Part::Rate(_)
            | Part::NamedRate(_)
            | Part::SourceRate { .. }
            | Part::Count(_)
            | Part::Learn { .. }
            | Part::Log { .. }
            | Part::Do(_) => unreachable!("decided by the caller"),
        }
    }
}
