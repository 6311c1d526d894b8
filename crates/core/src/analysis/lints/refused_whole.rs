//! SW0803 and SW0805: a rule or a port forward of which drops and rejects leave nothing.

use std::collections::BTreeSet;

use segwall_packetset::Place;

use super::{Context, LABELS_MAX};
use crate::analysis::boxes_at::{place_pairs, question_of};
use crate::analysis::classes::Classes;
use crate::analysis::codes;
use crate::diag::Diagnostic;
use crate::policy::Verdict;
use crate::ruleset::{Origin, Reason, Rule, Ruleset};

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    // Without a refusal nothing is refused.
    if ruleset.rules.iter().all(|rule| rule.verdict == Verdict::Accept) {
        return;
    }
    for (at, rule) in ruleset.rules.iter().enumerate() {
        let Some(span) = rule.span else { continue };
        if rule.verdict == Verdict::Drop {
            continue;
        }
        let Some(by) = refused_by(context, at, rule) else { continue };
        let (code, what) = match rule.origin {
            Origin::Forward(_) => (codes::FORWARD_REFUSED, "port forward".to_owned()),
            Origin::Written(_) | Origin::Need(_) => (codes::RULE_REFUSED, rule.verdict.word().to_owned()),
        };
        let words = if by.len() == 1 { "another rule refuses" } else { "other rules refuse" };
        let mut finding =
            Diagnostic::warning(code, span, format!("this {what} does nothing: {words} all of it")).label("never used");
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
fn refused_by(context: &Context<'_>, at: usize, rule: &Rule) -> Option<BTreeSet<usize>> {
    let ruleset = context.ruleset();
    let mut by = BTreeSet::new();
    for flow_box in &rule.boxes {
        for (input, output) in place_pairs(ruleset, flow_box) {
            if !any_refusal(ruleset, rule.verdict, input, output) {
                return None;
            }
            let Some(question) = question_of(context.ground, flow_box, input, output) else { continue };
            let classes = Classes::of(ruleset, &question, context.at);
            for combination in classes.combinations(ruleset, &question) {
                let flows = combination.flows().filter(|flow| ruleset.box_covers(flow_box, flow));
                for flow in flows {
                    for when in classes.instants.iter().filter(|when| ruleset.is_active(rule, **when)) {
                        match ruleset.eval(&flow, *when).reason {
                            Reason::Rule(other) if other != at && wins(ruleset.rules[other].verdict, rule.verdict) => {
                                by.insert(other);
                            }
                            _ => return None,
                        }
                    }
                }
            }
        }
    }
    (!by.is_empty()).then_some(by)
}

fn any_refusal(ruleset: &Ruleset, verdict: Verdict, input: Place, output: Place) -> bool {
    ruleset.boxes_between(input, output).iter().any(|(rule, _)| wins(ruleset.rules[*rule].verdict, verdict))
}

/// Whether a verdict goes before another.
fn wins(one: Verdict, other: Verdict) -> bool {
    matches!((one, other), (Verdict::Drop, Verdict::Accept | Verdict::Reject) | (Verdict::Reject, Verdict::Accept))
}
