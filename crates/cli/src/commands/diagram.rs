//! `segwall diagram`: the network as a drawing.

use std::path::PathBuf;

use clap::ValueEnum;
use segwall_core::report::diagram;

use super::pages;
use crate::args::PolicyArg;
use crate::exit::{Answer, Failure};

/// Draw the network: as SVG, for Mermaid, or for Graphviz
///
/// Boxes and arrows for a few segments, a grid of who reaches whom for many. Computed from the compiled ruleset, not from
/// the rules' text. The same policy gives the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall diagram --output network.svg segwall.toml
  segwall diagram --format dot segwall.toml | dot -Tpdf > network.pdf")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// A drawing, or what Mermaid or Graphviz make one from
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Write into this file instead of printing; a file that Segwall did not write is never overwritten
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Svg,
    Mermaid,
    Dot,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    pages::make(args.policy, args.output.as_deref(), |_, network| {
        Ok(match args.format {
            Format::Svg => diagram::svg(network),
            Format::Mermaid => diagram::mermaid(network),
            Format::Dot => diagram::dot(network),
        })
    })
}
