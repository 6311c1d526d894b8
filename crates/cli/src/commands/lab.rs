//! `segwall lab`: the network of a policy in namespaces, and a packet of every class of flow through the real kernel.

use indicatif::{ProgressBar, ProgressStyle};
use schemars::JsonSchema;
use segwall_lab::{LabError, Options, Progress, Report};
use serde::Serialize;

use super::{lab_report, lab_shell};
use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::text::Escaped;
use crate::{clock, json, load, out};

/// Build the network in namespaces and try every class of flow with real packets
///
/// Needs no root. The compiled firewall is loaded into the real kernel, in namespaces that end with this command; the
/// machine's own network is not touched. Exit code 1: the kernel did something else than the policy says.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  segwall lab segwall.toml
  segwall lab --format json segwall.toml
  segwall lab shell guest -p segwall.toml -- ping -c 1 192.168.10.10")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Choose the sample where two zones have too many combinations to try them all
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(subcommand)]
    sub: Option<Sub>,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    Shell(lab_shell::Args),
}

/// `lab`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// What was tried, and what was seen.
    #[serde(flatten)]
    report: Report,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    if let Some(Sub::Shell(args)) = args.sub {
        return lab_shell::run(args);
    }
    let checked = match load::sound::<Data>("lab", &Location::of(args.policy.policy), args.format)? {
        Ok(checked) => checked.for_this_kernel(),
        Err(answer) => return Ok(answer),
    };
    // Before the first thread, and so before the progress bar.
    segwall_lab::isolate().map_err(refused)?;
    let bar = bar();
    let now = clock::now();
    let run = u64::try_from(now.as_nanosecond()).unwrap_or(u64::MAX);
    let options = Options { now, run, seed: args.seed, leases: true };
    let mut progress = |step: Progress<'_>| {
        bar.set_length(step.total);
        bar.set_position(step.done);
        bar.set_message(step.phase.to_owned());
    };
    let report = segwall_lab::run(&checked.policy, &checked.ruleset, &segwall_lab::emit_nft, &options, &mut progress);
    bar.finish_and_clear();
    let report = report.map_err(refused)?;
    let differences = report.differences_total + u64::try_from(report.dhcp.differences.len()).unwrap_or(u64::MAX);
    let answer = match (differences, report.proof.refuted.is_empty(), report.proof.is_proved()) {
        (0, true, true) => Answer::Yes,
        (0, true, false) => Answer::Unknown,
        _ => Answer::No,
    };
    match args.format {
        Format::Json => json::print("lab", answer, Vec::new(), Some(Data { report })),
        Format::Text => {
            out::print(&lab_report::text(&checked, &report, now))?;
            Ok(answer)
        }
    }
}

/// On standard error, and only where somebody can see it.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {msg}").expect("the template is well formed");
    let bar = ProgressBar::new(0).with_style(style);
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    bar
}

/// What the box or its kernel refused, with everything that led to it.
pub fn refused(error: LabError) -> Failure {
    if let LabError::UnknownHost { name, known } = &error {
        return Failure::Usage {
            what: format!("there is no segment `{}`", Escaped(name)),
            help: format!("there are: {known}"),
        };
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    Failure::Refused(text)
}
