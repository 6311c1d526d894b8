//! Anti-spoofing: what every packet from outside must pass before anything else is looked at.
//!
//! For each prefix length of the segments' sources there is one flat set of interface and masked address, and one rule
//! for each family looks a packet up in all of them: a hit in one ends it. What misses goes to a chain of its own, where
//! uplinks pass unless the source is an inside one, and, towards the box, hosts that have no address yet.

use std::collections::{BTreeMap, BTreeSet};

use segwall_packetset::{AddrRange, Family, proto};

use super::drops::Reason;
use super::model::{Action, Chain, Field, Hook, Key, Part, Rule, Set, SetKind};
use super::script::SOURCES;
use super::shape::{SEGMENTS, link_local};
use crate::ruleset::{Role, Ruleset};

/// Elements that may be added to save one lookup per packet.
const SPLIT_MAX: usize = 1024;

/// Sources by family and prefix length.
type Lengths = BTreeMap<(Family, u8), BTreeSet<(u32, AddrRange)>>;

fn lengths(ruleset: &Ruleset) -> Lengths {
    let mut lengths = Lengths::new();
    for (id, interface) in ruleset.interface_ids() {
        if interface.role == Role::Uplink {
            continue;
        }
        for prefix in interface.sources.iter().flat_map(AddrRange::to_prefixes) {
            let len = prefix.prefix_len().expect("to_prefixes gives prefixes");
            lengths.entry((prefix.family(), len)).or_default().insert((id.0, prefix));
        }
    }
    fold(&mut lengths);
    lengths
}

/// Writes a few short prefixes as many longer ones where that length is looked up anyway.
fn fold(lengths: &mut Lengths) {
    let all: Vec<(Family, u8)> = lengths.keys().copied().collect();
    for pair in all.windows(2) {
        let ((family, short), (next_family, long)) = (pair[0], pair[1]);
        let parts = 1usize.checked_shl(u32::from(long - short.min(long))).unwrap_or(usize::MAX);
        let few = lengths[&(family, short)].len().saturating_mul(parts) <= SPLIT_MAX;
        if family != next_family || !few {
            continue;
        }
        let split = lengths.remove(&(family, short)).expect("listed above");
        let into = lengths.entry((family, long)).or_default();
        for (id, range) in split {
            let step = AddrRange::prefix(range.first(), long).len();
            into.extend(
                (0..).map_while(|at: u128| range.nth(at * step)).map(|addr| (id, AddrRange::prefix(addr, long))),
            );
        }
    }
}

fn source(family: Family, len: u8) -> Field {
    if len == family.bits() { Field::Src(family) } else { Field::SrcMasked(family, len) }
}

/// What anti-spoofing is made of.
pub(super) struct Antispoof {
    pub sets: Vec<Set>,
    /// Rules that begin the input and the forward hook.
    pub rules: BTreeMap<Hook, Vec<Rule>>,
    pub chains: Vec<Chain>,
}

pub(super) fn antispoof(ruleset: &Ruleset) -> Antispoof {
    let mut sets = Vec::new();
    let mut lookups: BTreeMap<Family, Vec<Part>> =
        Family::BOTH.into_iter().map(|family| (family, vec![Part::Family(family)])).collect();
    for ((family, len), elements) in lengths(ruleset) {
        let number = match family {
            Family::V4 => 4,
            Family::V6 => 6,
        };
        let fields = vec![Field::In, source(family, len)];
        let name = format!("{SOURCES}{number}_{len}");
        sets.push(Set {
            name: name.clone(),
            types: fields.iter().map(|field| field.key_type()).collect(),
            kind: SetKind::Written { interval: false, counter: false },
            keys: elements
                .iter()
                .flat_map(|(id, range)| [Key::Name(*id), Key::addresses(AddrRange::single(range.first()))])
                .collect(),
            rules: Vec::new(),
        });
        lookups.entry(family).or_default().push(Part::Lookup { fields, not: true, set: name });
    }
    let inside = inside_sets(ruleset);
    let mut rules = BTreeMap::new();
    let mut chains = Vec::new();
    for hook in [Hook::Input, Hook::Forward] {
        let chain = format!("stranger_{}", hook.word());
        let begin = lookups
            .values()
            .map(|parts| {
                let mut parts = parts.clone();
                parts.push(Part::Do(Action::Jump(chain.clone())));
                Rule::new(parts).note("anti-spoofing")
            })
            .collect();
        rules.insert(hook, begin);
        chains.push(Chain { name: chain, base: None, rules: strangers(ruleset, hook, &inside) });
    }
    sets.extend(inside);
    Antispoof { sets, rules, chains }
}

/// Every inside address, by family: only where there is an uplink.
fn inside_sets(ruleset: &Ruleset) -> Vec<Set> {
    if ruleset.uplink().is_none() {
        return Vec::new();
    }
    Family::BOTH
        .into_iter()
        .filter_map(|family| {
            let keys: Vec<Key> =
                ruleset.inside.iter().filter(|range| range.family() == family).map(|r| Key::addresses(*r)).collect();
            (!keys.is_empty()).then(|| Set {
                name: match family {
                    Family::V4 => "inside4".to_owned(),
                    Family::V6 => "inside6".to_owned(),
                },
                types: vec![Field::Src(family).key_type()],
                kind: SetKind::Written { interval: true, counter: false },
                rules: Vec::new(),
                keys,
            })
        })
        .collect()
}

