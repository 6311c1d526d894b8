//! `segwall docs`: the network as a page.

use std::path::PathBuf;

use clap::ValueEnum;
use segwall_core::report;

use super::pages;
use crate::args::PolicyArg;
use crate::exit::{Answer, Failure};

/// Write the network down as a page: Markdown, or one HTML file
///
/// Segments, addresses, DHCP, who may talk to whom, every rule with its line, what is proved and what is not
/// covered. Computed from the compiled ruleset, not from the rules' text. The same policy gives the same bytes; the page
/// has no date. It is written even where an expectation fails, and says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall docs --output network.md segwall.toml
  segwall docs --format html --output network.html segwall.toml")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Markdown, or one HTML file without scripts and other files
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Write into this file instead of printing; a file that Segwall did not write is never overwritten
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Markdown,
    Html,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    pages::make(args.policy, args.output.as_deref(), |network| match args.format {
        Format::Markdown => report::markdown(network, None),
        Format::Html => report::html(network, None),
    })
}
