//! Whole labs in the real kernel: the examples, random policies, faults put in on purpose, updates in place, and a lab
//! that is killed.
//!
//! A fixed-seed tenth of the large counts; `SEGWALL_FULL=1` runs all.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod examples;
#[path = "../../../host/tests/harness/mod.rs"]
mod harness;
mod mutations;
mod random;

use std::process::ExitCode;

use harness::Case;

fn main() -> ExitCode {
    let inside: Vec<Case> = [examples::ALL, random::ALL, mutations::ALL].concat();
    harness::run(&[], || segwall_lab::isolate().map(drop), &inside)
}
