//! Every single fault of each kind that can be put into a program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_core::emit::nft::{Action, Base, Chain, Field, Key, Part, Program, Rule, Set, SetKind, State};
use segwall_packetset::{AddrRange, Family, proto};

use super::edit::{Edit, is_limit};

/// What kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Verdict,
    Interface,
    Prefix,
    PortEdge,
    Protocol,
    IcmpType,
    Family,
    AntispoofRemoved,
    StateBeforeAntispoof,
    DropRemoved,
    NatRemoved,
    NatTarget,
    NatPort,
    PortForward,
    LimitRemoved,
    ScheduleRemoved,
    BareSynRemoved,
    State,
    ElementRemoved,
    ElementAdded,
    LookupRemoved,
    Negation,
}

impl Kind {
    pub const ALL: [Self; 22] = [
        Self::Verdict,
        Self::Interface,
        Self::Prefix,
        Self::PortEdge,
        Self::Protocol,
        Self::IcmpType,
        Self::Family,
        Self::AntispoofRemoved,
        Self::StateBeforeAntispoof,
        Self::DropRemoved,
        Self::NatRemoved,
        Self::NatTarget,
        Self::NatPort,
        Self::PortForward,
        Self::LimitRemoved,
        Self::ScheduleRemoved,
        Self::BareSynRemoved,
        Self::State,
        Self::ElementRemoved,
        Self::ElementAdded,
        Self::LookupRemoved,
        Self::Negation,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Self::Verdict => "another verdict",
            Self::Interface => "another interface",
            Self::Prefix => "another prefix length",
            Self::PortEdge => "a port range longer or shorter by one",
            Self::Protocol => "another protocol",
            Self::IcmpType => "another ICMP type",
            Self::Family => "the other family",
            Self::AntispoofRemoved => "anti-spoofing removed",
            Self::StateBeforeAntispoof => "connection state before anti-spoofing",
            Self::DropRemoved => "a drop or reject removed",
            Self::NatRemoved => "a translation removed",
            Self::NatTarget => "another target of a port forward",
            Self::NatPort => "another port of a port forward",
            Self::PortForward => "a condition of a port forward removed",
            Self::LimitRemoved => "a limit removed",
            Self::ScheduleRemoved => "a schedule removed",
            Self::BareSynRemoved => "the bare SYN not demanded",
            Self::State => "another treatment of a connection state",
            Self::ElementRemoved => "an element removed",
            Self::ElementAdded => "an element added",
            Self::LookupRemoved => "a lookup replaced by yes",
            Self::Negation => "a match negated",
        }
    }
}

/// A fault.
#[derive(Debug, Clone)]
pub struct Fault {
    pub kind: Kind,
    pub edit: Edit,
}

/// All of them.
pub fn faults(program: &Program) -> Vec<Fault> {
    let mut list = List { program, faults: Vec::new() };
    for chain in program.chains.iter().filter(|chain| !is_of_quarantine(&chain.name)) {
        for rule in chain.rules.iter().filter(|rule| !looks_into_quarantine(rule)) {
            list.whole_rule(chain, rule);
            for at in 0..rule.parts.len() {
                list.part(chain, rule, at);
            }
        }
    }
    let is_tried = |set: &&Set| matches!(set.kind, SetKind::Written { .. }) && !is_of_quarantine(&set.name);
    for set in program.sets.iter().filter(is_tried) {
        for element in set.elements() {
            list.element(set, element);
        }
    }
    list.faults
}

/// Faults in quarantine change nothing that brute force sees, for nobody is in it here, and are refuted all the same:
/// `host/tests/linux/quarantine.rs` tries them.
fn is_of_quarantine(name: &str) -> bool {
    name.starts_with("quarantine") || name == "drop_quarantine"
}

fn looks_into_quarantine(rule: &Rule) -> bool {
    rule.parts.iter().any(|part| matches!(part, Part::Lookup { set, .. } if is_of_quarantine(set)))
}

struct List<'a> {
    program: &'a Program,
    faults: Vec<Fault>,
}

/// Whether a chain decides what is dropped or rejected because a rule says so.
fn refuses(chain: &Chain) -> bool {
    chain.name.starts_with("refuse_") || chain.name.starts_with("drop") || chain.name.starts_with("reject")
}

