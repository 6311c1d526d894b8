//! What the kernel holds after a load is proved to be what the policy says.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::analysis::proof::{Answer, Proof, prove};
use segwall_core::netfilter::read_nft_json;
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};
use segwall_host::netns::Netns;
use segwall_host::nft::{LISTING, Nft};
use segwall_lab::emit_nft;
use segwall_packetset::Space;

use crate::common::{count, example, examples, load};
use crate::harness::Case;

pub const ALL: &[Case] = &[
    ("examples_are_proved_after_a_load", examples_are_proved),
    ("random_policies_are_proved_after_a_load", random_policies_are_proved),
];

const SEED: u64 = 0x5e6_9f00;

/// Loads into a namespace of its own, reads everything back, proves.
pub fn read_back(ruleset: &Ruleset, at: At) -> Proof {
    let nft = Nft::find().unwrap();
    let netns = Netns::create().unwrap();
    for text in emit_nft(ruleset, at) {
        nft.load(&netns, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    let json = nft.list(&netns, &LISTING).unwrap();
    let program = read_nft_json(json.as_bytes()).unwrap();
    prove(&mut Space::default(), ruleset, &[&program], at)
}

/// The answer in words, if it is not "proved".
pub fn fault(proof: &Proof) -> Option<String> {
    match &proof.answer {
        Answer::Proved => None,
        Answer::Undetermined(why) => Some(format!("undetermined: {why:#?}")),
        Answer::Refuted(list) => {
            let lines = list.iter().map(|one| {
                format!(
                    "{}: {}: declared {}, found {} ({:?})",
                    one.hook.word(),
                    one.witness,
                    one.wanted,
                    one.found,
                    one.rules
                )
            });
            Some(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn examples_are_proved() {
    let now = Timestamp::now();
    for name in examples() {
        let (_, ruleset) = load(&name, &example(&name));
        for at in [At::Instant(now), At::ClockUnknown] {
            let proof = read_back(&ruleset, at);
            assert_eq!(fault(&proof), None, "{name} at {at:?}");
        }
    }
}

fn random_policies_are_proved() {
    let now = Timestamp::now();
    let policies = count(100, 1000);
    let mut wrong = Vec::new();
    for seed in SEED..SEED + policies as u64 {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let ruleset = lower(&policy, &source_of(&policy), &TimeZone::UTC);
        if let Some(fault) = fault(&read_back(&ruleset, At::Instant(now))) {
            wrong.push(format!("seed {seed:#x}: {fault}\n{}", to_toml(&policy)));
        }
    }
    assert!(wrong.is_empty(), "{} of {policies} are not proved:\n{}", wrong.len(), wrong.join("\n\n"));
}
