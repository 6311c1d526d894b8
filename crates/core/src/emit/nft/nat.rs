//! Address translation: chains only where the policy has any.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family, InterfaceId, PortRange};

use super::model::{Action, Base, Chain, Field, Key, Part, Rule, Set, SetKind};
use super::shape::{SAME, SEGMENTS, link_local};
use crate::ruleset::{Interface, Origin, Role, Ruleset, Translation, private_ipv4};

fn among(field: Field, keys: Vec<Key>) -> Part {
    Part::Among { field, not: false, keys }
}

fn name(id: InterfaceId) -> Key {
    Key::Name(id.0)
}

/// An interface's own addresses of one family.
fn own(interface: &Interface, family: Family) -> Vec<IpAddr> {
    let mut list: Vec<IpAddr> =
        interface.addresses.iter().copied().filter(|addr| Family::of(*addr) == family).collect();
    list.sort_unstable();
    list.dedup();
    list
}

fn keys(addresses: &[IpAddr]) -> Vec<Key> {
    addresses.iter().map(|addr| Key::addresses(AddrRange::single(*addr))).collect()
}

/// The set of the box's addresses that are written in the policy, without those of uplinks that may have others.
fn fixed_set(family: Family) -> &'static str {
    match family {
        Family::V4 => "fixed4",
        Family::V6 => "fixed6",
    }
}

