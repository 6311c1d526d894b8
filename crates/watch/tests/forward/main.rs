//! Forwarding to a real rsyslogd, in namespaces: in order, each once, through a collector that vanishes, restarts, refuses
//! or has a wrong certificate, and with a disk that is full.
//!
//! `SEGWALL_FULL=1` keeps the collector away for a minute, with the time-outs of the field.

#![allow(clippy::unwrap_used, missing_docs)]

mod certificates;
mod collector;
#[path = "../../../host/tests/harness/mod.rs"]
mod harness;
mod lasting;
mod refused;
mod sending;
mod world;

use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use segwall_host::userns;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mark, dir, address] = &args[..]
        && mark == lasting::MARK
    {
        lasting::helper(dir, address);
        return ExitCode::SUCCESS;
    }
    let inside: Vec<harness::Case> = [sending::ALL, lasting::ALL, refused::ALL]
        .into_iter()
        .flatten()
        .copied()
        .filter(|(name, _)| is_there(name))
        .collect();
    harness::run(&[], enter, &inside)
}

/// Namespaces for networks and for the disk that is full.
fn enter() -> Result<(), String> {
    userns::enter().map_err(|error| error.to_string())?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("no namespace for mounts: {error}"))
}

/// Whether the programs that a case needs are here; says so where not.
fn is_there(case: &str) -> bool {
    let missing = collector::missing(case);
    if let Some(program) = missing {
        let advice = format!("{case} needs `{program}`; scripts/tools brings rsyslogd, the system's packages the rest");
        assert!(!harness::must_run(), "{advice}");
        eprintln!("SKIPPED: {advice}");
    }
    missing.is_none()
}
