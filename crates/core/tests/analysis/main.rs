//! What analysis says, compared with the oracle and with what people expect of the example policies.

mod blast;
mod explain;
mod foreign;
mod matrix;
mod pages;

use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_core::diag::Severity;
use segwall_core::policy::{Context, Policy, load};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;

/// A Wednesday noon in Berlin.
pub fn noon() -> At {
    At::Instant("2026-11-25T11:00:00Z".parse().expect("a constant"))
}

/// A policy that must be sound, and its ruleset.
pub fn sound(text: &str) -> (Policy, Ruleset) {
    let source = Source::new("test.toml", text);
    let loaded = load(&source, &Context { today: date(2026, 11, 25), timezone: TimeZone::UTC });
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    let policy = loaded.policy.unwrap_or_else(|| panic!("{errors:#?}\n{text}"));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    (policy, ruleset)
}

/// The tutorial's network.
pub const TUTORIAL: &str = include_str!("../../../../examples/tutorial.toml");
/// A branch office with most of the language.
pub const BRANCH: &str = include_str!("../../../../examples/branch.toml");
