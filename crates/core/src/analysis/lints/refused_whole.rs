//! SW0803 and SW0805: a rule or a port forward of which drops and rejects leave nothing.

use std::collections::BTreeSet;

use segwall_packetset::{Flow, GaveUp};

use super::sample::{any_refusal, inputs};
use super::{Context, LABELS_MAX};
use crate::analysis::always::Always;
use crate::analysis::codes;
use crate::diag::Diagnostic;
use crate::policy::Verdict;
use crate::ruleset::{Origin, Rule};

/// What takes a rule away, and a flow that shows it.
struct Refused {
    by: BTreeSet<usize>,
    flow: Flow,
}

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    // Without a refusal nothing is refused.
    if ruleset.rules.iter().all(|rule| rule.verdict == Verdict::Accept) {
        return;
    }
    for rule in &ruleset.rules {
        let Some(span) = rule.span else { continue };
        if rule.verdict == Verdict::Drop {
            continue;
        }
        let Ok(Some(Refused { by, flow })) = refused_by(always, rule) else { continue };
        let (code, what) = match rule.origin {
            Origin::Forward(_) => (codes::FORWARD_REFUSED, "port forward".to_owned()),
            Origin::Written(_) | Origin::Need(_) => (codes::RULE_REFUSED, rule.verdict.word().to_owned()),
        };
        let words = if by.len() == 1 { "another rule refuses" } else { "other rules refuse" };
        let mut finding = Diagnostic::warning(code, span, format!("this {what} does nothing: {words} all of it"))
            .label("never used")
            .witness(flow);
        for refusal in by.iter().take(LABELS_MAX) {
            let refusal = &ruleset.rules[*refusal];
            if let Some(span) = refusal.span {
                finding = finding.also(span, format!("this {} covers it", refusal.verdict.word()));
            }
        }
        found.push(finding.help("order does not matter: a drop always wins. Narrow the drop, or take this rule out"));
    }
}

/// The rules that refuse every flow of a rule whenever it is in force; `None` when one is left, or when there is none.
fn refused_by(always: &mut Always<'_>, rule: &Rule) -> Result<Option<Refused>, GaveUp> {
    let ruleset = always.ruleset();
    let mut by = BTreeSet::new();
    let mut shown = None;
    for input in inputs(ruleset, rule) {
        let covered = always.covered(input, rule)?;
        let entry = always.entry(input)?;
        let mut left = always.space.intersect(covered, entry.possible)?;
        if left.is_empty() {
            continue;
        }
        let kept = always.space.intersect(left, entry.accepted)?;
        if !any_refusal(ruleset, input) || (rule.verdict == Verdict::Accept && !kept.is_empty()) {
            return Ok(None);
        }
        if shown.is_none() {
            shown = always.example(input, left)?.map(|(flow, _)| flow);
        }
        // A drop decides before a reject.
        for verdict in [Verdict::Drop, Verdict::Reject] {
            let mut refusing: Vec<usize> = ruleset.boxes_from(input).into_iter().map(|(other, _)| other).collect();
            refusing.dedup();
            refusing.retain(|other| ruleset.rules[*other].verdict == verdict && wins(verdict, rule.verdict));
            for other in refusing {
                let refused = always.covered(input, &ruleset.rules[other])?;
                let rest = always.space.minus(left, refused)?;
                if rest != left {
                    by.insert(other);
                    left = rest;
                }
            }
        }
        if !left.is_empty() {
            return Ok(None);
        }
    }
    Ok(shown.filter(|_| !by.is_empty()).map(|flow| Refused { by, flow }))
}

/// Whether a verdict goes before another.
fn wins(one: Verdict, other: Verdict) -> bool {
    matches!((one, other), (Verdict::Drop, Verdict::Accept | Verdict::Reject) | (Verdict::Reject, Verdict::Accept))
}
