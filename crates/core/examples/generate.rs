//! `cargo run --example generate -- 1000 > policy.toml`: a policy of so many segments, each of which reaches ten others
//! on three services, with a management segment that reaches all.

use std::process::ExitCode;

use segwall_core::testing::scale_policy;

/// Segments that fit into the addresses it gives out.
const SEGMENTS_MAX: usize = 65_536;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).and_then(|word| word.parse::<usize>().ok());
    match wanted.filter(|count| (2..=SEGMENTS_MAX).contains(count)) {
        Some(count) => {
            print!("{}", scale_policy(count));
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("usage: generate SEGMENTS (2 to {SEGMENTS_MAX})");
            ExitCode::from(2)
        }
    }
}
