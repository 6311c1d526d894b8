//! `segwall plan`: what apply would do, without doing any of it.

use std::fmt::Write;

use schemars::JsonSchema;
use segwall_core::plan::{self, Change};
use segwall_core::ruleset::At;
use segwall_host::apply::{self, Compiled, Host, Store};
use segwall_host::linux::Linux;
use serde::Serialize;

use super::{diff, diff_text};
use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::router::{self, Guarded, guard};
use crate::side::Side;
use crate::text::{Escaped, count};
use crate::{clock, json, out};

/// Show what apply would do, without doing any of it
///
/// Every step in order, which flows open and which close, how many open connections would be cut, whether the ways in stay
/// open, and what stands in the way. Exit codes: 0 there is a plan, 1 something stands in its way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall plan
  segwall plan new.toml
  segwall plan --format json new.toml")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// As `apply --take-over` would do it
    #[arg(long)]
    take_over: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `plan`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The generation that it would become.
    pub generation: u64,
    /// The generation that holds.
    pub previous: Option<u64>,
    /// The steps, in order.
    pub steps: Vec<String>,
    /// What stands in the way; apply would refuse.
    pub obstacles: Vec<String>,
    /// Other programs' rules that keep it from being proved.
    pub unproved: Vec<String>,
    /// What others set up where this is to rule, with the command that retires it.
    pub foreign: Vec<Foreign>,
    /// Segments that learn: what nothing names would pass.
    pub learning: Vec<String>,
    /// Who could not open SSH to the box any more.
    pub locked_out: Vec<String>,
    /// Open connections that would be cut.
    pub cut: usize,
    /// Flows that open and close against the generation that holds; null where there is none.
    pub flows: Option<diff::Data>,
}

/// Something of somebody else that contends.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Foreign {
    /// What it is.
    pub what: String,
    /// The command that retires it by hand.
    pub retire: String,
    /// A table in the kernel, which is in the way only where `unproved` says so.
    pub is_table: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let checked = match load::sound::<Data>("plan", &Location::of(args.policy.policy), args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let mut linux = router::open()?;
    let (_, data) = look(&mut linux, &checked, &guard::Ends::default(), args.take_over)?;
    let answer = Answer::yes_if(data.is_possible());
    match args.format {
        Format::Json => json::print("plan", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data, checked.source.name()))?;
            Ok(answer)
        }
    }
}

impl Data {
    /// Whether apply would go on.
    pub fn is_possible(&self) -> bool {
        [&self.obstacles, &self.unproved, &self.locked_out].iter().all(|list| list.is_empty())
            && self.foreign.iter().all(|one| one.is_table)
    }
}

/// Makes the plan, and everything that an admin wants to know of it.
pub fn look(
    linux: &mut Linux,
    checked: &Checked,
    ends: &guard::Ends,
    take_over: bool,
) -> Result<(Compiled, Data), Failure> {
    let generation = router::next_number(linux).map_err(router::refused)?;
    let candidate = router::candidate(checked, router::nobody(), None);
    let compiled = linux.compile(generation, &candidate.policy, &candidate.manifest).map_err(router::refused)?;
    let planned = apply::plan(linux, &compiled, take_over).map_err(router::refused)?;
    let mut obstacles: Vec<String> = planned.obstacles.iter().map(ToString::to_string).collect();
    obstacles.extend(linux.validate(&compiled).map_err(router::refused)?);
    for change in &planned.plan.changes {
        if let Change::Table { table, present: false } = change {
            obstacles.extend(linux.cannot_come_back(table).map_err(router::refused)?);
        }
    }
    // Tables that are to go are no hindrance; what is left when they are gone is proved before anything is kept.
    let goes = take_over && planned.foreign.iter().any(|one| !one.after.is_empty());
    let unproved = if goes { Vec::new() } else { linux.others(&compiled).map_err(router::refused)? };
    let shown = planned.foreign.iter().filter(|one| !(take_over && one.can_go()));
    let shown = shown.filter(|one| !one.is_table || !unproved.is_empty());
    let shape =
        |one: &plan::Foreign| Foreign { what: one.what.clone(), retire: one.retire.clone(), is_table: one.is_table };
    let foreign = shown.map(shape).collect();
    let at = At::Instant(clock::now());
    let locked_out = guard::locked_out(&checked.policy, &checked.ruleset, at, ends);
    let cut = linux.count_forbidden(&compiled).map_err(router::refused)?;
    let data = Data {
        generation,
        previous: planned.previous,
        steps: planned.plan.changes.iter().map(ToString::to_string).collect(),
        obstacles,
        unproved,
        foreign,
        learning: checked.policy.learning(clock::today()),
        locked_out: locked_out.iter().map(Guarded::words).collect(),
        cut,
        flows: flows(linux, planned.previous, checked)?,
    };
    Ok((compiled, data))
}

/// What opens and closes against the generation that holds.
fn flows(linux: &mut Linux, previous: Option<u64>, checked: &Checked) -> Result<Option<diff::Data>, Failure> {
    let Some(number) = previous else { return Ok(None) };
    let Some(text) = Store::policy(linux, number).map_err(router::refused)? else { return Ok(None) };
    let Reading::Sound(before) = load::from_bytes(&format!("generation {number}"), text.into_bytes()) else {
        return Ok(None);
    };
    let after = Checked {
        source: checked.source.clone(),
        policy: checked.policy.clone(),
        ruleset: checked.ruleset.clone(),
        findings: Vec::new(),
    };
    Ok(Some(diff::compare(&Side::Policy(before), &Side::Policy(Box::new(after))).1))
}

/// The plan, for people.
pub fn text(data: &Data, file: &str) -> String {
    let mut text = String::new();
    let over = data.previous.map_or_else(|| ", the first".to_owned(), |number| format!(" over {number}"));
    let _ = writeln!(text, "{STRONG}{}{STRONG:#}: generation {}{over}", Escaped(file), data.generation);
    if data.steps.is_empty() {
        let _ = writeln!(text, "  {QUIET}nothing to do: the box is what the policy says{QUIET:#}");
    }
    for (number, step) in (1..).zip(&data.steps) {
        let _ = writeln!(text, "{number:>4}. {}", Escaped(step));
    }
    if let Some(flows) = data.flows.as_ref().filter(|flows| !flows.changes.is_empty()) {
        let _ = write!(text, "\n{}", diff_text::text(flows));
    }
    let _ = writeln!(text);
    match data.cut {
        0 => text.push_str("open connections: none would be cut\n"),
        cut => {
            let _ = writeln!(text, "open connections: {CARE}{} would be cut{CARE:#}", count(cut, "connection"));
        }
    }
    if data.locked_out.is_empty() {
        let _ = writeln!(text, "ways in: {GOOD}stay open{GOOD:#}, proved for every end of [gateway] management");
    }
    for one in &data.learning {
        let _ = writeln!(text, "{CARE}open:{CARE:#} {}", Escaped(one));
    }
    for one in &data.foreign {
        let _ = writeln!(text, "{BAD}set up by others:{BAD:#} {}", Escaped(&one.what));
        let _ =
            writeln!(text, "  {QUIET}retire it with `apply --take-over`, where that can go back, or by hand:{QUIET:#}");
        let _ = writeln!(text, "  {}", Escaped(&one.retire));
    }
    for (heading, list) in [
        ("would be locked out", &data.locked_out),
        ("cannot be proved because of", &data.unproved),
        ("in the way", &data.obstacles),
    ] {
        for one in list {
            let _ = writeln!(text, "{BAD}{heading}:{BAD:#} {}", Escaped(one));
        }
    }
    text
}
