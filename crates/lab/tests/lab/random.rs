//! Random small policies through emitter, kernel and probes.

use std::io::Write;

use jiff::tz::TimeZone;
use segwall_core::ruleset::lower;
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};
use segwall_lab::emit_nft;

use crate::common::{count, options, text, words};
use crate::harness::Case;

pub const ALL: &[Case] = &[("random_policies_have_no_differences", random_policies_have_no_differences)];

const SEED: u64 = 0x5e6_1ab0;

fn random_policies_have_no_differences() {
    let policies = count(20, 200);
    let (mut probes, mut skipped, mut wrong) = (0, 0, Vec::new());
    for case in 0..policies as u64 {
        let mut choices = Seeded(SEED + case);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let source = source_of(&policy);
        let ruleset = lower(&policy, &source, &TimeZone::UTC);
        // The policy in a file of its own replays it: `segwall lab FILE`.
        let replay = || format!("seed {:#x}, the policy:\n{}", SEED + case, to_toml(&policy));
        match segwall_lab::run(&policy, &ruleset, &emit_nft, &options(), &mut |_| {}) {
            Ok(report) => {
                probes += report.probes_total;
                skipped += report.skipped;
                if report.differences_total > 0 {
                    wrong.push(format!("{}{}", text(&report), replay()));
                }
            }
            Err(error) => wrong.push(format!("{}\n{}", words(&error), replay())),
        }
        print!(".");
        let _ = std::io::stdout().flush();
    }
    println!("\n{policies} random policies, {probes} probes, {skipped} combinations left out");
    assert!(wrong.is_empty(), "{} of {policies} policies differ:\n{}", wrong.len(), wrong.join("\n\n"));
}
