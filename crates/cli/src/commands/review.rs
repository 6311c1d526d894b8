//! `segwall review`: the policy beside what was seen.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use segwall_core::policy::{RuleId, Verdict, write_service};
use segwall_core::review::{self, Narrower, Usage};
use serde::Serialize;

use super::review_text::{self, ScanRow, WishRow, second, times};
use super::watch_live::STORE;
use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};
use crate::out::{CARE, GOOD, QUIET, STRONG};
use crate::seen::{self, Wanted};
use crate::text::Escaped;
use crate::{clock, edit, json, out};

const DAY_S: i64 = 86_400;

/// Propose edits from what was seen: rules nobody used, too wide, or missing
///
/// From the flows that `segwall watch` stored and the packets it wrote down. A rule that was not used in the days before a
/// yearly audit may still be needed: nothing is changed unless --write says so, and that narrows rules, it never takes one out
/// and never adds one. Exit codes: 0 nothing to propose, 1 proposals.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall review
  segwall review --days 90
  segwall review --write            # narrower rules into the policy; then segwall apply")]
pub struct Args {
    /// Look back so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3660))]
    days: i64,
    /// Propose a rule only for what was refused so often
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    at_least: u64,
    /// Write the narrower rules into the policy file
    #[arg(long)]
    write: bool,
    /// Where `segwall watch` writes
    #[arg(long, value_name = "DIR", default_value = "/var/log/segwall", value_hint = clap::ValueHint::DirPath)]
    log_dir: PathBuf,
    /// Where `segwall watch` stores flows
    #[arg(long, value_name = "DIR", default_value = STORE, value_hint = clap::ValueHint::DirPath)]
    store_dir: PathBuf,
    #[command(flatten)]
    policy: PolicyOption,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `review`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// Since when there is anything; null: nothing was seen.
    since: Option<String>,
    /// Days that were watched, of those that were asked for.
    days_watched: i64,
    /// Every accept of the policy.
    rules: Vec<RuleRow>,
    /// The narrower rules, as a unified diff of the policy file; null: there are none.
    narrower: Option<String>,
    /// Whether that was written.
    written: bool,
    /// There were more kinds of connections than are told apart, so that no rule is said to be too wide.
    incomplete: bool,
    /// What was refused again and again though nothing forbids it, as rules.
    missing: Vec<WishRow>,
    /// Ends between which so much was tried that no rule is made of it.
    scans: Vec<ScanRow>,
    /// Refused packets from the internet, for which nothing is proposed.
    from_internet: u64,
}

/// An accept, beside what it was used for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RuleRow {
    /// Its line.
    line: u32,
    /// Its comment.
    comment: Option<String>,
    /// Connections that it accepted.
    connections: u64,
    /// When the last began; null: none while it was watched.
    last: Option<String>,
    /// Services that would have been enough; null: they are.
    services: Option<Vec<String>>,
    /// Targets that would have been enough; null: they are.
    to: Option<Vec<String>>,
    /// Sources that would have been enough; null: they are.
    from: Option<Vec<String>>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let location = Location::of(args.policy.policy.clone());
    let checked = match load::sound::<Data>("review", &location, args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let now_s = clock::now().as_second();
    let from_s = now_s - args.days * DAY_S;
    let refused = match seen::log(&args.log_dir, &checked.ruleset, Wanted::Unnamed, from_s) {
        // Flows alone tell of rules, as where packets are written down as text.
        Err(Failure::Refused(_)) if Path::new(&args.store_dir).exists() => seen::Log::default(),
        other => other?,
    };
    let flows = seen::flows(&args.store_dir, &checked, from_s)?;
    let wishes = review::wishes(&checked.policy, &checked.ruleset, &refused.seen, args.at_least);
    let mut usages = review::usages(&checked.policy, &checked.ruleset, &flows.seen);
    if flows.is_cut {
        // What would be enough for a part is not enough.
        usages.iter_mut().for_each(|usage| usage.narrower = None);
    }
    let after = narrowed(&checked, &usages);
    let before = checked.source.text();
    let diff = (after != before).then(|| edit::diff(checked.source.name(), before, &after));
    let mut written = false;
    if let (true, Some(_), Location::File { path, .. }) = (args.write, &diff, &location) {
        edit::write(path, before, &after)
            .map_err(|error| Failure::Refused(format!("cannot write {}: {error}", path.display())))?;
        written = true;
    }
    let since_s = [refused.since_s, flows.since_s].into_iter().flatten().min();
    let data = Data {
        since: since_s.map(second),
        days_watched: flows.since_s.map_or(0, |since_s| (now_s - since_s) / DAY_S),
        rules: usages.iter().map(|usage| row(&checked, usage)).collect(),
        narrower: diff,
        written,
        incomplete: flows.is_cut,
        missing: wishes.rules.iter().map(WishRow::from).collect(),
        scans: wishes.scans.iter().map(ScanRow::from).collect(),
        from_internet: wishes.from_internet,
    };
    let is_quiet =
        data.missing.is_empty() && data.narrower.is_none() && data.rules.iter().all(|row| row.connections > 0);
    let answer = Answer::yes_if(is_quiet);
    match args.format {
        Format::Json => json::print("review", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data, args.days, checked.source.name()))?;
            Ok(answer)
        }
    }
}

