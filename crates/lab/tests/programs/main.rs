//! Random programs of nft and iptables: what the model says of a packet, the kernel does with it.
//!
//! 50 programs of 200 packets; `SEGWALL_FULL=1` runs 500. `PROGRAM_SEED=…` runs one.

#![allow(clippy::unwrap_used, missing_docs)]

mod draw;
#[path = "../../../host/tests/harness/mod.rs"]
mod harness;
mod iptables;
mod nft;
mod packet;
mod random_iptables;
mod random_nft;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(&[], || segwall_lab::isolate().map(drop), &[nft::ALL, iptables::ALL].concat())
}
