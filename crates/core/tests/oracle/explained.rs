//! Explanations of random policies, proved for all packets.

use segwall_core::analysis::{Proved, prove_explanation};
use segwall_core::ruleset::{At, lower};
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};

const SEED: u64 = 0x5e6_e9a1;
const POLICIES: u64 = 300;
const QUESTIONS: u64 = 6;

#[test]
fn every_part_of_an_explanation_is_proved() {
    let policies = if std::env::var_os("SEGWALL_FULL").is_some() { POLICIES * 10 } else { POLICIES };
    let mut looked_at = 0;
    for seed in SEED..SEED + policies {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let ruleset = lower(&policy, &source_of(&policy), &jiff::tz::TimeZone::UTC);
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
            match prove_explanation(&policy, &ruleset, &from, &to, at).expect("small policies fit") {
                Proved::True(count) => looked_at += count,
                Proved::NotAsked => {}
                Proved::False(why) => {
                    panic!("{from} to {to} at {at:?}, seed {seed:#x}: {why}\n{}", to_toml(&policy))
                }
            }
        }
    }
    assert!(looked_at > 3_000, "{looked_at} rules of parts were looked at");
}
