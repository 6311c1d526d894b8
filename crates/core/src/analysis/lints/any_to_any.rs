//! SW0808: a rule that lets every segment open everything to every other.

use std::collections::BTreeSet;

use segwall_packetset::{GaveUp, Place, PortRange, proto};

use super::Context;
use super::sample::inputs;
use crate::analysis::always::Always;
use crate::analysis::codes;
use crate::analysis::domain::places;
use crate::diag::Diagnostic;
use crate::policy::{End, Policy, Ports, Rule, Service, Verdict, Zone};
use crate::ruleset::Origin;

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    for (at, lowered) in ruleset.rules.iter().enumerate() {
        let Origin::Written(id) = lowered.origin else { continue };
        let rule = &context.policy.rules[id.0 as usize];
        if !is_any_to_any(context.policy, context, rule) {
            continue;
        }
        let Ok(Some(flow)) = witness(always, at) else { continue };
        found.push(
            Diagnostic::warning(
                codes::ANY_TO_ANY,
                rule.span,
                "this accept joins all segments: each may open everything to every other",
            )
            .label("nothing is kept apart")
            .witness(flow)
            .help("name who needs what of whom; segments are apart only where rules leave them apart"),
        );
    }
}

/// Whether a rule of the file accepts everything, or all of TCP, between all segments.
pub(super) fn is_any_to_any(policy: &Policy, context: &Context<'_>, rule: &Rule) -> bool {
    rule.verdict == Verdict::Accept
        && policy.segments.len() > 1
        && rule.services.as_ref().is_none_or(|list| list.iter().any(is_all_tcp))
        && [&rule.from, &rule.to].into_iter().all(|ends| whole_segments(context, ends) == policy.segments.len())
}

fn is_all_tcp(service: &Service) -> bool {
    let all = match service.ports {
        Ports::All => true,
        Ports::Range(range) => range.first <= 1 && range.last == PortRange::ALL.last,
        Ports::Icmp { .. } => false,
    };
    service.proto == proto::TCP && all
}

/// How many segments the ends mean as a whole.
fn whole_segments(context: &Context<'_>, ends: &[End]) -> usize {
    let whole = ends.iter().filter(|end| end.addresses.is_none());
    let zones = whole.filter(|end| matches!(end.zone, Zone::Segment(_) | Zone::Segments));
    zones.flat_map(|end| places(context.ruleset(), end.zone)).collect::<BTreeSet<Place>>().len()
}

/// A flow between two segments that the rule accepts and no drop takes away.
fn witness(always: &mut Always<'_>, at: usize) -> Result<Option<segwall_packetset::Flow>, GaveUp> {
    let ruleset = always.ruleset();
    let rule = &ruleset.rules[at];
    let everywhere = End { zone: Zone::Segments, addresses: None, direct: false, span: rule.span.unwrap_or_default() };
    let segments = always.beyond(&everywhere)?;
    for input in inputs(ruleset, rule) {
        if !matches!(input, Place::Interface(id) if ruleset.is_segment(id)) {
            continue;
        }
        let covered = always.covered(input, rule)?;
        let entry = always.entry(input)?;
        let elsewhere = always.elsewhere(input)?;
        let set = always.space.intersect_all(&[covered, entry.accepted, segments, elsewhere])?;
        if let Some((flow, _)) = always.example(input, set)? {
            return Ok(Some(flow));
        }
    }
    Ok(None)
}
