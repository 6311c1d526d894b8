//! The wrappers against the real kernel, in namespaces of their own.

#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, missing_docs)]

mod cases;
#[path = "../harness/mod.rs"]
mod harness;
mod net;
mod others;
mod watch;

use std::process::ExitCode;

use segwall_host::userns;

fn main() -> ExitCode {
    let outside: Vec<harness::Case> = cases::OUTSIDE.iter().chain(others::OUTSIDE).copied().collect();
    let inside: Vec<harness::Case> = cases::ALL.iter().chain(watch::ALL).copied().collect();
    harness::run(&outside, || userns::enter().map(drop), &inside)
}
