//! Whole labs in the real kernel: the examples, random policies, faults put in on purpose, updates in place, and a lab
//! that is killed.
//!
//! A fixed-seed tenth of the large counts; `SEGWALL_FULL=1` runs all.

#![allow(clippy::unwrap_used, missing_docs)]

mod agree;
mod common;
mod examples;
#[path = "../../../host/tests/harness/mod.rs"]
mod harness;
mod kill;
mod large;
mod leases;
mod mutations;
#[allow(dead_code, reason = "the tests of segwall-host use all of it")]
#[path = "../../../host/tests/kernel/net.rs"]
mod net;
mod proved;
mod unsure;
mod update;

use std::process::ExitCode;

use harness::Case;

fn main() -> ExitCode {
    if std::env::var_os(kill::CHILD).is_some() {
        return kill::until_killed();
    }
    let inside: Vec<Case> =
        [examples::ALL, leases::ALL, update::ALL, agree::ALL, proved::ALL, unsure::ALL, mutations::ALL, large::ALL]
            .concat();
    harness::run(kill::ALL, || segwall_lab::isolate().map(drop), &inside)
}
