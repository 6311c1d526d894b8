//! Lints that claim something of all packets, on random policies.

use segwall_core::analysis::proof::{Intent, intent};
use segwall_core::analysis::sets::interfaces_named;
use segwall_core::analysis::{check, codes};
use segwall_core::netfilter::Hook;
use segwall_core::policy::{Policy, Verdict};
use segwall_core::ruleset::{At, Origin, Ruleset};
use segwall_core::testing::{Seeded, random_policy, to_toml};
use segwall_packetset::{Field, GaveUp, Set, Space};

use crate::{instant, lowered, uplink_addresses};

const SEED: u64 = 0x5e6_c0f3;
const POLICIES: u64 = 400;
const HOOKS: [Hook; 3] = [Hook::Input, Hook::Forward, Hook::Output];

/// The intent at a hook in sets that do not tell which rule it is.
fn meaning(space: &mut Space, ruleset: &Ruleset, hook: Hook, at: At) -> Result<(Set, Vec<Set>), GaveUp> {
    let Intent { possible, accept, reject, limited, logged } = intent(space, ruleset, hook, at)?;
    let mut sets = vec![accept, reject, logged];
    sets.extend(limited.into_iter().map(|(_, _, set)| set));
    Ok((possible, sets))
}

fn among_named(space: &mut Space, ruleset: &Ruleset, hook: Hook, set: Set) -> Result<Set, GaveUp> {
    let fields: &[Field] = match hook {
        Hook::Input => &[Field::In],
        Hook::Output => &[Field::Out],
        _ => &[Field::In, Field::Out],
    };
    let mut set = set;
    for field in fields {
        let names = ruleset.interfaces.iter().map(|interface| interface.name.as_str());
        let named = interfaces_named(space, *field, names)?;
        set = space.intersect(set, named)?;
    }
    Ok(set)
}

/// Whether two rulesets say the same of every packet at an instant and from then on, as far as both texts are good.
fn same(one: &Ruleset, other: &Ruleset, at: At) -> bool {
    let mut space = Space::default();
    HOOKS.into_iter().all(|hook| {
        let (possible, before) = meaning(&mut space, one, hook, at).expect("small policies fit");
        let (possible_then, after) = meaning(&mut space, other, hook, at).expect("small policies fit");
        let both = space.intersect(possible, possible_then).expect("small policies fit");
        // The claim is about the interfaces that the policy names.
        let both = among_named(&mut space, one, hook, both).expect("small policies fit");
        before.len() == after.len()
            && before.iter().zip(&after).all(|(before, after)| {
                let before = space.intersect(*before, both).expect("small policies fit");
                before == space.intersect(*after, both).expect("small policies fit")
            })
    })
}

fn without(policy: &Policy, gone: &[usize]) -> Policy {
    let mut policy = policy.clone();
    let mut at = 0;
    policy.rules.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    policy
}

/// Adds what is covered by what is there: copies, parts, and two halves of a rule beside the whole.
fn crowd(policy: &mut Policy, choose: &mut dyn FnMut(u64) -> u64) {
    let first = (policy.rules.len() + policy.forwards.len() + policy.expects.len()) as u32;
    for line in first + 1..=first + 1 + choose(3) as u32 {
        let Some(rule) = policy.rules.get(choose(policy.rules.len().max(1) as u64) as usize).cloned() else { return };
        let mut copy = rule.clone();
        match choose(4) {
            0 => {}
            1 => copy.from.truncate(1),
            2 => copy.log = !copy.log,
            _ => copy.schedule = None,
        }
        copy.span = segwall_core::source::Span { start: line, end: line };
        policy.rules.push(copy);
    }
}

