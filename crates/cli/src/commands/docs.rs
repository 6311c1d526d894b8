//! `segwall docs`: the network as a page.

use std::path::PathBuf;

use clap::ValueEnum;
use segwall_core::report::{self, ProofOutcome, ProofSummary};

use super::{pages, prove};
use crate::args::PolicyArg;
use crate::exit::{Answer, Failure};
use crate::load::Checked;

/// Write the network down as a page: Markdown, or one HTML file
///
/// Segments, addresses, DHCP, who may talk to whom, every rule with its line, what is proved and what is not
/// covered. Computed from the compiled ruleset, not from the rules' text. The same policy gives the same bytes; without
/// `--against kernel` the page has no date. It is written even where an expectation fails, and says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall docs --output network.md segwall.toml
  segwall docs --format html --output network.html segwall.toml
  segwall docs --against kernel --output network.md segwall.toml")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Markdown, or one HTML file without scripts and other files
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Prove the policy against these rules and write down the outcome; `kernel` for what the kernel holds. Files as for
    /// `segwall prove`; several hold at once
    #[arg(long, value_name = "RULESET", value_hint = clap::ValueHint::FilePath)]
    against: Vec<PathBuf>,
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

/// What `--against` calls the rules that the kernel holds.
const KERNEL: &str = "kernel";

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    pages::make(args.policy, args.output.as_deref(), |checked, network| {
        let proof = if args.against.is_empty() { None } else { Some(proof(checked, args.against)?) };
        Ok(match args.format {
            Format::Markdown => report::markdown(network, proof.as_ref()),
            Format::Html => report::html(network, proof.as_ref()),
        })
    })
}

/// Compares the policy with rules, and says it in the page's words.
fn proof(checked: &Checked, against: Vec<PathBuf>) -> Result<ProofSummary, Failure> {
    let of_kernel = against.iter().any(|path| path.as_os_str() == KERNEL);
    if of_kernel && against.len() > 1 {
        return Err(Failure::Usage {
            what: format!("--against {KERNEL} stands beside other rules"),
            help: "what the kernel holds is everything that acts there: give it alone".to_owned(),
        });
    }
    let (answer, data) = prove::compare(checked, if of_kernel { Vec::new() } else { against })?;
    let outcome = match answer {
        Answer::Yes => ProofOutcome::Proved,
        Answer::No => ProofOutcome::Refuted,
        Answer::Unknown | Answer::Of(_) => ProofOutcome::Undetermined,
    };
    let difference = |one: prove::Difference| {
        let line = one.line.map_or_else(String::new, |line| format!(" (line {line})"));
        format!("{}: {}; declared: {}{line}; found: {}", one.hook, one.packet, one.declared, one.found)
    };
    Ok(ProofSummary {
        outcome,
        against: data.against.join(", "),
        details: data.differences.into_iter().map(difference).chain(data.reasons).collect(),
        // Files stay as they are; what a kernel holds does not.
        at: of_kernel.then_some(data.at),
    })
}