/// The policy's text with every rule as narrow as its traffic; edits that do not make a policy are left out.
fn narrowed(checked: &Checked, usages: &[Usage]) -> String {
    let mut text = checked.source.text().to_owned();
    for usage in usages {
        let Some(narrower) = &usage.narrower else { continue };
        let edited = edit::narrow(&text, nth_accept(checked, usage.rule), narrower);
        if let Ok(edited) = edited
            && let Reading::Sound(_) = load::from_bytes(checked.source.name(), edited.clone().into_bytes())
        {
            text = edited;
        }
    }
    text
}

/// Which of the file's accepts it is.
fn nth_accept(checked: &Checked, rule: RuleId) -> usize {
    let before = &checked.policy.rules[..rule.0 as usize];
    before.iter().filter(|rule| rule.verdict == Verdict::Accept && !rule.learning).count()
}

fn row(checked: &Checked, usage: &Usage) -> RuleRow {
    let rule = &checked.policy.rules[usage.rule.0 as usize];
    let Narrower { services, to, from } = usage.narrower.clone().unwrap_or_default();
    RuleRow {
        line: checked.source.position(rule.span.start).line,
        comment: rule.comment.clone(),
        connections: usage.count,
        last: usage.last_s.map(second),
        services: services.map(|list| list.iter().map(write_service).collect()),
        to,
        from,
    }
}

fn text(data: &Data, days: i64, file: &str) -> String {
    let mut text = String::new();
    let file = Escaped(file);
    match &data.since {
        None => {
            let _ = writeln!(
                text,
                "{CARE}nothing was seen in the last {days} days: does the service segwall-watch run?{CARE:#}"
            );
            return text;
        }
        Some(since) => {
            let _ = writeln!(text, "What was seen since {since}");
            if data.days_watched < days {
                let _ = writeln!(
                    text,
                    "{CARE}flows are known of {} days only: a rule that was not used yet may be used tomorrow{CARE:#}",
                    data.days_watched
                );
            }
        }
    }
    let _ = writeln!(text, "\n{STRONG}Rules{STRONG:#}");
    for row in &data.rules {
        let comment = row.comment.as_ref().map_or_else(String::new, |comment| format!("  {}", Escaped(comment)));
        let _ = match &row.last {
            None => writeln!(text, "{CARE}{file}:{:<5} not used{CARE:#}{QUIET}{comment}{QUIET:#}", row.line),
            Some(last) => {
                let used = times(row.connections);
                writeln!(text, "{file}:{:<5} used {used}, last {last}{QUIET}{comment}{QUIET:#}", row.line)
            }
        };
        for (word, enough) in [("service", &row.services), ("to", &row.to), ("from", &row.from)] {
            if let Some(enough) = enough {
                let _ = writeln!(text, "      {GOOD}enough: {word} = {}{GOOD:#}", Escaped(&enough.join(", ")));
            }
        }
    }
    if data.incomplete {
        let _ = writeln!(
            text,
            "{CARE}more kinds of connections than are told apart: no rule is said to be too wide; try fewer --days{CARE:#}"
        );
    }
    if let Some(diff) = &data.narrower {
        let state = if data.written { "written; `segwall apply` puts it in force" } else { "--write writes it" };
        let _ = writeln!(text, "\n{STRONG}Narrower rules{STRONG:#} ({state})\n{}", review_text::coloured(diff));
    }
    text.push_str(&review_text::wishes(
        "Refused again and again, though nothing forbids it",
        &data.missing,
        &data.scans,
    ));
    if data.from_internet > 0 {
        let _ = writeln!(
            text,
            "{QUIET}from the internet {}: for that nothing is proposed{QUIET:#}",
            times(data.from_internet)
        );
    }
    text
}