#[test]
fn taking_covered_rules_out_changes_nothing() {
    let policies = if std::env::var_os("SEGWALL_FULL").is_some() { POLICIES * 10 } else { POLICIES };
    let (mut covered, mut kept) = (0, 0);
    for seed in SEED..SEED + policies {
        let mut choices = Seeded(seed);
        let mut choose = |bound| choices.below(bound);
        let mut policy = random_policy(&mut choose);
        crowd(&mut policy, &mut choose);
        // Every line of the text is a rule's.
        policy.expects.clear();
        let addresses = uplink_addresses(&policy);
        let ruleset = lowered(&policy, &addresses);
        let at = instant(&mut choose);
        let later = match (at, instant(&mut choose)) {
            (At::Instant(now), At::Instant(later)) => At::Instant(now.max(later)),
            (At::Instant(_), At::ClockUnknown) => At::ClockUnknown,
            (At::ClockUnknown, _) => continue,
        };
        let found: Vec<u32> = check(&policy, &ruleset, at)
            .into_iter()
            .filter(|finding| finding.code == codes::RULE_COVERED)
            .map(|finding| finding.span.start)
            .collect();
        let places = |lines: &[u32]| -> Vec<usize> {
            (0..policy.rules.len()).filter(|at| lines.contains(&policy.rules[*at].span.start)).collect()
        };
        let less = without(&policy, &places(&found));
        for when in [at, later] {
            assert!(
                same(&ruleset, &lowered(&less, &addresses), when),
                "without {found:?} it is another policy at {when:?}, seed {seed:#x}\n{}",
                to_toml(&policy)
            );
        }
        covered += found.len();
        // A rule that is its own and in force now is not called covered: taking it out is seen.
        for rule in
            ruleset.rules.iter().filter(|rule| matches!(rule.origin, Origin::Written(_)) && rule.limit.is_none())
        {
            let start = rule.span.expect("a rule of the file").start;
            let alone = without(&policy, &places(&[start]));
            let differs = !same(&ruleset, &lowered(&alone, &addresses), at);
            if differs && rule.verdict == Verdict::Accept {
                assert!(!found.contains(&start), "{start} is called covered, seed {seed:#x}\n{}", to_toml(&policy));
                kept += 1;
            }
        }
    }
    assert!(covered > 300 && kept > 300, "{covered} covered rules, {kept} others");
}

/// The counterpart: a copy of a rule is always found.
#[test]
fn an_equal_rule_is_always_found() {
    let mut seen = 0;
    for seed in SEED..SEED + 200 {
        let mut choices = Seeded(seed);
        let mut choose = |bound| choices.below(bound);
        let mut policy = random_policy(&mut choose);
        policy.expects.clear();
        let addresses = uplink_addresses(&policy);
        let at = At::Instant("2026-11-25T12:30:30Z".parse().expect("an instant"));
        let Some(rule) = policy.rules.iter().find(|rule| rule.limit.is_none() && rule.expires.is_none()).cloned()
        else {
            continue;
        };
        let line = (policy.rules.len() + policy.forwards.len()) as u32;
        policy
            .rules
            .push(segwall_core::policy::Rule { span: segwall_core::source::Span { start: line, end: line }, ..rule });
        let ruleset = lowered(&policy, &addresses);
        let copy = ruleset.rules.iter().find(|rule| rule.span.is_some_and(|span| span.start == line));
        // Some ends of random rules have no flows at all.
        if copy.is_none_or(|copy| copy.boxes.is_empty()) {
            continue;
        }
        let findings = check(&policy, &ruleset, at);
        let found = findings.iter().any(|finding| finding.code == codes::RULE_COVERED);
        if found {
            seen += 1;
            continue;
        }
        let mut space = Space::default();
        let gone = without(&policy, &(0..policy.rules.len()).collect::<Vec<_>>());
        let only = Policy { rules: vec![policy.rules[policy.rules.len() - 1].clone()], ..gone.clone() };
        let empty = HOOKS.into_iter().all(|hook| {
            let (_, one) = meaning(&mut space, &lowered(&only, &addresses), hook, at).expect("small policies fit");
            let (_, none) = meaning(&mut space, &lowered(&gone, &addresses), hook, at).expect("small policies fit");
            one == none
        });
        let refuses = policy.rules[policy.rules.len() - 1].verdict != Verdict::Accept;
        assert!(empty || refuses, "a copy is not found, seed {seed:#x}\n{}", to_toml(&policy));
    }
    assert!(seen > 100, "{seen} copies were found");
}
