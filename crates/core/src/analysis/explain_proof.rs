//! What an explanation says of one flow of each part holds for all packets of the part, and its parts are all that was
//! asked: against the sets of random policies.

use segwall_packetset::{Set, Space};

use super::always::Always;
use super::classes::Question;
use super::domain::Ground;
use super::explain_ends::read_ends;
use super::explain_sets::{asked, decided, now};
use super::questions::{Claim, each_question};
use super::{Explanation, PARTS_MAX, explain};
use crate::policy::{End, Policy, Verdict};
use crate::ruleset::{At, Ruleset, lower};
use crate::testing::{Seeded, random_policy, source_of, to_toml};

const SEED: u64 = 0x5e6_e9a1;
const POLICIES: u64 = 300;
const QUESTIONS: u64 = 6;

fn questions(ground: &Ground<'_>, from: &[End], to: &[End]) -> Vec<Question> {
    let mut list = Vec::new();
    let claim = Claim { from, to, services: None, whole_box: false };
    let _: std::ops::ControlFlow<()> = each_question(
        ground,
        claim,
        |_, _| true,
        |question| {
            list.push(question);
            std::ops::ControlFlow::Continue(())
        },
    );
    list
}

/// Panics with the policy where a part is not as it says.
fn parts_are_true(policy: &Policy, ground: &Ground<'_>, said: &Explanation, questions: &[Question], at: At) -> usize {
    let ruleset: &Ruleset = &ground.ruleset;
    let mut always = Always::new(ground, at, Space::NODES_MAX);
    let mut proved = 0;
    let text = || format!("{} to {} at {at:?}: {said:#?}\n{}", said.from, said.to, to_toml(policy));
    for question in questions {
        let all = asked(&mut always, question).expect("small policies fit");
        let by_rule = decided(&mut always, question).expect("small policies fit");
        let of = |always: &mut Always<'_>, wanted: Verdict| -> Set {
            let sets: Vec<Set> = by_rule.iter().filter(|part| part.verdict == wanted).map(|part| part.set).collect();
            always.space.union_all(&sets).expect("small policies fit")
        };
        let mut told = Set::EMPTY;
        for part in
            said.parts.iter().filter(|part| part.area.0 == question.input && part.flow.output == question.output)
        {
            let area = always.space.cubes(&part.area.1).expect("small policies fit");
            let area = always.space.intersect(area, all).expect("small policies fit");
            // It answers another question about the same two places: what another port forward makes of it.
            if area.is_empty() {
                continue;
            }
            told = always.space.union(told, area).expect("small policies fit");
            let verdict = match part.verdict {
                "accept" => Verdict::Accept,
                "reject" => Verdict::Reject,
                _ => Verdict::Drop,
            };
            let meant = of(&mut always, verdict);
            let wrong = always.space.minus(area, meant).expect("small policies fit");
            assert!(wrong.is_empty(), "{} is not so for {:?}; {}", part.verdict, always.space.witness(wrong), text());
            // Those that cover it are named, and no others, with whether they cover all of it. The families of a part
            // fare alike, and of each something is covered.
            for (at, rule) in ruleset.rules.iter().enumerate().filter(|(_, rule)| !rule.untracked) {
                let covered = always.covered(question.input, rule).expect("small policies fit");
                let covered = now(&mut always, covered).expect("small policies fit");
                let both = always.space.intersect(covered, area).expect("small policies fit");
                let words = super::words::rule_words(ruleset, at);
                let named = part.covering.iter().find(|one| (one.line, &one.rule) == (rule.line, &words));
                let whole = named.is_some_and(|one| !one.partly);
                assert_eq!(
                    (!both.is_empty(), both == area),
                    (named.is_some(), whole),
                    "{words} and {part:#?}; {}",
                    text()
                );
                proved += usize::from(!both.is_empty());
            }
        }
        // Nothing was left out, but for ICMP in the other family's packets.
        let rest = always.space.minus(all, told).expect("small policies fit");
        let misplaced = super::explain_area::misplaced(&mut always.space).expect("small policies fit");
        let rest = always.space.minus(rest, misplaced).expect("small policies fit");
        assert!(rest.is_empty(), "nothing is said of {:?}; {}", always.space.witness(rest), text());
    }
    proved
}

#[test]
fn every_part_of_an_explanation_is_proved() {
    let mut proved = 0;
    for seed in SEED..SEED + POLICIES {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let ruleset = lower(&policy, &source_of(&policy), &jiff::tz::TimeZone::UTC);
        let ground = Ground::of(&ruleset);
        let at = match choices.below(4) {
            0 => At::ClockUnknown,
            day => At::Instant(format!("2026-11-2{}T1{day}:30:00Z", 2 + day).parse().expect("an instant")),
        };
        let mut words: Vec<String> = policy.segments.iter().map(|segment| segment.name.clone()).collect();
        words.extend(policy.hosts.iter().map(|host| host.name.clone()));
        words.extend(["internet", "gateway", "any"].map(str::to_owned));
        for _ in 0..QUESTIONS {
            let mut word = || words[choices.below(words.len() as u64) as usize].clone();
            let (from, to) = (word(), word());
            let Ok(said) = explain(&policy, &ruleset, &from, &to, None, at) else { continue };
            if said.parts_left_out > 0 || said.parts.len() >= PARTS_MAX {
                continue;
            }
            let ends = |word: &str| read_ends(&policy, &ground.ruleset, word).expect("understood before");
            let questions = questions(&ground, &ends(&from), &ends(&to));
            proved += parts_are_true(&policy, &ground, &said, &questions, at);
        }
    }
    assert!(proved > 3_000, "{proved} rules of parts were looked at");
}
