//! Whole labs in the real kernel: small and large networks, and commands in the lab's hosts.

#![allow(clippy::unwrap_used, missing_docs)]

mod cases;
#[path = "../../../host/tests/harness/mod.rs"]
mod harness;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(&[], || segwall_lab::isolate().map(drop), cases::ALL)
}
