//! Networks to make pages and drawings of.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_core::policy::{Context, Policy, load};
use segwall_core::report::{Network, network};
use segwall_core::ruleset::{Ruleset, lower};
use segwall_core::source::Source;

/// The tutorial's network.
pub const TUTORIAL: &str = include_str!("../../../../examples/tutorial.toml");
/// A branch office with most of the language.
pub const BRANCH: &str = include_str!("../../../../examples/branch.toml");
/// What an office needs.
pub const OFFICE: &str = include_str!("../../../../examples/office.toml");

/// A policy that must be sound, with all that a network borrows.
pub struct Sound {
    pub source: Source,
    pub policy: Policy,
    pub ruleset: Ruleset,
}

pub fn sound(name: &str, text: &str) -> Sound {
    let source = Source::new(name, text);
    let loaded = load(&source, &Context { today: date(2026, 11, 25), timezone: TimeZone::UTC });
    let policy = loaded.policy.unwrap_or_else(|| panic!("{:#?}\n{text}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    Sound { source, policy, ruleset }
}

/// A Wednesday noon in Berlin.
pub fn noon() -> Timestamp {
    "2026-11-25T11:00:00Z".parse().expect("a constant")
}

impl Sound {
    pub fn network(&self) -> Network<'_> {
        network(&self.policy, &self.ruleset, &self.source, noon())
    }
}
