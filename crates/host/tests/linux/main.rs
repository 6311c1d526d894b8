//! The real box, in namespaces of its own and with its files in a directory.

#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, missing_docs)]

mod changes;
mod doctor;
mod files;
#[path = "../harness/mod.rs"]
mod harness;
mod helpers;
mod probes;
mod quarantine;
mod rules;
mod session;
mod transaction;
mod wires;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Processes that tests start are this program, too.
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(helpers::MARK) {
        return helpers::run(&args.collect::<Vec<_>>());
    }
    let inside: Vec<harness::Case> = [
        doctor::ALL,
        probes::ALL,
        quarantine::ALL,
        files::ALL,
        changes::ALL,
        rules::ALL,
        session::ALL,
        transaction::ALL,
    ]
    .concat();
    harness::run(&[], world::enter, &inside)
}
