//! Parts of an explanation where a list of all combinations would be too long: from sets, box by box.

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Place, PortRange, Set, proto};

use super::always::{Always, output_number};
use super::classes::Question;
use super::proof::terms::{address, family_number, number};
use crate::policy::{Ports, Service, Verdict};
use crate::ruleset::{Rule, Ruleset};

/// What one rule decides of a question, or what is left when no rule does.
pub(super) struct Decided {
    pub verdict: Verdict,
    pub set: Set,
}

/// Steps of a decision, in their order: what goes before what.
const STEPS: [fn(&Rule) -> bool; 5] = [
    |rule| rule.firm,
    |rule| rule.verdict == Verdict::Drop,
    |rule| rule.verdict == Verdict::Reject,
    |rule| rule.limit.is_none(),
    |_| true,
];

/// The packets of a question that can be, now.
///
/// # Errors
/// When the space gives up.
pub(super) fn asked(always: &mut Always<'_>, question: &Question) -> Result<Set, GaveUp> {
    let possible = always.entry(question.input)?.possible;
    let from_uplink = always.ruleset().uplink().map(Place::Interface) == Some(question.input);
    let mut cubes = Vec::new();
    for family in Family::BOTH {
        let ranges = |list: &[AddrRange]| super::proof::terms::ranges_of(list, family);
        let cube = Cube::all()
            .with_only(Field::Family, family_number(family))
            .with_only(Field::Out, output_number(question.output))
            .with_ranges(Field::Src, &ranges(&question.src))
            .with_ranges(Field::Dst, &ranges(&question.dst));
        // What a segment sends by the uplink's address is asked about by that address; the rules are the same.
        cubes.push(match (question.forwarded_only, from_uplink) {
            (true, _) => cube.with_only(Field::Translated, 1),
            (false, false) => cube.with_only(Field::Translated, 0),
            (false, true) => cube,
        });
    }
    let set = always.space.cubes(&cubes)?;
    let services = always.services(question.services.as_deref())?;
    let set = always.space.intersect_all(&[set, services, possible])?;
    now(always, set)
}

/// What a set holds at the instant asked for.
///
/// # Errors
/// When the space gives up.
pub(super) fn now(always: &mut Always<'_>, set: Set) -> Result<Set, GaveUp> {
    let at = always.clock.now();
    at.into_iter().try_fold(set, |set, (field, value)| always.space.restrict(set, field, value))
}

/// The question's packets by the rule that decides them, accepts first.
///
/// # Errors
/// When the space gives up.
pub(super) fn decided(always: &mut Always<'_>, question: &Question) -> Result<Vec<Decided>, GaveUp> {
    let ruleset: &Ruleset = always.ruleset();
    let mut left = asked(always, question)?;
    let mut rules: Vec<usize> =
        ruleset.boxes_between(question.input, question.output).into_iter().map(|(rule, _)| rule).collect();
    rules.dedup();
    rules.retain(|rule| !ruleset.rules[*rule].untracked);
    let mut list = Vec::new();
    for step in STEPS {
        let (of_step, others): (Vec<usize>, Vec<usize>) = rules.iter().partition(|rule| step(&ruleset.rules[**rule]));
        rules = others;
        for rule in of_step {
            let covered = always.covered(question.input, &ruleset.rules[rule])?;
            let covered = now(always, covered)?;
            let set = always.space.intersect(left, covered)?;
            if !set.is_empty() {
                list.push(Decided { verdict: ruleset.rules[rule].verdict, set });
                left = always.space.minus(left, set)?;
            }
        }
    }
    if !left.is_empty() {
        list.push(Decided { verdict: Verdict::Drop, set: left });
    }
    // A stable sort: within a verdict in the order of the decisions.
    list.sort_by_key(|decided| decided.verdict);
    Ok(list)
}

/// The rules that cover packets of a set now, and whether not all of them.
///
/// # Errors
/// When the space gives up.
pub(super) fn covering(always: &mut Always<'_>, question: &Question, set: Set) -> Result<Vec<(usize, bool)>, GaveUp> {
    let ruleset = always.ruleset();
    let mut rules: Vec<usize> =
        ruleset.boxes_between(question.input, question.output).into_iter().map(|(rule, _)| rule).collect();
    rules.dedup();
    rules.retain(|rule| !ruleset.rules[*rule].untracked);
    let mut list = Vec::new();
    for rule in rules {
        let covered = always.covered(question.input, &ruleset.rules[rule])?;
        let covered = now(always, covered)?;
        let both = always.space.intersect(covered, set)?;
        if !both.is_empty() {
            list.push((rule, both != set));
        }
    }
    Ok(list)
}

/// Addresses of a box; `None` where it has no say.
pub(super) fn addresses(cube: &Cube, field: Field, family: Family) -> Option<Vec<AddrRange>> {
    let highest = number(AddrRange::all(family).last());
    let at = |value: u128| address(family_number(family), value.min(highest));
    let ranges = cube.get(field)?.iter().filter(|(first, _)| *first <= highest);
    Some(AddrRange::merge(ranges.filter_map(|(first, last)| AddrRange::new(at(*first), at(*last))).collect()))
}

/// Family of a box: one where it says so.
pub(super) fn families(cube: &Cube) -> Vec<Family> {
    let holds = |family: &Family| {
        let wanted = family_number(*family);
        cube.get(Field::Family)
            .is_none_or(|ranges| ranges.iter().any(|(first, last)| (*first..=*last).contains(&wanted)))
    };
    Family::BOTH.into_iter().filter(holds).collect()
}

/// Protocols that a box names one by one; `None` where it has more of them than people name.
pub(super) fn services(cube: &Cube) -> Option<Vec<Service>> {
    const PROTOCOLS_MAX: u128 = 8;
    let protocols = cube.get(Field::Proto)?;
    if protocols.iter().map(|(first, last)| last - first + 1).sum::<u128>() > PROTOCOLS_MAX {
        return None;
    }
    let byte = |value: u128| u8::try_from(value).unwrap_or(u8::MAX);
    let small = |value: u128| u16::try_from(value).unwrap_or(u16::MAX);
    let mut list = Vec::new();
    for protocol in protocols.iter().flat_map(|(first, last)| *first..=*last).map(byte) {
        match (cube.get(Field::Dport), cube.get(Field::IcmpType)) {
            (Some(ports), _) if proto::has_ports(protocol) => list.extend(ports.iter().map(|(first, last)| Service {
                proto: protocol,
                ports: Ports::Range(PortRange { first: small(*first), last: small(*last) }),
            })),
            (_, Some(kinds)) if matches!(protocol, proto::ICMP | proto::ICMPV6) => {
                let kinds = kinds.iter().flat_map(|(first, last)| *first..=*last).map(byte);
                let codes = cube.get(Field::IcmpCode);
                let code = codes.and_then(|codes| (codes[0].0 == codes[0].1).then_some(byte(codes[0].0)));
                list.extend(kinds.map(|kind| Service { proto: protocol, ports: Ports::Icmp { kind, code } }));
            }
            _ => list.push(Service { proto: protocol, ports: Ports::All }),
        }
    }
    Some(list)
}
