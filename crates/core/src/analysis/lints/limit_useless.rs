//! SW0804: a limit on what another rule accepts without one.

use std::collections::BTreeSet;

use super::Context;
use crate::analysis::boxes_at::{place_pairs, question_of};
use crate::analysis::classes::Classes;
use crate::analysis::codes;
use crate::diag::Diagnostic;
use crate::policy::Verdict;
use crate::ruleset::{Origin, Reason, Rule};

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    for rule in ruleset.rules.iter().filter(|rule| rule.limit.is_some()) {
        let Some(span) = rule.span else { continue };
        let Some(by) = accepted_by(context, rule) else { continue };
        let message = "this limit limits nothing: all of it is accepted without a limit too";
        let mut finding = Diagnostic::warning(codes::LIMIT_USELESS, span, message);
        for other in by {
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

/// The unlimited accepts that together cover a limited one whenever it is in force; `None` when they leave something.
fn accepted_by(context: &Context<'_>, rule: &Rule) -> Option<BTreeSet<usize>> {
    let ruleset = context.ruleset();
    let mut by = BTreeSet::new();
    for flow_box in &rule.boxes {
        for (input, output) in place_pairs(ruleset, flow_box) {
            let Some(question) = question_of(context.ground, flow_box, input, output) else { continue };
            let classes = Classes::of(ruleset, &question, context.at);
            for flow in classes.combinations(ruleset, &question).filter_map(|combination| combination.direct) {
                for when in classes.instants.iter().filter(|when| ruleset.is_active(rule, **when)) {
                    let decision = ruleset.eval(&flow, *when);
                    match (decision.verdict, decision.reason) {
                        (Verdict::Accept, Reason::Rule(other)) if !decision.limited => {
                            by.insert(other);
                        }
                        // Refused flows say nothing of the limit.
                        (Verdict::Drop | Verdict::Reject, _) => {}
                        (Verdict::Accept, _) => return None,
                    }
                }
            }
        }
    }
    (!by.is_empty()).then_some(by)
}