/// What becomes of a packet whose source is no segment's on the interface it came by.
fn strangers(ruleset: &Ruleset, hook: Hook, inside: &[Set]) -> Vec<Rule> {
    let uplinks: Vec<Key> = ruleset
        .interface_ids()
        .filter(|(_, interface)| interface.role == Role::Uplink)
        .map(|(id, _)| Key::Name(id.0))
        .collect();
    let mut rules = Vec::new();
    if !uplinks.is_empty() {
        let on_uplink = Part::Among { field: Field::In, not: false, keys: uplinks };
        for set in inside {
            let fields = match set.types[..] {
                [super::Type::Addr(family)] => vec![Field::Src(family)],
                _ => unreachable!("sets of inside addresses have one address"),
            };
            rules.push(
                Rule::new([
                    on_uplink.clone(),
                    Part::Lookup { fields, not: false, set: set.name.clone() },
                    Part::Do(Reason::Spoofed.goto()),
                ])
                .note("inside sources on an uplink"),
            );
        }
        // Addresses that come and go are in no set; the kernel knows them.
        let dynamic: Vec<Key> = ruleset
            .interface_ids()
            .filter(|(_, interface)| interface.role == Role::Uplink && interface.dynamic)
            .map(|(id, _)| Key::Name(id.0))
            .collect();
        if !dynamic.is_empty() {
            let parts = [
                Part::Among { field: Field::In, not: false, keys: dynamic },
                Part::LocalSource,
                Part::Do(Reason::Spoofed.goto()),
            ];
            rules.push(Rule::new(parts).note("the box's own address on an uplink"));
        }
        rules.push(Rule::new([on_uplink, Part::Do(Action::Return)]));
    }
    if hook == Hook::Input {
        rules.extend(first_contact(ruleset));
    }
    let segment = Part::Lookup { fields: vec![Field::In], not: false, set: SEGMENTS.to_owned() };
    rules.push(Rule::new([segment, Part::Do(Reason::Spoofed.goto())]));
    rules.push(Rule::new([Part::Do(Reason::UnknownInterface.goto())]));
    rules
}

/// Names of the sets of segments that carry a family.
fn carrying(family: Family) -> &'static str {
    match family {
        Family::V4 => "if_segments4",
        Family::V6 => "if_segments6",
    }
}

/// Sets of segments: all, and where some carry only one family, those that carry it.
pub(super) fn segment_sets(ruleset: &Ruleset) -> Vec<Set> {
    let set = |name: &str, keys: Vec<Key>| Set {
        name: name.to_owned(),
        types: vec![Field::In.key_type()],
        kind: SetKind::Written { interval: false, counter: false },
        keys,
        rules: Vec::new(),
    };
    let carriers = |family: Family| -> Vec<Key> {
        ruleset
            .interface_ids()
            .filter(|(id, interface)| ruleset.is_segment(*id) && interface.carries(family))
            .map(|(id, _)| Key::Name(id.0))
            .collect()
    };
    let all: Vec<Key> =
        ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id)).map(|(id, _)| Key::Name(id.0)).collect();
    let mut sets = Vec::new();
    for family in Family::BOTH {
        let some = carriers(family);
        if !some.is_empty() && some.len() < all.len() {
            sets.push(set(carrying(family), some));
        }
    }
    sets.push(set(SEGMENTS, all));
    sets
}

/// Hosts without an address of their subnet, towards the box: DHCP, address detection, neighbour discovery, MLD, DHCPv6.
fn first_contact(ruleset: &Ruleset) -> Vec<Rule> {
    let udp = |parts: Vec<Part>, port: u16| {
        let among = |field, key| Part::Among { field, not: false, keys: vec![key] };
        parts
            .into_iter()
            .chain([among(Field::Proto, Key::Byte(proto::UDP)), among(Field::Dport, Key::Ports(port, port))])
            .collect::<Vec<Part>>()
    };
    let icmp = |parts: Vec<Part>, kinds: &[u8]| {
        let keys = kinds.iter().map(|kind| Key::Byte(*kind)).collect();
        parts
            .into_iter()
            .chain([Part::Among { field: Field::IcmpType(Family::V6), not: false, keys }])
            .collect::<Vec<Part>>()
    };
    let from = |family: Family, key: Key| {
        let carriers = ruleset.interfaces.iter().filter(|interface| interface.role != Role::Uplink);
        let (mut all, mut some) = (true, false);
        for interface in carriers {
            all &= interface.carries(family);
            some |= interface.carries(family);
        }
        let set = if all { SEGMENTS } else { carrying(family) };
        some.then(|| {
            vec![
                Part::Among { field: Field::Src(family), not: false, keys: vec![key] },
                Part::Lookup { fields: vec![Field::In], not: false, set: set.to_owned() },
            ]
        })
    };
    let single = |text: &str| Key::addresses(text.parse().expect("an address"));
    let mut list = Vec::new();
    if let Some(parts) = from(Family::V4, single("0.0.0.0")) {
        list.push((udp(parts, 67), "DHCP without an address"));
    }
    if let Some(parts) = from(Family::V6, single("::")) {
        list.push((icmp(parts, &[131, 132, 135, 143]), "address detection and MLD without an address"));
    }
    if let Some(parts) = from(Family::V6, link_local()) {
        list.push((
            icmp(parts.clone(), &[130, 131, 132, 133, 135, 136, 143]),
            "neighbour discovery and MLD from link-local addresses",
        ));
        list.push((udp(parts, 547), "DHCPv6 from link-local addresses"));
    }
    list.into_iter()
        .map(|(mut parts, note)| {
            parts.push(Part::Do(Action::Return));
            Rule::new(parts).note(note)
        })
        .collect()
}
