//! `segwall doctor`: what is wrong with the box, why, and what to do.

use std::fmt::Write;

use schemars::JsonSchema;
use segwall_core::doctor::{self, Check, State};
use segwall_host::linux::Look;
use serde::Serialize;

use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::out::{BAD, CARE, GOOD, QUIET};
use crate::router;
use crate::text::Escaped;
use crate::{json, out};

/// Say what is wrong with the box, why, and what to do
///
/// Modules, interfaces, VLANs, addresses, forwarding, rules (proved), other firewalls, services, DHCP, logging, connection
/// tracking, clock, boot: against the generation that holds, or a policy. Nothing is changed. Exit codes: 0 nothing is
/// wrong, 1 something is, 3 something could not be looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall doctor
  segwall doctor --all new.toml
  segwall doctor --format json")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Show what is good too
    #[arg(long)]
    all: bool,
    /// Ask no neighbours whether they have an address of the box; saves half a second
    #[arg(long)]
    quick: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `doctor`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The generation that holds; null before the first apply.
    pub generation: Option<u64>,
    /// Checks that are bad.
    pub bad: usize,
    /// Checks that could not be made.
    pub unknown: usize,
    /// Every check.
    pub checks: Vec<CheckShape>,
}

/// A check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckShape {
    /// Its stable name.
    pub name: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// `good`, `bad`, `unknown` or `not needed`.
    pub state: &'static str,
    /// What was seen.
    pub what: String,
    /// Why it matters, or where it comes from.
    pub cause: Option<String>,
    /// What to do.
    pub next: Option<String>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let (measure, rules) = match router::measure::<Data>(&mut linux, "doctor", args.policy.policy, args.format)? {
        Ok(measure) => measure,
        Err(answer) => return Ok(answer),
    };
    let subject = measure.subject(&linux);
    let look = Look { ask_neighbours: !args.quick };
    let facts = linux.examine(&subject, rules.as_ref(), look).map_err(router::refused)?;
    let mut checks = doctor::examine(&subject, &facts);
    if args.quick {
        checks.retain(|check| check.name != "address-duplicate");
    }
    let answer = answer(&checks);
    match args.format {
        Format::Json => {
            let generation = facts.held.as_ref().map(|held| held.number);
            json::print("doctor", answer, Vec::new(), Some(shape(generation, checks)))
        }
        Format::Text => {
            out::print(&text(&checks, args.all))?;
            Ok(answer)
        }
    }
}

fn answer(checks: &[Check]) -> Answer {
    let any = |state| checks.iter().any(|check| check.state == state);
    if any(State::Bad) {
        Answer::No
    } else if any(State::Unknown) {
        Answer::Unknown
    } else {
        Answer::Yes
    }
}

fn tally(checks: &[Check], state: State) -> usize {
    checks.iter().filter(|check| check.state == state).count()
}

fn shape(generation: Option<u64>, checks: Vec<Check>) -> Data {
    let (bad, unknown) = (tally(&checks, State::Bad), tally(&checks, State::Unknown));
    let checks = checks.into_iter().map(|check| CheckShape {
        name: check.name,
        question: doctor::explain(check.name).unwrap_or_default(),
        state: check.state.word(),
        what: check.what,
        cause: check.cause,
        next: check.next,
    });
    Data { generation, bad, unknown, checks: checks.collect() }
}

/// The longest name of a check, and what stands before it.
const NAME_CHARS: usize = 18;

fn text(checks: &[Check], all: bool) -> String {
    let mut text = String::new();
    for check in checks {
        let (style, mark) = match check.state {
            State::Bad => (BAD, "FAIL"),
            State::Unknown => (CARE, "?   "),
            State::Good => (GOOD, "ok  "),
            State::NotNeeded => (QUIET, "-   "),
        };
        if !all && matches!(check.state, State::Good | State::NotNeeded) {
            continue;
        }
        let _ = writeln!(text, "{style}{mark}{style:#} {:<NAME_CHARS$} {}", check.name, Escaped(&check.what));
        for (word, line) in [("why", &check.cause), ("next", &check.next)] {
            if let Some(line) = line {
                let _ = writeln!(text, "     {QUIET}{word:>NAME_CHARS$}{QUIET:#} {}", Escaped(line));
            }
        }
    }
    let [good, bad, unknown, not_needed] =
        [State::Good, State::Bad, State::Unknown, State::NotNeeded].map(|state| tally(checks, state));
    let _ = writeln!(text, "{good} good, {bad} bad, {unknown} unknown, {not_needed} not needed");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: State) -> Check {
        Check { name: "rules", state, what: "a\u{1b}[2J".to_owned(), cause: None, next: Some("do".to_owned()) }
    }

    #[test]
    fn the_worst_decides() {
        assert_eq!(answer(&[check(State::Good), check(State::NotNeeded)]), Answer::Yes);
        assert_eq!(answer(&[check(State::Unknown), check(State::Good)]), Answer::Unknown);
        assert_eq!(answer(&[check(State::Unknown), check(State::Bad)]), Answer::No);
    }

    #[test]
    fn what_the_box_says_cannot_move_the_cursor() {
        let text = text(&[check(State::Bad), check(State::Good)], false);
        assert!(text.contains("a\\u{1b}[2J") && text.contains("next") && text.contains("1 good, 1 bad"), "{text}");
        assert_eq!(text.matches("a\\u").count(), 1, "what is good is not shown");
    }
}
