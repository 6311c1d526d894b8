//! Runs tests one after the other on one thread, which namespaces demand, and prints what libtest prints.
//!
//! Shared with other crates by path. Where namespaces are missing the tests are skipped, loudly; `SEGWALL_NO_SKIP=1`
//! turns that into a failure.

use std::fmt::Display;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

/// A test and its name.
pub type Case = (&'static str, fn());

/// What a run of tests came to.
#[derive(Default)]
pub struct Outcome {
    failed: Vec<&'static str>,
    passed: usize,
    ignored: usize,
}

/// Whether a test that cannot run is a failure.
pub fn must_run() -> bool {
    std::env::var_os("SEGWALL_NO_SKIP").is_some_and(|value| value == "1")
}

/// Runs `outside`, then enters namespaces, then runs `inside`. `--list` and names as filters work as in libtest.
pub fn run<E: Display>(outside: &[Case], enter: impl FnOnce() -> Result<(), E>, inside: &[Case]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in outside.iter().chain(inside) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let exact = args.iter().any(|arg| arg == "--exact");
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| if exact { name == *filter } else { name.contains(*filter) })
    };
    let started = Instant::now();
    let mut outcome = Outcome::default();
    let total = outside.iter().chain(inside).filter(|(name, _)| is_wanted(name)).count();
    println!("\nrunning {total} tests");
    outcome.run(outside, &is_wanted);
    if inside.iter().any(|(name, _)| is_wanted(name)) {
        match enter() {
            Ok(()) => outcome.run(inside, &is_wanted),
            Err(error) => outcome.skip(inside, &is_wanted, &error.to_string()),
        }
    }
    let ok = outcome.failed.is_empty();
    if !ok {
        println!("\nfailures:");
        for name in &outcome.failed {
            println!("    {name}");
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if ok { "ok" } else { "FAILED" },
        outcome.passed,
        outcome.failed.len(),
        outcome.ignored,
        outside.len() + inside.len() - total,
        started.elapsed().as_secs_f64(),
    );
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Outcome {
    fn run(&mut self, cases: &[Case], is_wanted: &dyn Fn(&str) -> bool) {
        for (name, case) in cases {
            if !is_wanted(name) {
                continue;
            }
            let begun = Instant::now();
            let ok = catch_unwind(case).is_ok();
            let seconds = begun.elapsed().as_secs_f64();
            println!("test {name} ... {} ({seconds:.2}s)", if ok { "ok" } else { "FAILED" });
            if ok {
                self.passed += 1;
            } else {
                self.failed.push(name);
            }
        }
    }

    fn skip(&mut self, cases: &[Case], is_wanted: &dyn Fn(&str) -> bool, why: &str) {
        eprintln!("SKIPPED: tests that need namespaces: {why}");
        for (name, _) in cases.iter().filter(|(name, _)| is_wanted(name)) {
            if must_run() {
                println!("test {name} ... FAILED");
                self.failed.push(name);
            } else {
                println!("test {name} ... ignored, {why}");
                self.ignored += 1;
            }
        }
    }
}
