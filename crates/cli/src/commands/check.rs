//! `segwall check`: faults and findings, expectations proved.

use clap::ValueEnum;
use schemars::JsonSchema;
use segwall_core::analysis;
use segwall_core::ruleset::At;
use segwall_core::source::Source;
use serde::Serialize;

use crate::args::{FindingsFormat, PolicyArg};
use crate::draw::{self, Tally};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};
use crate::out::{GOOD, STRONG};
use crate::text::{Escaped, count};
use crate::{clock, json, out, sarif};

/// Show every fault and finding of a policy, and prove its expectations
///
/// Exit code 0: the policy can be used. 1: it has errors, an expectation fails, or --deny found something. 3: an
/// expectation is too large to decide.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall check segwall.toml
  segwall check --deny warnings --format json < segwall.toml -")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Treat these findings as errors
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: FindingsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

/// `check`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// Number of errors among the findings.
    errors: usize,
    /// Number of warnings.
    warnings: usize,
    /// Number of notes.
    notes: usize,
    /// What the policy holds; null when it has errors.
    policy: Option<Counts>,
}

/// What a policy holds.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Counts {
    /// Segments.
    segments: usize,
    /// Accepts, drops and rejects.
    rules: usize,
    /// Port forwards.
    forwards: usize,
    /// Expectations.
    expectations: usize,
    /// Expectations that are too large to decide; the others are proved.
    undecided: usize,
}

impl Counts {
    fn of(checked: &Checked, undecided: usize) -> Self {
        let policy = &checked.policy;
        Self {
            segments: policy.segments.len(),
            rules: policy.rules.len(),
            forwards: policy.forwards.len(),
            expectations: policy.expects.len(),
            undecided,
        }
    }

    /// `5 segments, 12 rules, 2 port forwards, 3 expectations`; what there is none of is left out, but for the first two.
    fn words(self) -> String {
        let mut words = vec![count(self.segments, "segment"), count(self.rules, "rule")];
        let proved = self.expectations - self.undecided;
        let numbers = [
            (self.forwards, "port forward"),
            (proved, "proved expectation"),
            (self.undecided, "undecided expectation"),
        ];
        for (number, word) in numbers {
            if number > 0 {
                words.push(count(number, word));
            }
        }
        words.join(", ")
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let (source, findings, checked) = match load::read(&Location::of(args.policy.policy))? {
        Reading::Sound(checked) => {
            let at = At::Instant(clock::now());
            let mut findings = checked.findings.clone();
            findings.extend(analysis::check(&checked.policy, &checked.ruleset, at));
            draw::sort(&mut findings);
            (checked.source.clone(), findings, Some(checked))
        }
        Reading::Faulty { source, findings } => (source, findings, None),
    };
    let tally = Tally::of(&findings);
    let denied = args.deny == Some(Deny::Warnings) && tally.warnings > 0;
    let undecided = findings.iter().filter(|finding| finding.code == analysis::codes::UNDECIDED).count();
    let answer = match Answer::yes_if(tally.errors == 0 && !denied) {
        // A claim that nobody decided is not proved.
        Answer::Yes if undecided > 0 => Answer::Unknown,
        answer => answer,
    };
    let counts = checked.as_deref().filter(|_| tally.errors == 0).map(|checked| Counts::of(checked, undecided));
    match args.format {
        FindingsFormat::Sarif => {
            let ruleset = checked.as_deref().map(|checked| &checked.ruleset);
            sarif::print(answer, findings.iter().map(|found| (&source, found)), ruleset)
        }
        FindingsFormat::Json => {
            let Tally { errors, warnings, notes } = tally;
            let found = json::findings(&source, checked.as_deref().map(|checked| &checked.ruleset), &findings);
            json::print("check", answer, found, Some(Data { errors, warnings, notes, policy: counts }))
        }
        FindingsFormat::Text => {
            out::print(&(draw::findings(&source, &findings) + &last_line(&source, tally, counts, denied)))?;
            Ok(answer)
        }
    }
}

fn last_line(source: &Source, tally: Tally, counts: Option<Counts>, denied: bool) -> String {
    let name = Escaped(source.name());
    let words = tally.words();
    match counts {
        None => format!("{STRONG}{name}{STRONG:#}: {words}\n"),
        Some(counts) if denied => format!("{STRONG}{name}{STRONG:#}: {}; {words}, denied\n", counts.words()),
        Some(counts) => format!("{STRONG}{name}{STRONG:#}: {GOOD}good{GOOD:#}; {}; {words}\n", counts.words()),
    }
}
