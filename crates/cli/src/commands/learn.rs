//! `segwall learn`: a segment lets pass what nothing names, for a time, and what it saw becomes rules.

use std::path::PathBuf;

use jiff::ToSpan;
use jiff::civil::Date;
use schemars::JsonSchema;
use segwall_core::review;
use serde::Serialize;

use super::review_text::{self, WishRow};
use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};
use crate::out::{CARE, QUIET};
use crate::seen::{self, Wanted};
use crate::text::Escaped;
use crate::{clock, edit, json, out};

/// Let pass what nothing names, for days, and see it as rules
///
/// Without SEGMENT: what the segments that learn let pass, as rules. With it: writes `learn_until` into the policy, which
/// `segwall apply` puts in force. What drops, rejects, anti-spoofing and quarantine refuse stays refused, nothing comes in
/// from the internet, and the box itself stays closed. It ends by itself at the end of the day.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall learn guest --for 3d        # then: segwall apply
  segwall learn                       # what was seen, as rules
  segwall learn guest --off           # then: segwall apply")]
pub struct Args {
    /// The segment; without it, what was learned is shown
    #[arg(value_name = "SEGMENT")]
    segment: Option<String>,
    /// The last day; today unless said
    #[arg(long, value_name = "DAY", requires = "segment", conflicts_with = "days")]
    until: Option<Date>,
    /// For so many days, today among them: 3d
    #[arg(long = "for", value_name = "DAYS", requires = "segment", value_parser = days)]
    days: Option<i64>,
    /// Learn no more
    #[arg(long, requires = "segment", conflicts_with_all = ["until", "days"])]
    off: bool,
    /// Rules only for what was seen so often
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    at_least: u64,
    /// Where `segwall watch` writes
    #[arg(long, value_name = "DIR", default_value = "/var/log/segwall", value_hint = clap::ValueHint::DirPath)]
    log_dir: PathBuf,
    #[command(flatten)]
    policy: PolicyOption,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `learn`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// Segments that learn, and until which day.
    learning: Vec<LearningRow>,
    /// What was changed in the policy file, as a unified diff; null where nothing was.
    written: Option<String>,
    /// What passed only for that, as rules.
    rules: Vec<WishRow>,
    /// Ends between which so much was tried that no rule is made of it.
    scans: Vec<review_text::ScanRow>,
}

/// A segment that learns.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LearningRow {
    /// Its name.
    segment: String,
    /// The last day.
    until: String,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let location = Location::of(args.policy.policy.clone());
    let checked = match load::sound::<Data>("learn", &location, args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    match &args.segment {
        Some(segment) => change(&args, segment, &location, &checked),
        None => show(&args, &checked),
    }
}

fn change(args: &Args, segment: &str, location: &Location, checked: &Checked) -> Result<Answer, Failure> {
    let Location::File { path, .. } = location else {
        return Err(Failure::Usage {
            what: "a policy from standard input cannot be edited".to_owned(),
            help: "name its file with --policy".to_owned(),
        });
    };
    if !checked.policy.segments.iter().any(|one| one.name == segment) {
        let names: Vec<&str> = checked.policy.segments.iter().map(|one| one.name.as_str()).collect();
        return Err(Failure::Usage {
            what: format!("there is no segment `{}`", Escaped(segment)),
            help: format!("there are: {}", names.join(", ")),
        });
    }
    let today = clock::today();
    let until = match (args.off, args.until, args.days) {
        (true, ..) => None,
        (false, Some(day), _) => Some(day),
        (false, None, Some(days)) => Some(today.saturating_add((days - 1).days())),
        (false, None, None) => Some(today),
    };
    if let Some(day) = until.filter(|day| *day < today) {
        return Err(Failure::Usage { what: format!("{day} is over"), help: format!("today is {today}") });
    }
    let before = checked.source.text();
    let after = edit::learn(before, segment, until).map_err(Failure::Refused)?;
    // What is written is a policy, whatever we think of our own edit.
    let Reading::Sound(checked) = load::from_bytes(checked.source.name(), after.clone().into_bytes()) else {
        return Err(Failure::Bug("the edited policy is not sound; nothing was written".to_owned()));
    };
    let diff = edit::diff(checked.source.name(), before, &after);
    if before != after {
        edit::write(path, before, &after)
            .map_err(|error| Failure::Refused(format!("cannot write {}: {error}", path.display())))?;
    }
    match args.format {
        Format::Json => {
            let written = (before != after).then_some(diff);
            let data = Data { learning: learning(&checked), written, rules: Vec::new(), scans: Vec::new() };
            json::print("learn", Answer::Yes, Vec::new(), Some(data))
        }
        Format::Text => {
            if before == after {
                out::print(&format!("nothing to change in {}\n", Escaped(checked.source.name())))?;
            } else {
                let name = Escaped(checked.source.name());
                out::print(&format!(
                    "{}written; `segwall apply {name}` puts it in force\n",
                    review_text::coloured(&diff)
                ))?;
            }
            Ok(Answer::Yes)
        }
    }
}

fn show(args: &Args, checked: &Checked) -> Result<Answer, Failure> {
    let log = seen::log(&args.log_dir, &checked.ruleset, Wanted::Accepted, i64::MIN)?;
    let wishes = review::wishes(&checked.policy, &checked.ruleset, &log.seen, args.at_least);
    let learning = learning(checked);
    let rules: Vec<WishRow> = wishes.rules.iter().map(WishRow::from).collect();
    let scans: Vec<_> = wishes.scans.iter().map(review_text::ScanRow::from).collect();
    match args.format {
        Format::Json => {
            json::print("learn", Answer::Yes, Vec::new(), Some(Data { learning, written: None, rules, scans }))
        }
        Format::Text => {
            let mut text = String::new();
            for one in &learning {
                text.push_str(&format!("{CARE}{} learns until {}{CARE:#}\n", Escaped(&one.segment), one.until));
            }
            if learning.is_empty() {
                text.push_str(&format!("{QUIET}no segment learns{QUIET:#}\n"));
            }
            text.push_str(&review_text::wishes("What passed only for that, as rules", &rules, &scans));
            out::print(&text)?;
            Ok(Answer::Yes)
        }
    }
}

fn learning(checked: &Checked) -> Vec<LearningRow> {
    let today = clock::today();
    let learns = |one: &segwall_core::policy::Segment| one.learning.filter(|learning| learning.until >= today);
    let segments = checked.policy.segments.iter();
    segments
        .filter_map(|one| Some(LearningRow { segment: one.name.clone(), until: learns(one)?.until.to_string() }))
        .collect()
}

/// `3d`.
fn days(text: &str) -> Result<i64, String> {
    match text.strip_suffix('d').and_then(|days| days.parse().ok()) {
        Some(days @ 1..=366) => Ok(days),
        _ => Err("write 1d to 366d".to_owned()),
    }
}