fn fixed(ruleset: &Ruleset, family: Family) -> Vec<IpAddr> {
    let known = ruleset.interfaces.iter().filter(|interface| !interface.dynamic);
    let mut list: Vec<IpAddr> = known.flat_map(|interface| own(interface, family)).collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// Sets that the nat chains look up.
pub(super) fn sets(ruleset: &Ruleset) -> Vec<Set> {
    let asked = ruleset.translations.iter().any(|one| one.hairpin && ruleset.interface(one.uplink).dynamic);
    Family::BOTH
        .into_iter()
        .filter(|_| asked)
        .map(|family| Set {
            name: fixed_set(family).to_owned(),
            types: vec![Field::Dst(family).key_type()],
            kind: SetKind::Written { interval: false, counter: false },
            keys: keys(&fixed(ruleset, family)),
            rules: Vec::new(),
        })
        .filter(|set| !set.is_empty())
        .collect()
}

/// Where the packet is sent to, as matches; `None` when it can be sent to nothing.
fn sent_to(ruleset: &Ruleset, translation: &Translation, hairpin: bool) -> Option<Vec<Part>> {
    let family = Family::of(translation.to);
    let uplink = ruleset.interface(translation.uplink);
    let dst = Field::Dst(family);
    if !uplink.dynamic {
        let own = own(uplink, family);
        return (!own.is_empty()).then(|| vec![among(dst, keys(&own))]);
    }
    // Addresses come and go: the kernel knows them. From a segment every address of the box is local; those that are no
    // uplink's are known.
    let mut parts = vec![Part::Local { here: !hairpin }];
    let mut never = Vec::new();
    if family == Family::V6 {
        never.push(link_local());
    }
    if hairpin {
        never.push(match family {
            Family::V4 => Key::addresses("127.0.0.0/8".parse().expect("a prefix")),
            Family::V6 => Key::addresses("::1".parse().expect("an address")),
        });
    }
    if !never.is_empty() {
        parts.push(Part::Among { field: dst, not: true, keys: never });
    }
    if hairpin && !fixed(ruleset, family).is_empty() {
        parts.push(Part::Lookup { fields: vec![dst], not: true, set: fixed_set(family).to_owned() });
    }
    Some(parts)
}

fn service(proto: u8, ports: PortRange) -> [Part; 2] {
    [among(Field::Proto, vec![Key::Byte(proto)]), among(Field::Dport, vec![Key::ports(ports)])]
}

/// Ports and sources of one translation, then the rest of what it asks for.
fn dnat_rule(translation: &Translation, hairpin: bool, rest: Vec<Part>) -> Rule {
    let family = Family::of(translation.to);
    let mut parts = service(translation.proto, translation.ports).to_vec();
    if let (Some(from), false) = (&translation.from, hairpin) {
        parts.push(among(Field::Src(family), from.iter().map(|range| Key::addresses(*range)).collect()));
    }
    parts.extend(rest);
    parts.push(Part::Do(Action::Dnat(translation.to, translation.to_port)));
    Rule::new(parts).lines(vec![translation.line])
}

/// The prerouting chain and those it jumps to: one for each uplink, family and direction, so that packets to somewhere
/// else pass two rules and no list of ports.
fn prerouting(ruleset: &Ruleset) -> Vec<Chain> {
    let mut base = Vec::new();
    let mut chains = Vec::new();
    for (id, uplink) in ruleset.interface_ids() {
        for family in Family::BOTH {
            for hairpin in [false, true] {
                let list: Vec<&Translation> = ruleset
                    .translations
                    .iter()
                    .filter(|one| one.uplink == id && Family::of(one.to) == family && (one.hairpin || !hairpin))
                    .collect();
                let Some(sent) = list.first().and_then(|one| sent_to(ruleset, one, hairpin)) else { continue };
                // Known addresses are asked for once. Asking the kernel costs more than a list of ports: that comes last.
                let (first, last) =
                    if uplink.dynamic { (vec![Part::Family(family)], sent) } else { (sent, Vec::new()) };
                let input = if hairpin {
                    Part::Lookup { fields: vec![Field::In], not: false, set: SEGMENTS.to_owned() }
                } else {
                    among(Field::In, vec![name(id)])
                };
                let number = match family {
                    Family::V4 => 4,
                    Family::V6 => 6,
                };
                let chain = format!("{}{number}_{}", if hairpin { "hairpin" } else { "forwarded" }, id.0);
                let jump = Part::Do(Action::Jump(chain.clone()));
                base.push(Rule::new(std::iter::once(input).chain(first).chain([jump]).collect::<Vec<Part>>()));
                let rules = list.iter().map(|one| dnat_rule(one, hairpin, last.clone())).collect();
                chains.push(Chain { name: chain, base: None, rules });
            }
        }
    }
    if !base.is_empty() {
        chains.push(Chain { name: "prerouting".to_owned(), base: Some(Base::Prerouting), rules: base });
    }
    chains
}

fn masquerade_rules(ruleset: &Ruleset) -> Vec<Rule> {
    let private = private_ipv4();
    let mut rules = Vec::new();
    for (id, interface) in ruleset.interface_ids() {
        let needed =
            interface.masquerade
                && ruleset.interfaces.iter().filter(|other| other.role != Role::Uplink).any(|segment| {
                    segment.sources.iter().any(|source| private.iter().any(|range| range.overlaps(source)))
                });
        if needed {
            rules.push(
                Rule::new([
                    among(Field::Out, vec![name(id)]),
                    among(Field::Src(Family::V4), private.iter().map(|range| Key::addresses(*range)).collect()),
                    Part::Do(Action::Masquerade),
                ])
                .note("private sources towards an uplink"),
            );
        }
    }
    if ruleset.translations.iter().any(|one| one.hairpin) {
        // Else the target would answer its neighbour directly, with an address that one never asked.
        rules.push(
            Rule::new([
                Part::Translated,
                Part::Lookup { fields: vec![Field::In], not: false, set: SEGMENTS.to_owned() },
                Part::Lookup { fields: vec![Field::In, Field::Out], not: false, set: SAME.to_owned() },
                Part::Do(Action::Masquerade),
            ])
            .note("port forwards back into the segment they came from"),
        );
    }
    rules
}

/// The nat chains, where the policy has any use for them.
pub(super) fn chains(ruleset: &Ruleset) -> Vec<Chain> {
    let mut chains = prerouting(ruleset);
    let rules = masquerade_rules(ruleset);
    if !rules.is_empty() {
        chains.push(Chain { name: "postrouting".to_owned(), base: Some(Base::Postrouting), rules });
    }
    chains
}

/// Matches for exactly what one translation made, in the forward hook.
pub(super) fn translated(ruleset: &Ruleset, translation: &Translation) -> Option<Vec<Part>> {
    let family = Family::of(translation.to);
    let uplink = ruleset.interface(translation.uplink);
    let mut parts = vec![
        among(Field::In, vec![name(translation.uplink)]),
        among(Field::Out, vec![name(translation.segment)]),
        among(Field::Dst(family), keys(&[translation.to])),
    ];
    parts.extend(service(translation.proto, translation.delivered_ports()));
    parts.push(Part::SentPort(translation.proto, translation.ports));
    if !uplink.dynamic {
        let own = own(uplink, family);
        if own.is_empty() {
            return None;
        }
        parts.push(Part::SentTo(own));
    }
    if let Some(from) = &translation.from {
        parts.push(among(Field::Src(family), from.iter().map(|range| Key::addresses(*range)).collect()));
    }
    Some(parts)
}

/// Whether a rule is a port forward.
pub(super) fn is_forward(origin: Origin) -> bool {
    match origin {
        Origin::Forward(_) => true,
        Origin::Written(_) | Origin::Need(_) => false,
    }
}
