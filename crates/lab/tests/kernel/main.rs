//! Whole labs in the real kernel. One thread: namespaces demand it.
//!
//! Prints what libtest prints. Where namespaces are missing the tests are skipped, loudly; `SEGWALL_NO_SKIP=1` turns
//! that into a failure.

#![allow(clippy::unwrap_used, missing_docs)]

mod cases;
#[path = "../../../core/tests/emit/machine.rs"]
#[allow(dead_code, reason = "the emitter's own test uses all of it")]
mod machine;
mod mutations;
#[path = "../../../core/tests/oracle/packets.rs"]
mod packets;
#[path = "../../../core/tests/oracle/reading.rs"]
#[allow(dead_code, reason = "the oracle's own test uses all of it")]
mod reading;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in cases::ALL {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    if let Err(error) = segwall_lab::isolate() {
        eprintln!("SKIPPED: every kernel test of segwall-lab: {error}");
        let must_run = std::env::var_os("SEGWALL_NO_SKIP").is_some_and(|value| value == "1");
        println!(
            "\ntest result: {}. 0 passed; 0 failed; {} ignored",
            if must_run { "FAILED" } else { "ok" },
            cases::ALL.len()
        );
        return if must_run { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let chosen: Vec<_> = cases::ALL
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())))
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let mut failed = Vec::new();
    for (name, case) in &chosen {
        let begun = Instant::now();
        let ok = catch_unwind(case).is_ok();
        println!("test {name} ... {} ({:.2}s)", if ok { "ok" } else { "FAILED" }, begun.elapsed().as_secs_f64());
        if !ok {
            failed.push(*name);
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s",
        if failed.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failed.len(),
        failed.len(),
        cases::ALL.len() - chosen.len(),
        started.elapsed().as_secs_f64(),
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
