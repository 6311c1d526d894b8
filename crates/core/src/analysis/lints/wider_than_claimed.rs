//! SW0815: an accept that opens more between two ends than the claims about them ask for.

use segwall_packetset::{Field, Flow, GaveUp, Place, Set, proto};

use super::Context;
use crate::analysis::always::Always;
use crate::analysis::codes;
use crate::analysis::domain::places;
use crate::analysis::words::{Words, service_word};
use crate::diag::{Diagnostic, Severity};
use crate::policy::{Expect, Verdict, Zone};
use crate::ruleset::Origin;

/// What a rule opens beyond a claim.
struct Beyond<'p> {
    claim: &'p Expect,
    flow: Flow,
}

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let claims: Vec<&Expect> =
        context.policy.expects.iter().filter(|expect| expect.verdict == Verdict::Accept).collect();
    let narrow = |claim: &&&Expect| {
        claim.services.is_some() && claim.from.iter().chain(&claim.to).all(|end| end.zone != Zone::Gateway)
    };
    if !claims.iter().any(|claim| narrow(&claim)) {
        return;
    }
    let words = Words::of(context.policy);
    for (at, rule) in context.ruleset().rules.iter().enumerate() {
        let (Origin::Written(_), Verdict::Accept, Some(span)) = (rule.origin, rule.verdict, rule.span) else {
            continue;
        };
        let beyond = claims.iter().filter(narrow).find_map(|claim| beyond(always, at, claim, &claims).ok()?);
        let Some(Beyond { claim, flow }) = beyond else { continue };
        let asked = words.services(claim.services.as_deref()).join(", ");
        let also = flow.dport().map_or_else(
            || proto::name(flow.proto).map_or_else(|| format!("protocol {}", flow.proto), str::to_owned),
            |port| {
                let ports = crate::policy::Ports::Range(segwall_packetset::PortRange::single(port));
                service_word(&crate::policy::Service { proto: flow.proto, ports })
            },
        );
        found.push(
            Diagnostic::new(
                codes::WIDER_THAN_CLAIMED,
                Severity::Note,
                span,
                format!("this accept opens more than the claim about it asks for, such as {also}"),
            )
            .also(claim.span, format!("asks for {asked}"))
            .witness(flow)
            .help("narrow the accept to what is needed, or claim the rest too"),
        );
    }
}

/// A flow between a claim's ends that a rule accepts beside what the claim asks for, and no other claim does.
fn beyond<'p>(
    always: &mut Always<'_>,
    at: usize,
    claim: &'p Expect,
    claims: &[&'p Expect],
) -> Result<Option<Beyond<'p>>, GaveUp> {
    let rule = &always.ruleset().rules[at];
    for source in &claim.from {
        for input in places(always.ruleset(), source.zone) {
            // Cheap first: most rules have nothing to do with most claims.
            if !always.ruleset().boxes_from(input).iter().any(|(other, _)| *other == at) {
                continue;
            }
            let ends = between(always, input, claim)?;
            let covered = always.covered(input, rule)?;
            let covered = always.space.intersect(covered, ends)?;
            let services = always.services(claim.services.as_deref())?;
            if always.space.intersect(covered, services)?.is_empty() {
                continue;
            }
            let entry = always.entry(input)?;
            let mut more = always.space.intersect(covered, entry.accepted)?;
            for other in claims {
                let ends = between(always, input, other)?;
                let services = always.services(other.services.as_deref())?;
                let asked = always.space.intersect(ends, services)?;
                more = always.space.minus(more, asked)?;
            }
            // Whoever opens a service is pinged too: no news.
            let icmp = [proto::ICMP, proto::ICMPV6].map(|number| (u128::from(number), u128::from(number)));
            let icmp = always.space.ranges(Field::Proto, &icmp)?;
            let more = always.space.minus(more, icmp)?;
            if let Some((flow, _)) = always.example(input, more)? {
                return Ok(Some(Beyond { claim, flow }));
            }
        }
    }
    Ok(None)
}

/// What enters at a place and is between the ends of a claim.
fn between(always: &mut Always<'_>, input: Place, claim: &Expect) -> Result<Set, GaveUp> {
    let mut from = Vec::new();
    let ruleset = always.ruleset();
    for source in claim.from.iter().filter(|end| places(ruleset, end.zone).contains(&input)) {
        from.push(always.sources(input, source)?);
    }
    let mut to = Vec::new();
    for target in &claim.to {
        to.push(always.beyond(target)?);
    }
    let from = always.space.union_all(&from)?;
    let to = always.space.union_all(&to)?;
    always.space.intersect(from, to)
}