impl List<'_> {
    fn push(&mut self, kind: Kind, edit: Edit) {
        self.faults.push(Fault { kind, edit });
    }

    fn rule(&mut self, kind: Kind, chain: &Chain, old: &Rule, new: Option<Rule>) {
        self.push(kind, Edit::Rule { chain: chain.name.clone(), old: old.clone(), new });
    }

    fn with_part(&mut self, kind: Kind, chain: &Chain, old: &Rule, at: usize, part: Option<Part>) {
        let mut new = old.clone();
        match part {
            Some(part) => new.parts[at] = part,
            None => drop(new.parts.remove(at)),
        }
        self.rule(kind, chain, old, Some(new));
    }

    fn whole_rule(&mut self, chain: &Chain, rule: &Rule) {
        let timed = |part: &Part| matches!(part, Part::Days(_) | Part::Seconds(..));
        match rule.parts.last() {
            Some(Part::Do(Action::Jump(to))) if rule.parts.iter().any(timed) => {
                self.push(Kind::ScheduleRemoved, Edit::Always { target: to.clone() });
                return;
            }
            Some(Part::Do(Action::Jump(to))) if to.starts_with("stranger") => {
                self.rule(Kind::AntispoofRemoved, chain, rule, None);
            }
            Some(Part::Do(Action::Goto(to))) if to == "drop_spoofed" => {
                self.rule(Kind::AntispoofRemoved, chain, rule, None);
            }
            Some(Part::Do(Action::Jump(to))) if to.starts_with("refuse") => {
                self.rule(Kind::DropRemoved, chain, rule, None);
            }
            Some(Part::Do(Action::Goto(_))) if refuses(chain) => self.rule(Kind::DropRemoved, chain, rule, None),
            Some(Part::Do(Action::Goto(to))) if to == "drop_family" => {
                self.rule(Kind::DropRemoved, chain, rule, None);
            }
            Some(Part::Do(Action::Masquerade | Action::Dnat(..))) => self.rule(Kind::NatRemoved, chain, rule, None),
            Some(Part::Do(Action::Accept)) if rule.parts.iter().any(is_limit) => {
                self.push(Kind::LimitRemoved, Edit::Unlimited { chain: chain.name.clone() });
            }
            _ => {}
        }
        if rule.parts.contains(&Part::NotBareSyn) {
            self.rule(Kind::BareSynRemoved, chain, rule, None);
        }
        if matches!(rule.parts.first(), Some(Part::States(_))) && matches!(chain.base, Some(Base::Filter(_))) {
            self.push(Kind::StateBeforeAntispoof, Edit::StatesFirst { chain: chain.name.clone() });
        }
    }

    fn part(&mut self, chain: &Chain, rule: &Rule, at: usize) {
        // What asks for the time differs from variant to variant; those have a kind of their own.
        if rule.parts.iter().any(|part| matches!(part, Part::Days(_) | Part::Seconds(..)) || is_limit(part)) {
            return;
        }
        match &rule.parts[at] {
            Part::Do(action) => self.action(chain, rule, at, action),
            Part::States(list) => self.states(chain, rule, at, list),
            Part::Family(family) => {
                self.with_part(Kind::Family, chain, rule, at, Some(Part::Family(other(*family))));
                self.with_part(Kind::Family, chain, rule, at, None);
            }
            Part::Lookup { fields, not, set } => {
                if !*not {
                    self.with_part(Kind::LookupRemoved, chain, rule, at, None);
                }
                let negated = Part::Lookup { fields: fields.clone(), not: !not, set: set.clone() };
                self.with_part(Kind::Negation, chain, rule, at, Some(negated));
                for (place, field) in fields.iter().enumerate() {
                    let Field::SrcMasked(family, len) = *field else { continue };
                    for len in [len - 1, len + 1] {
                        let mut fields = fields.clone();
                        fields[place] = Field::SrcMasked(family, len);
                        let part = Part::Lookup { fields, not: *not, set: set.clone() };
                        self.with_part(Kind::Prefix, chain, rule, at, Some(part));
                    }
                }
            }
            Part::Among { field, not, keys } => {
                let negated = Part::Among { field: *field, not: !not, keys: keys.clone() };
                self.with_part(Kind::Negation, chain, rule, at, Some(negated));
                for (place, key) in keys.iter().enumerate() {
                    for (kind, key) in self.other_keys(*key, *field == Field::Proto) {
                        let mut keys = keys.clone();
                        keys[place] = key;
                        let part = Part::Among { field: *field, not: *not, keys };
                        self.with_part(kind, chain, rule, at, Some(part));
                    }
                }
            }
            Part::SentTo(_) | Part::SentPort(..) | Part::Translated | Part::Local { .. } | Part::LocalSource => {
                self.with_part(Kind::PortForward, chain, rule, at, None);
            }
            Part::Icmp
            | Part::NotBareSyn
            | Part::Broadcast
            // Our packets know no hop limit.
            | Part::HopLimit(_)
            | Part::Days(_)
            | Part::Seconds(..)
            | Part::Before(_)
            | Part::Rate(_)
            | Part::NamedRate(_)
            | Part::SourceRate { .. }
            | Part::Count(_)
            | Part::Learn { .. }
            | Part::Log { .. } => {}
        }
    }

    fn action(&mut self, chain: &Chain, rule: &Rule, at: usize, action: &Action) {
        let mut to = |kind, action| self.with_part(kind, chain, rule, at, Some(Part::Do(action)));
        match action {
            Action::Accept if !chain.name.starts_with("post") => {
                to(Kind::Verdict, Action::Drop);
                to(Kind::Verdict, Action::RejectProhibited);
            }
            Action::Drop => to(Kind::Verdict, Action::Accept),
            Action::RejectReset | Action::RejectProhibited => {
                to(Kind::Verdict, Action::Accept);
                to(Kind::Verdict, Action::Drop);
            }
            Action::Goto(target) if target.starts_with("drop") || target.starts_with("reject") => {
                to(Kind::Verdict, Action::Accept);
            }
            Action::Return => to(Kind::AntispoofRemoved, Action::Drop),
            Action::Dnat(target, port) => {
                to(Kind::NatTarget, Action::Dnat(neighbour(*target), *port));
                to(Kind::NatPort, Action::Dnat(*target, Some(port.map_or(81, |port| port ^ 1))));
                if port.is_some() {
                    to(Kind::NatPort, Action::Dnat(*target, None));
                }
            }
            Action::Accept | Action::Jump(_) | Action::Goto(_) | Action::Masquerade => {}
        }
    }

    fn states(&mut self, chain: &Chain, rule: &Rule, at: usize, list: &[(State, Action)]) {
        for (place, (_, action)) in list.iter().enumerate() {
            let instead = if *action == Action::Accept { Action::Drop } else { Action::Accept };
            let mut changed = list.to_vec();
            changed[place].1 = instead;
            self.with_part(Kind::State, chain, rule, at, Some(Part::States(changed)));
        }
    }

    fn element(&mut self, set: &Set, element: &[Key]) {
        let edit = |new| Edit::Element { set: set.name.clone(), old: element.to_vec(), new };
        // Sets that refuse and sets of interfaces: an element less there is a fault like any other.
        let kind = if set.name.starts_with("drop") || set.name.starts_with("reject") {
            Kind::DropRemoved
        } else {
            Kind::ElementRemoved
        };
        self.push(kind, edit(None));
        for place in 0..element.len() {
            let is_proto = set.types[place] == segwall_core::emit::nft::Type::Proto;
            for (kind, key) in self.other_keys(element[place], is_proto) {
                // A flat set takes no ranges.
                if key.is_range() && matches!(set.kind, SetKind::Written { interval: false, .. }) {
                    continue;
                }
                let mut new = element.to_vec();
                new[place] = key;
                self.push(kind, edit(Some(new.clone())));
                if matches!(kind, Kind::Interface | Kind::Protocol | Kind::PortEdge) {
                    self.push(Kind::ElementAdded, Edit::Add { set: set.name.clone(), element: new });
                }
            }
        }
    }

    /// Neighbours of a key.
    fn other_keys(&self, key: Key, is_proto: bool) -> Vec<(Kind, Key)> {
        match key {
            Key::Name(id) => {
                let known = self.program.names.iter().filter(|name| *name != "lo").count();
                (0u32..)
                    .take(known)
                    .filter(|other| *other != id)
                    .map(|other| (Kind::Interface, Key::Name(other)))
                    .collect()
            }
            Key::V4(first, last) => ranges(IpAddr::V4(first), IpAddr::V4(last)),
            Key::V6(first, last) => ranges(IpAddr::V6(first), IpAddr::V6(last)),
            Key::Ports(first, last) => {
                let longer = [(first.checked_sub(1), Some(last)), (Some(first), last.checked_add(1))];
                let shorter = if first < last {
                    [(Some(first + 1), Some(last)), (Some(first), Some(last - 1))]
                } else {
                    [(first.checked_add(1), first.checked_add(1)), (first.checked_sub(1), first.checked_sub(1))]
                };
                let pairs = longer.into_iter().chain(shorter);
                pairs.filter_map(|(a, b)| Some((Kind::PortEdge, Key::Ports(a?, b?)))).collect()
            }
            Key::Byte(number) if is_proto => {
                let instead = if number == proto::TCP { proto::UDP } else { proto::TCP };
                vec![(Kind::Protocol, Key::Byte(instead))]
            }
            Key::Byte(number) => vec![(Kind::IcmpType, Key::Byte(number ^ 1))],
        }
    }
}

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

/// The next address.
fn neighbour(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4).wrapping_add(1))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6).wrapping_add(1))),
    }
}

fn before(addr: IpAddr) -> IpAddr {
    AddrRange::single(addr).before().unwrap_or(addr)
}

/// Half and double of a prefix; of another range, one address more or less.
fn ranges(first: IpAddr, last: IpAddr) -> Vec<(Kind, Key)> {
    let Some(range) = AddrRange::new(first, last) else { return Vec::new() };
    let mut list = Vec::new();
    match range.prefix_len() {
        Some(len) => {
            if len > 0 {
                list.push(AddrRange::prefix(first, len - 1));
            }
            if len < range.family().bits() {
                list.push(AddrRange::prefix(first, len + 1));
            } else {
                list.push(AddrRange::single(neighbour(first)));
                list.push(AddrRange::single(before(first)));
            }
        }
        None => {
            list.extend(range.after().and_then(|after| AddrRange::new(first, after)));
            list.extend(AddrRange::single(last).before().and_then(|before| AddrRange::new(first, before)));
        }
    }
    list.into_iter().map(|range| (Kind::Prefix, Key::addresses(range))).collect()
}
