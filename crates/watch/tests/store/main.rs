//! The store under misfortune: killed at random moments, on a disk that is full.
//!
//! It is killed 10 times; `SEGWALL_FULL=1` kills it 100 times, `STORE_SEED=…` at other moments.

#![allow(clippy::unwrap_used, missing_docs)]

mod full;
#[path = "../../../host/tests/harness/mod.rs"]
mod harness;
mod killed;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use segwall_host::userns;
use segwall_packetset::{Header, proto};
use segwall_watch::At;
use segwall_watch::event::{Answer, Volume};
use segwall_watch::store::Flow;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mark, dir, first] = &args[..]
        && mark == killed::MARK
    {
        killed::helper(dir, first.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    harness::run(killed::ALL, enter, full::ALL)
}

/// For a disk of our own.
fn enter() -> Result<(), String> {
    userns::enter().map_err(|error| error.to_string())?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("no namespace for mounts: {error}"))
}

/// A flow that is told by its number.
pub fn flow(number: u64, at: At) -> Flow {
    Flow {
        ended: at,
        began: Some(At(at.0 - 1_000_000)),
        from: "guest".to_owned(),
        to: "internet".to_owned(),
        proto: proto::TCP,
        src: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + u32::try_from(number % 250).unwrap())),
        dst: "203.0.113.9".parse().unwrap(),
        header: Header::Ports { sport: u16::try_from(number % 65_536).unwrap(), dport: 443 },
        server: None,
        sent: Volume { packets: 5, bytes: number },
        received: Volume { packets: 5, bytes: 2_000 },
        answer: Answer::Answered,
    }
}
