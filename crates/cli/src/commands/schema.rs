//! `segwall schema`: JSON Schemas of the policy file and of every JSON output.

use clap::ValueEnum;
use schemars::{Schema, schema_for};

use super::{
    audit, blast, check, diff, doctor, drift, explain, flows_json, import, lab, learn, leases, leases_follow, matrix,
    probe, prove, quarantine, release, render, review, status, verify, watch_json,
};
use crate::exit::{Answer, Failure};
use crate::json::{self, Envelope};

/// Print the JSON Schema of the policy file, or of a command's JSON output
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall schema > segwall.schema.json      # for editors that complete TOML by a schema
  segwall schema --output check")]
pub struct Args {
    /// Print what this command gives with --format json
    #[arg(long, value_enum, value_name = "COMMAND")]
    output: Option<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Audit,
    Blast,
    Check,
    Diff,
    Doctor,
    Drift,
    Explain,
    Flows,
    Import,
    Lab,
    Learn,
    Leases,
    LeasesFollow,
    Matrix,
    Probe,
    Prove,
    Quarantine,
    Release,
    Render,
    Review,
    Status,
    Top,
    Verify,
    Watch,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    match args.output {
        None => json::print_value(&segwall_core::policy::schema())?,
        Some(output) => json::print_value(&shape(output))?,
    }
    Ok(Answer::Yes)
}

fn shape(output: Output) -> Schema {
    match output {
        Output::Blast => schema_for!(Envelope<blast::Data>),
        Output::Audit => schema_for!(Envelope<audit::Data>),
        Output::Check => schema_for!(Envelope<check::Data>),
        Output::Diff => schema_for!(Envelope<diff::Data>),
        Output::Doctor => schema_for!(Envelope<doctor::Data>),
        Output::Drift => schema_for!(Envelope<drift::Data>),
        Output::Explain => schema_for!(Envelope<explain::Data>),
        // A stream too.
        Output::Flows => schema_for!(flows_json::Line),
        Output::Import => schema_for!(Envelope<import::Data>),
        Output::Lab => schema_for!(Envelope<lab::Data>),
        Output::Learn => schema_for!(Envelope<learn::Data>),
        Output::Leases => schema_for!(Envelope<leases::Data>),
        // Lines of --follow.
        Output::LeasesFollow => schema_for!(leases_follow::Line),
        Output::Matrix => schema_for!(Envelope<matrix::Data>),
        Output::Probe => schema_for!(Envelope<probe::Data>),
        Output::Prove => schema_for!(Envelope<prove::Data>),
        Output::Quarantine => schema_for!(Envelope<quarantine::Data>),
        Output::Release => schema_for!(Envelope<release::Data>),
        Output::Render => schema_for!(Envelope<render::Data>),
        Output::Review => schema_for!(Envelope<review::Data>),
        Output::Status => schema_for!(Envelope<status::Data>),
        Output::Top => schema_for!(Envelope<crate::top::Once>),
        Output::Verify => schema_for!(Envelope<verify::Data>),
        // A stream: each line is one of these.
        Output::Watch => schema_for!(watch_json::Line),
    }
}
