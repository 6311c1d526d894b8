//! `segwall lab shell`: a shell, or one command, in a host of the lab.

use std::ffi::{OsStr, OsString};

use segwall_core::ruleset::At;
use segwall_lab::Command;

use super::lab::refused;
use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::{clock, load, out};

/// Run a shell, or one command, in a host of the lab
///
/// Every address of every other zone answers ping, TCP and UDP, as far as the policy lets you reach it. The exit code is
/// the command's own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall lab shell guest -p segwall.toml
  segwall lab shell guest -p segwall.toml -- ping -c 1 192.168.10.10
  segwall lab shell internet -p segwall.toml -- nc -v 203.0.113.2 443")]
pub struct Args {
    /// Where: a segment, internet or gateway
    #[arg(value_name = "SEGMENT")]
    zone: String,
    #[command(flatten)]
    policy: PolicyOption,
    /// The command and its arguments; your shell unless said
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const SHELL: &str = "/bin/sh";

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let checked = match load::sound::<()>("lab", &Location::of(args.policy.policy), Format::Text)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let own = std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| OsString::from(SHELL));
    let (program, arguments): (&OsStr, &[OsString]) = match args.command.split_first() {
        Some((program, arguments)) => (program, arguments),
        None => (&own, &[]),
    };
    // Before the first thread.
    segwall_lab::isolate().map_err(refused)?;
    let command = Command { zone: &args.zone, program, args: arguments };
    let at = At::Instant(clock::now());
    // For a script the command's own words are all there is.
    let by_hand = args.command.is_empty();
    let mut say = |line: &str| {
        if by_hand {
            out::complain(&format!("{line}\n"));
        }
    };
    segwall_lab::shell(&checked.policy, &checked.ruleset, &segwall_lab::emit_nft, at, &command, &mut say)
        .map(|code| Answer::Of(u8::try_from(code).unwrap_or(u8::MAX)))
        .map_err(refused)
}
