//! Claims: every `[[expect]]` is decided over all classes of flows and all times.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use segwall_packetset::{Flow, Place};

use super::classes::{Classes, Question};
use super::codes;
use super::domain::{Ground, places};
use super::questions::{Claim, each_question};
use super::words::{flow_words, time_words};
use crate::diag::Diagnostic;
use crate::policy::{Expect, Policy, Verdict, Zone};
use crate::ruleset::{At, Dst, Path, Reason, Ruleset, Side};

/// A claim about more combinations than this in one pair of places is not decided.
const COMBINATIONS_MAX: usize = 2_000_000;

/// What breaks a claim.
enum Broken {
    Flow(Flow, At),
    TooLarge,
}

/// Decides every claim.
pub(super) fn check(policy: &Policy, ground: &Ground<'_>, at: At, found: &mut Vec<Diagnostic>) {
    if policy.expects.is_empty() {
        return;
    }
    let mut reach = BTreeMap::new();
    for expect in &policy.expects {
        found.extend(decide(ground, expect, at, &mut reach));
    }
}

fn decide(
    ground: &Ground<'_>,
    expect: &Expect,
    at: At,
    reach: &mut BTreeMap<Place, BTreeSet<Place>>,
) -> Option<Diagnostic> {
    let ruleset = &*ground.ruleset;
    let drops = expect.verdict != Verdict::Accept;
    let claim = Claim { from: &expect.from, to: &expect.to, services: expect.services.as_deref(), whole_box: drops };
    // Where no rule accepts anything, a claim of a drop holds without a look.
    if drops {
        for input in expect.from.iter().flat_map(|end| places(ruleset, end.zone)) {
            reach.entry(input).or_insert_with(|| accepted_outputs(ruleset, input));
        }
    }
    let wanted = |input, output| !drops || reach.get(&input).is_some_and(|outputs| outputs.contains(&output));
    let mut any_flow = false;
    let broken = each_question(ground, claim, wanted, |question| match look(ruleset, &question, at, drops) {
        Ok(seen) => {
            any_flow |= seen;
            ControlFlow::Continue(())
        }
        Err(broken) => ControlFlow::Break(broken),
    });
    match broken {
        ControlFlow::Continue(()) if drops || any_flow => None,
        ControlFlow::Continue(()) => Some(
            Diagnostic::error(codes::EXPECT_FAILED, expect.span, "no packet can be what this claim speaks of")
                .label("claims an accept")
                .help("look at the address families of both ends, and at ICMP messages that open no connection"),
        ),
        ControlFlow::Break(Broken::TooLarge) => Some(
            Diagnostic::warning(codes::UNDECIDED, expect.span, "this claim is about too many combinations to decide")
                .help("split it: fewer ends or services in each claim"),
        ),
        ControlFlow::Break(Broken::Flow(flow, when)) => Some(failed(ruleset, expect, flow, when, at)),
    }
}

/// Whether the claim's question has flows at all, or what breaks it.
fn look(ruleset: &Ruleset, question: &Question, at: At, drops: bool) -> Result<bool, Broken> {
    let classes = Classes::of(ruleset, question, at);
    let count = [classes.src.len(), classes.dst.len(), classes.services.len(), classes.instants.len()];
    if count.iter().try_fold(1usize, |all, one| all.checked_mul(*one)).is_none_or(|all| all > COMBINATIONS_MAX) {
        return Err(Broken::TooLarge);
    }
    let mut any = false;
    for combination in classes.combinations(ruleset, question) {
        any = true;
        for when in &classes.instants {
            let accepted = |flow: &Flow| ruleset.eval(flow, *when).verdict == Verdict::Accept;
            let broken = if drops {
                combination.flows().find(accepted)
            } else if combination.flows().any(|flow| accepted(&flow)) {
                // What reaches its target through a port forward reaches it.
                None
            } else {
                combination.flows().next()
            };
            if let Some(flow) = broken {
                return Err(Broken::Flow(flow, *when));
            }
        }
    }
    Ok(any)
}

/// Where some rule accepts something from a place.
fn accepted_outputs(ruleset: &Ruleset, input: Place) -> BTreeSet<Place> {
    let mut outputs = BTreeSet::new();
    for (rule, flow_box) in ruleset.boxes_from(input) {
        if ruleset.rules[rule].verdict != Verdict::Accept {
            continue;
        }
        let side = match flow_box.path {
            Path::Input { .. } => {
                outputs.insert(Place::Gateway);
                continue;
            }
            Path::Forward { output, .. } | Path::Output { output } => output,
        };
        // Only addresses of the box itself are meant by its own.
        debug_assert!(flow_box.dst != Dst::Own, "own addresses are for the input hook");
        match side {
            Side::One(id) => {
                outputs.insert(Place::Interface(id));
            }
            Side::Segments => outputs.extend(places(ruleset, Zone::Segments)),
            Side::Any => {
                outputs.extend(places(ruleset, Zone::Segments));
                outputs.extend(places(ruleset, Zone::Internet));
            }
        }
    }
    outputs
}

fn failed(ruleset: &Ruleset, expect: &Expect, flow: Flow, when: At, at: At) -> Diagnostic {
    let decision = ruleset.eval(&flow, when);
    let time = if when == at { String::new() } else { format!(" {}", time_words(ruleset, when)) };
    let became = match decision.verdict {
        Verdict::Accept => "is accepted",
        Verdict::Drop => "is dropped",
        Verdict::Reject => "is rejected",
    };
    let message = format!("this claim does not hold: {} {became}{time}", flow_words(ruleset, &flow));
    let mut finding = Diagnostic::error(codes::EXPECT_FAILED, expect.span, message)
        .label(format!("claims {}", if expect.verdict == Verdict::Accept { "an accept" } else { "a drop" }))
        .witness(flow);
    match decision.reason {
        Reason::Rule(rule) => {
            let rule = &ruleset.rules[rule];
            match rule.span {
                Some(span) => {
                    finding = finding
                        .also(span, format!("this {}s it", rule.verdict.word()))
                        .help(format!("narrow that {}, or correct the claim", rule.verdict.word()));
                }
                None => finding = finding.help("the box accepts it without being asked for; a drop takes it away"),
            }
        }
        reason => {
            finding =
                finding.help(format!("nothing accepts it ({}): add an accept, or correct the claim", reason.word()))
        }
    }
    finding
}
