//! What a box is given: as it was read, by the programs that read it, and with hostile texts in the policy.

mod golden;
mod injection;
mod programs;
mod readers;

use jiff::tz::TimeZone;
use segwall_core::emit::{self, Bundle, Facts, Input, System};
use segwall_core::policy::{Context, Policy, load};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;

const SYSTEMS: [System; 2] = [System::Alpine, System::Debian];

/// A policy that was accepted.
struct Sound {
    policy: Policy,
    ruleset: Ruleset,
}

/// Reads a policy; what `check` refuses comes back as nothing.
fn read(file: &str, text: &str) -> Result<Sound, String> {
    let source = Source::new(file, text);
    let context = Context { today: "2026-11-22".parse().expect("a date"), timezone: TimeZone::UTC };
    let loaded = load(&source, &context);
    let policy = loaded.policy.ok_or_else(|| format!("{:#?}", loaded.diagnostics))?;
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    Ok(Sound { policy, ruleset })
}

/// The policies that are emitted, by name.
fn policies() -> Vec<(&'static str, Sound)> {
    [
        ("tutorial", include_str!("../../../../examples/tutorial.toml")),
        ("branch", include_str!("../../../../examples/branch.toml")),
        ("everything", include_str!("policies/everything.toml")),
    ]
    .map(|(name, text)| (name, read(&format!("{name}.toml"), text).unwrap_or_else(|why| panic!("{name}: {why}"))))
    .into()
}

fn at() -> At {
    At::Instant("2026-11-22T12:00:00Z".parse().expect("an instant"))
}

fn everything(sound: &Sound, system: System) -> Bundle {
    let facts = Facts { system, memory_mib: 1024 };
    emit::everything(&Input { policy: &sound.policy, ruleset: &sound.ruleset, at: at(), facts })
}
