//! SW0804: a limit on what another rule accepts without one.

use std::collections::BTreeSet;

use segwall_packetset::{Flow, GaveUp};

use super::sample::inputs;
use super::{Context, LABELS_MAX};
use crate::analysis::always::Always;
use crate::analysis::codes;
use crate::diag::Diagnostic;
use crate::policy::Verdict;
use crate::ruleset::{Origin, Rule};

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    for rule in ruleset.rules.iter().filter(|rule| rule.limit.is_some()) {
        let Some(span) = rule.span else { continue };
        let Ok(Some((by, flow))) = accepted_by(always, rule) else { continue };
        let message = "this limit limits nothing: all of it is accepted without a limit too";
        let mut finding = Diagnostic::warning(codes::LIMIT_USELESS, span, message).witness(flow);
        for other in by.into_iter().take(LABELS_MAX) {
            let other = &ruleset.rules[other];
            match (other.span, other.origin) {
                (Some(span), _) => finding = finding.also(span, "this accept has no limit"),
                (None, Origin::Need(need)) => {
                    finding = finding.label(format!("{} are accepted without being asked for", need.describe()));
                }
                (None, Origin::Written(_) | Origin::Forward(_)) => {}
            }
        }
        found.push(finding.help("order does not matter: take the other accept out, or narrow it, or drop the limit"));
    }
}

/// The unlimited accepts that together cover a limited one whenever it is in force, and a flow of it; `None` when they
/// leave something. Refused flows say nothing of the limit.
fn accepted_by(always: &mut Always<'_>, rule: &Rule) -> Result<Option<(BTreeSet<usize>, Flow)>, GaveUp> {
    let ruleset = always.ruleset();
    let mut by = BTreeSet::new();
    let mut shown = None;
    for input in inputs(ruleset, rule) {
        let covered = always.covered(input, rule)?;
        let entry = always.entry(input)?;
        let mut left = always.space.intersect(covered, entry.accepted)?;
        if shown.is_none() {
            shown = always.example(input, left)?.map(|(flow, _)| flow);
        }
        let mut others: Vec<usize> = ruleset.boxes_from(input).into_iter().map(|(other, _)| other).collect();
        others.dedup();
        for other in others {
            let known = &ruleset.rules[other];
            if left.is_empty() {
                break;
            }
            if known.verdict != Verdict::Accept || known.limit.is_some() || known.untracked {
                continue;
            }
            let wide = always.covered(input, known)?;
            let rest = always.space.minus(left, wide)?;
            if rest != left {
                by.insert(other);
                left = rest;
            }
        }
        if !left.is_empty() {
            return Ok(None);
        }
    }
    Ok(shown.filter(|_| !by.is_empty()).map(|flow| (by, flow)))
}
