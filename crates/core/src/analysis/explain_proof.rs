//! Proof of an explanation, for tests: what is said of one flow of each part holds for all packets of the part, and the
//! parts are all that was asked.

use std::ops::ControlFlow;

use segwall_packetset::{GaveUp, Set, Space};

use super::always::Always;
use super::classes::Question;
use super::domain::Ground;
use super::explain_ends::read_ends;
use super::explain_sets::{asked, decided, now};
use super::questions::{Claim, each_question};
use super::{PARTS_MAX, Part, explain};
use crate::policy::{Policy, Verdict};
use crate::ruleset::{At, Ruleset};

/// What a comparison with the sets came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proved {
    /// All of it is true; so many rules of parts were looked at.
    True(usize),
    /// The question means nothing, or has more parts than are shown.
    NotAsked,
    /// This is not true.
    False(String),
}

/// Compares the explanation of every service between two ends with the sets.
///
/// # Errors
/// When the space gives up.
pub fn prove_explanation(policy: &Policy, ruleset: &Ruleset, from: &str, to: &str, at: At) -> Result<Proved, GaveUp> {
    let ground = Ground::of(ruleset);
    let Ok(said) = explain(policy, ruleset, from, to, None, at) else { return Ok(Proved::NotAsked) };
    if said.parts_left_out > 0 || said.parts.len() >= PARTS_MAX {
        return Ok(Proved::NotAsked);
    }
    let (Ok(from), Ok(to)) = (read_ends(policy, &ground.ruleset, from), read_ends(policy, &ground.ruleset, to)) else {
        return Ok(Proved::NotAsked);
    };
    let mut questions = Vec::new();
    let claim = Claim { from: &from, to: &to, services: None, whole_box: false };
    let _: ControlFlow<()> = each_question(
        &ground,
        claim,
        |_, _| true,
        |question| {
            questions.push(question);
            ControlFlow::Continue(())
        },
    );
    let mut always = Always::new(&ground, at, Space::NODES_MAX);
    let mut looked_at = 0;
    for question in &questions {
        match one_question(&mut always, question, &said.parts)? {
            Ok(count) => looked_at += count,
            Err(why) => return Ok(Proved::False(why)),
        }
    }
    Ok(Proved::True(looked_at))
}

fn one_question(always: &mut Always<'_>, question: &Question, parts: &[Part]) -> Result<Result<usize, String>, GaveUp> {
    let all = asked(always, question)?;
    let by_rule = decided(always, question)?;
    let mut told = Set::EMPTY;
    let mut looked_at = 0;
    let here = |part: &&Part| part.area.0 == question.input && part.flow.output == question.output;
    for part in parts.iter().filter(here) {
        let area = always.space.cubes(&part.area.1)?;
        let area = always.space.intersect(area, all)?;
        // It answers another question about the same two places: what another port forward makes of it.
        if area.is_empty() {
            continue;
        }
        told = always.space.union(told, area)?;
        let of_verdict = |verdict: Verdict| verdict.word() == part.verdict;
        let meant: Vec<Set> = by_rule.iter().filter(|one| of_verdict(one.verdict)).map(|one| one.set).collect();
        let meant = always.space.union_all(&meant)?;
        let wrong = always.space.minus(area, meant)?;
        if let Some(point) = always.space.witness(wrong) {
            return Ok(Err(format!("{point:?} does not fare so: {part:#?}")));
        }
        match rules_named(always, question, part, area)? {
            Ok(count) => looked_at += count,
            Err(why) => return Ok(Err(why)),
        }
    }
    // Nothing was left out, but for ICMP in the other family's packets.
    let misplaced = super::explain_area::misplaced(&mut always.space)?;
    let rest = always.space.minus(all, told)?;
    let rest = always.space.minus(rest, misplaced)?;
    Ok(match always.space.witness(rest) {
        Some(point) => Err(format!("nothing is said of {point:?}")),
        None => Ok(looked_at),
    })
}

/// Rules that cover a part are named, and no others, with whether they cover all of it.
fn rules_named(
    always: &mut Always<'_>,
    question: &Question,
    part: &Part,
    area: Set,
) -> Result<Result<usize, String>, GaveUp> {
    let ruleset = always.ruleset();
    let mut count = 0;
    for (at, rule) in ruleset.rules.iter().enumerate().filter(|(_, rule)| !rule.untracked) {
        let covered = always.covered(question.input, rule)?;
        let covered = now(always, covered)?;
        let both = always.space.intersect(covered, area)?;
        let words = super::words::rule_words(ruleset, at);
        let named = part.covering.iter().find(|one| (one.line, &one.rule) == (rule.line, &words));
        let whole = named.is_some_and(|one| !one.partly);
        if (!both.is_empty(), both == area) != (named.is_some(), whole) {
            return Ok(Err(format!("{words} is not named as it covers: {part:#?}")));
        }
        count += usize::from(!both.is_empty());
    }
    Ok(Ok(count))
}
