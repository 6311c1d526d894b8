//! `cargo run --example generate -- 1000 > policy.toml`: a policy of so many segments, each of which reaches ten others
//! on three services, with a management segment that reaches all.
//! `cargo run --example generate -- iptables 5000 60 > rules.v4`: an iptables-save of so many rules in so many chains.

use std::process::ExitCode;

use segwall_core::testing::{Seeded, iptables_save, scale_policy};

/// Segments that fit into the addresses it gives out.
const SEGMENTS_MAX: usize = 65_536;
/// Rules of a save file, far beyond what any firewall has.
const RULES_MAX: usize = 1_000_000;
const SEED: u64 = 0x5e6_5ca1e;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |word: &String| word.parse::<usize>().ok();
    match words.as_slice() {
        [segments] => {
            if let Some(count) = number(segments).filter(|count| (2..=SEGMENTS_MAX).contains(count)) {
                print!("{}", scale_policy(count));
                return ExitCode::SUCCESS;
            }
        }
        [kind, rules, chains] if kind == "iptables" => {
            if let (Some(rules), Some(chains)) = (number(rules).filter(|count| *count <= RULES_MAX), number(chains)) {
                let mut choices = Seeded(SEED);
                print!("{}", iptables_save(&mut |bound| choices.below(bound), rules, chains));
                return ExitCode::SUCCESS;
            }
        }
        _ => {}
    }
    eprintln!("usage: generate SEGMENTS (2 to {SEGMENTS_MAX}), or generate iptables RULES CHAINS");
    ExitCode::from(2)
}
