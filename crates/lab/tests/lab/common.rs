//! Loading policies, running labs, showing what they found.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{Ruleset, lower};
use segwall_core::source::Source;
use segwall_lab::{Emit, LabError, Options, Report};

/// Differences that are shown of one run.
const SHOWN_MAX: usize = 20;

/// The larger count with `SEGWALL_FULL=1`, else the smaller.
pub fn count(tenth: usize, full: usize) -> usize {
    if is_full() { full } else { tenth }
}

pub fn is_full() -> bool {
    std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1")
}

/// An example and its text.
pub fn example(name: &str) -> String {
    let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every example, by name.
pub fn examples() -> Vec<String> {
    let folder = format!("{}/../../examples", env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    names
}

/// A policy that must be sound.
pub fn load(name: &str, text: &str) -> (Policy, Ruleset) {
    let source = Source::new(name, text);
    let context = Context { today: Timestamp::now().to_zoned(TimeZone::UTC).date(), timezone: TimeZone::UTC };
    let loaded = policy::load(&source, &context);
    let policy = loaded.policy.unwrap_or_else(|| panic!("{name}: {:#?}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    (policy, ruleset)
}

/// The kernel compares hours with its own clock, so the lab's is the true one.
pub fn options() -> Options {
    let now = Timestamp::now();
    Options { now, run: u64::try_from(now.as_nanosecond()).unwrap(), seed: 7, leases: false }
}

pub fn run(policy: &Policy, ruleset: &Ruleset, emit: &Emit<'_>) -> Report {
    segwall_lab::run(policy, ruleset, emit, &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{}", words(&error)))
}

/// An error with everything that led to it.
pub fn words(error: &LabError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// What a run found, for people who have to mend it.
pub fn text(report: &Report) -> String {
    let mut text = format!("{} probes, {} differences\n", report.probes_total, report.differences_total);
    for difference in report.differences.iter().take(SHOWN_MAX) {
        text.push_str(&serde_json::to_string(difference).unwrap());
        text.push('\n');
    }
    text
}
