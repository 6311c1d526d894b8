//! `segwall confirm`: what was applied is kept.

use schemars::JsonSchema;
use segwall_host::apply;
use serde::Serialize;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::out::GOOD;
use crate::router::{self, Asker, may_confirm};
use crate::{json, out};

/// Keep what was applied
///
/// Over SSH from a connection that was opened after the apply: it shows that one still gets in. At the box's own terminal
/// from there. Exit codes: 0 kept, 4 nothing waits, it is too late, or not from here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  segwall confirm")]
pub struct Args {
    /// You are at the box's own terminal, where it cannot be found out
    #[arg(long)]
    console: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `confirm`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The generation that holds from here on.
    pub generation: u64,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let _lock = router::lock(&linux)?;
    let asker = Asker::find(None, args.console, |_| None);
    let kept = apply::confirm(&mut linux, |journal, now| may_confirm(&asker, journal, now));
    let generation = kept.map_err(|error| router::failed(&error))?;
    match args.format {
        Format::Json => json::print("confirm", Answer::Yes, Vec::new(), Some(Data { generation })),
        Format::Text => {
            let advice = router::lbu_advice(&linux);
            out::print(&format!("{GOOD}generation {generation} is kept{GOOD:#}\n{advice}"))?;
            Ok(Answer::Yes)
        }
    }
}
