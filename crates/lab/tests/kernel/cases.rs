//! The tests.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{Ruleset, lower};
use segwall_core::source::Source;
use segwall_lab::{Emit, Options, Report, emit_nft};

pub const ALL: &[(&str, fn())] = &[
    ("the_tutorial_has_no_differences", the_tutorial_has_no_differences),
    ("the_branch_office_has_no_differences", the_branch_office_has_no_differences),
];

fn load(name: &str, text: &str) -> (Policy, Ruleset) {
    let source = Source::new(name, text);
    let context = Context { today: Timestamp::now().to_zoned(TimeZone::UTC).date(), timezone: TimeZone::UTC };
    let loaded = policy::load(&source, &context);
    let policy = loaded.policy.unwrap_or_else(|| panic!("{name}: {:#?}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    (policy, ruleset)
}

fn run(policy: &Policy, ruleset: &Ruleset, emit: &Emit<'_>) -> Report {
    let options = Options { now: Timestamp::now(), run: 0x5e9, seed: 7 };
    segwall_lab::run(policy, ruleset, emit, &options, &mut |_| {}).unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        panic!("{text}")
    })
}

fn show(report: &Report) {
    println!("{} probes {:?} skipped {} in {:.2}s", report.probes_total, report.probes, report.skipped, report.seconds);
    for note in &report.notes {
        println!("  {note}");
    }
    for difference in report.differences.iter().take(40) {
        println!("  {}", serde_json::to_string(difference).unwrap());
    }
}

fn the_tutorial_has_no_differences() {
    let (policy, ruleset) = load("tutorial.toml", include_str!("../../../../examples/tutorial.toml"));
    let report = run(&policy, &ruleset, &emit_nft);
    show(&report);
    assert_eq!(report.differences_total, 0);
}

fn the_branch_office_has_no_differences() {
    let (policy, ruleset) = load("branch.toml", include_str!("../../../../examples/branch.toml"));
    let report = run(&policy, &ruleset, &emit_nft);
    show(&report);
    assert_eq!(report.differences_total, 0);
}
