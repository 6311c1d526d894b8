//! The wrappers against the real kernel, in namespaces of their own.

#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, missing_docs)]

mod cases;
#[path = "../harness/mod.rs"]
mod harness;
mod net;

use std::process::ExitCode;

use segwall_host::userns;

fn main() -> ExitCode {
    harness::run(cases::OUTSIDE, || userns::enter().map(drop), cases::ALL)
}
