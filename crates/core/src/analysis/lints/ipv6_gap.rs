//! SW0814: a drop or reject of IPv4 addresses in a segment that has IPv6 too, and IPv6 is accepted there.

use segwall_packetset::{AddrRange, Cube, Family, Field, Flow, GaveUp, Place, Set};

use super::Context;
use crate::analysis::always::Always;
use crate::analysis::always::targets::says_same;
use crate::analysis::codes;
use crate::analysis::domain::places;
use crate::analysis::proof::terms::{family_number, is, ranges_of};
use crate::analysis::words::flow_words;
use crate::diag::Diagnostic;
use crate::policy::{End, Rule, Verdict, Zone};
use crate::ruleset::{At, Origin};

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    for lowered in ruleset.rules.iter().filter(|rule| rule.verdict != Verdict::Accept) {
        let Origin::Written(id) = lowered.origin else { continue };
        let over = matches!((context.at, lowered.when.until), (At::Instant(now), Some(until)) if until <= now);
        let rule = &context.policy.rules[id.0 as usize];
        let narrow = rule.from.iter().chain(&rule.to).find(|end| is_half(context, end));
        let Some(end) = narrow.filter(|_| !over) else { continue };
        let Ok(Some(flow)) = gap(context, always, rule) else { continue };
        let word = rule.verdict.word();
        found.push(
            Diagnostic::warning(
                codes::IPV6_GAP,
                end.span,
                format!("this {word} names IPv4 addresses only, and their segment has IPv6 too"),
            )
            .label("the same hosts have other addresses")
            .also(rule.span, format!("{} is accepted", flow_words(ruleset, &flow)))
            .witness(flow)
            .help(format!("add their IPv6 addresses (`addresses` of a host takes both), or {word} the whole segment")),
        );
    }
}

/// Whether an end names IPv4 addresses, and no other, of a segment that has IPv6.
fn is_half(context: &Context<'_>, end: &End) -> bool {
    let (Zone::Segment(id), Some(addresses)) = (end.zone, &end.addresses) else { return false };
    addresses.iter().all(|range| range.family() == Family::V4)
        && context.ruleset().interfaces[id.index()].carries(Family::V6)
}

/// The end as it would have to be for IPv6: the whole segment where it names IPv4 only.
fn widened(context: &Context<'_>, end: &End) -> End {
    if is_half(context, end) { End { addresses: None, ..end.clone() } } else { end.clone() }
}

/// An IPv6 flow that is accepted, as the IPv4 one is not.
fn gap(context: &Context<'_>, always: &mut Always<'_>, rule: &Rule) -> Result<Option<Flow>, GaveUp> {
    let services = always.services(rule.services.as_deref())?;
    let others = others(context, always, rule)?;
    let ipv6 = always.space.range(Field::Family, family_number(Family::V6), family_number(Family::V6))?;
    for source in &rule.from {
        for target in &rule.to {
            if !is_half(context, source) && !is_half(context, target) {
                continue;
            }
            let (from, to) = (widened(context, source), widened(context, target));
            let beyond = always.beyond(&to)?;
            for input in places(context.ruleset(), from.zone) {
                let entry = always.entry(input)?;
                let sources = always.sources(input, &from)?;
                let to = if to.zone == Zone::Gateway && input != Place::Gateway {
                    always.of_box(input, &to, true)?
                } else if says_same(source, target) {
                    beyond
                } else {
                    let elsewhere = always.elsewhere(input)?;
                    always.space.intersect(beyond, elsewhere)?
                };
                let set = always.space.intersect_all(&[entry.accepted, ipv6, sources, to, services])?;
                let set = always.space.minus(set, others)?;
                if let Some((flow, _)) = always.example(input, set)? {
                    return Ok(Some(flow));
                }
            }
        }
    }
    Ok(None)
}

/// Packets from or to IPv6 addresses that belong to hosts the rule does not name.
fn others(context: &Context<'_>, always: &mut Always<'_>, rule: &Rule) -> Result<Set, GaveUp> {
    let mut sets = Vec::new();
    for (ends, field) in [(&rule.from, Field::Src), (&rule.to, Field::Dst)] {
        let named = |range: &AddrRange| {
            ends.iter().flat_map(|end| end.addresses.iter().flatten()).any(|own| own.overlaps(range))
        };
        let of_others = context.policy.hosts.iter().filter_map(|host| {
            let addresses: Vec<AddrRange> = host.addresses.iter().copied().map(AddrRange::single).collect();
            (!addresses.iter().any(named)).then_some(addresses)
        });
        let ranges = AddrRange::merge(of_others.flatten().collect());
        let ranges = ranges_of(&ranges, Family::V6);
        let narrow = ends.iter().any(|end| is_half(context, end));
        if narrow && !ranges.is_empty() {
            let cube = is(Cube::all(), Field::Family, family_number(Family::V6)).with_ranges(field, &ranges);
            sets.push(always.space.cube(&cube)?);
        }
    }
    always.space.union_all(&sets)
}
