//! SW0807: a rule all of which other rules of its kind cover.

use std::collections::{BTreeMap, BTreeSet};

use segwall_packetset::{GaveUp, Place, Set};

use super::sample::{inputs, sample};
use super::{Context, LABELS_MAX};
use crate::analysis::always::Always;
use crate::analysis::codes;
use crate::diag::{Diagnostic, Severity};
use crate::ruleset::{Origin, Rule, Ruleset};

/// A rule that may be covered, and by whom.
struct Suspect {
    rule: usize,
    /// Rules that cover a flow of each of its boxes.
    alone: BTreeSet<usize>,
}

/// What every rule covers of what enters at a place, made once.
struct Covers<'a, 'g> {
    always: &'a mut Always<'g>,
    known: BTreeMap<(Place, usize), Set>,
}

impl Covers<'_, '_> {
    fn of(&mut self, input: Place, rule: usize) -> Result<Set, GaveUp> {
        if let Some(known) = self.known.get(&(input, rule)) {
            return Ok(*known);
        }
        let set = self.always.covered(input, &self.always.ruleset().rules[rule])?;
        self.known.insert((input, rule), set);
        Ok(set)
    }

    /// What a rule covers of honest packets that enter at a place.
    fn honest(&mut self, input: Place, rule: usize) -> Result<Set, GaveUp> {
        let set = self.of(input, rule)?;
        let honest = self.always.honest(input)?;
        self.always.space.intersect(set, honest)
    }
}

/// Finds rules of which taking them all out changes nothing: the narrower of two, the later of two equal ones.
pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    let suspects: Vec<Suspect> =
        (0..ruleset.rules.len()).rev().filter_map(|rule| suspect(context, ruleset, rule)).collect();
    let mut covers = Covers { always, known: BTreeMap::new() };
    let mut out: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for together in [false, true] {
        for suspect in &suspects {
            if out.contains_key(&suspect.rule) {
                continue;
            }
            // Where the space gives up nothing is claimed.
            let by = if together {
                covered_together(&mut covers, suspect.rule, &out)
            } else {
                covered_alone(&mut covers, suspect, &out)
            };
            if let Ok(Some(by)) = by {
                out.insert(suspect.rule, by);
            }
        }
    }
    for (rule, by) in out {
        found.extend(finding(&mut covers, rule, &by));
    }
}

/// Whether one rule says the same of a flow as another, so that the other is not needed for it.
fn alike(rule: &Rule, other: &Rule) -> bool {
    other.verdict == rule.verdict && other.limit.is_none() && !other.untracked && (!rule.log || other.log)
}

/// Rules that other ones may cover: cheap, because nearly all are not.
fn suspect(context: &Context<'_>, ruleset: &Ruleset, at: usize) -> Option<Suspect> {
    let rule = &ruleset.rules[at];
    // A port forward translates, too, and a limit has a finding of its own.
    if !matches!(rule.origin, Origin::Written(_)) || rule.limit.is_some() {
        return None;
    }
    let mut alone: Option<BTreeSet<usize>> = None;
    for flow_box in &rule.boxes {
        let Some(flow) = sample(context, flow_box) else { continue };
        let mut covering = BTreeSet::new();
        for (other, other_box) in ruleset.boxes_from(flow.input) {
            if other != at && alike(rule, &ruleset.rules[other]) && ruleset.box_covers(other_box, &flow) {
                covering.insert(other);
            }
        }
        if covering.is_empty() {
            return None;
        }
        alone = Some(match alone {
            None => covering,
            Some(known) => known.intersection(&covering).copied().collect(),
        });
    }
    alone.map(|alone| Suspect { rule: at, alone })
}

fn covered_alone(
    covers: &mut Covers<'_, '_>,
    suspect: &Suspect,
    out: &BTreeMap<usize, BTreeSet<usize>>,
) -> Result<Option<BTreeSet<usize>>, GaveUp> {
    let ruleset = covers.always.ruleset();
    let inputs = inputs(ruleset, &ruleset.rules[suspect.rule]);
    'others: for other in suspect.alone.iter().copied().filter(|other| !out.contains_key(other)) {
        let mut any = false;
        for input in inputs.iter().copied() {
            let own = covers.honest(input, suspect.rule)?;
            if own.is_empty() {
                continue;
            }
            any = true;
            let wide = covers.of(input, other)?;
            if !covers.always.space.minus(own, wide)?.is_empty() {
                continue 'others;
            }
        }
        if any {
            return Ok(Some(BTreeSet::from([other])));
        }
    }
    Ok(None)
}

fn covered_together(
    covers: &mut Covers<'_, '_>,
    rule: usize,
    out: &BTreeMap<usize, BTreeSet<usize>>,
) -> Result<Option<BTreeSet<usize>>, GaveUp> {
    let ruleset = covers.always.ruleset();
    let mut by = BTreeSet::new();
    for input in inputs(ruleset, &ruleset.rules[rule]) {
        let mut left = covers.honest(input, rule)?;
        let mut others: Vec<usize> = ruleset.boxes_from(input).into_iter().map(|(other, _)| other).collect();
        others.dedup();
        others.retain(|other| {
            *other != rule && !out.contains_key(other) && alike(&ruleset.rules[rule], &ruleset.rules[*other])
        });
        for other in others {
            if left.is_empty() {
                break;
            }
            let wide = covers.of(input, other)?;
            let rest = covers.always.space.minus(left, wide)?;
            if rest != left {
                by.insert(other);
                left = rest;
            }
        }
        if !left.is_empty() {
            return Ok(None);
        }
    }
    Ok((!by.is_empty()).then_some(by))
}

fn finding(covers: &mut Covers<'_, '_>, at: usize, by: &BTreeSet<usize>) -> Option<Diagnostic> {
    let ruleset = covers.always.ruleset();
    let rule = &ruleset.rules[at];
    let word = rule.verdict.word();
    let unasked: Vec<&str> = by
        .iter()
        .filter_map(|other| match ruleset.rules[*other].origin {
            Origin::Need(need) => Some(need.describe()),
            Origin::Written(_) | Origin::Forward(_) => None,
        })
        .collect();
    let (severity, message, help) = if unasked.len() == by.len() {
        let message = format!("this {word} changes nothing: {} are accepted without it", unasked.join(", "));
        (Severity::Note, message, "take it out, unless it stands here for readers")
    } else {
        let others = if by.len() == 1 {
            format!("another {word} covers all of it")
        } else {
            format!("other {word}s together cover all of it")
        };
        let help = "order does not matter: take it out, or narrow the other where this one is what was meant";
        (Severity::Warning, format!("this {word} changes nothing: {others}"), help)
    };
    let mut finding = Diagnostic::new(codes::RULE_COVERED, severity, rule.span?, message).help(help);
    for other in by.iter().filter_map(|other| ruleset.rules[*other].span).take(LABELS_MAX) {
        finding =
            finding.also(other, format!("this {word} covers {}", if by.len() == 1 { "it" } else { "part of it" }));
    }
    for input in inputs(ruleset, rule) {
        let own = covers.honest(input, at).ok()?;
        if let Some((flow, _)) = covers.always.example(input, own).ok()? {
            return Some(finding.witness(flow));
        }
    }
    Some(finding)
}
