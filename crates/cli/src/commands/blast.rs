//! `segwall blast`: how far an intruder gets.

use std::fmt::Write;

use schemars::JsonSchema;
use segwall_core::analysis::{self, Blast, Inroad, NoBlast, Step};
use segwall_core::ruleset::At;
use serde::Serialize;

use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count, escaped_lines};
use crate::{clock, json, load, out};

/// Show what an intruder in a zone or host reaches, directly and from there on
///
/// The worst case: whoever reaches a host with more than a ping takes it, and with it everything on its segment's wire.
/// What is accepted at any time from now on counts. Exit code 0: an answer. 3: the policy is too large for one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall blast dmz -p segwall.toml
  segwall blast web --hops 1
  segwall blast internet --format json")]
pub struct Args {
    /// Where the intruder is: a segment, host, set, internet, gateway or ZONE/ADDRESS
    #[arg(value_name = "FROM")]
    from: String,
    /// Follow at most so many connections one after the other; all unless said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    hops: Option<u32>,
    #[command(flatten)]
    policy: PolicyOption,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

const HELP: &str = "a segment, host, set, internet, gateway, an address or ZONE/ADDRESS";

/// What no rule decides.
const NOTES: [&str; 2] = [
    "not covered: what stays on the wire of a segment never passes the box; hosts there reach each other on everything",
    "who takes the box itself has every segment; who gets out to the internet may come in by what it reaches: \
     segwall blast internet",
];

/// `blast`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The instant it is given for; what is accepted later counts too.
    at: String,
    /// The answer.
    #[serde(flatten)]
    blast: Option<Blast>,
    /// Why there is none.
    undetermined: Option<String>,
    /// What to know besides.
    notes: Vec<&'static str>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let checked = match load::sound::<Data>("blast", &Location::of(args.policy.policy), args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let now = clock::now();
    let found = analysis::blast(&checked.policy, &checked.ruleset, &args.from, args.hops, At::Instant(now));
    let (blast, undetermined) = match found {
        Ok(blast) => (Some(blast), None),
        Err(NoBlast::GaveUp(why)) => {
            (None, Some(format!("undetermined: the policy is too large for an answer ({why})")))
        }
        Err(NoBlast::Misunderstood(fault)) => {
            return Err(Failure::Usage {
                what: escaped_lines(&fault.message),
                help: fault.help.map_or_else(|| HELP.to_owned(), |help| escaped_lines(&help)),
            });
        }
    };
    let answer = if blast.is_some() { Answer::Yes } else { Answer::Unknown };
    match args.format {
        Format::Json => {
            let data = Data { at: clock::second(now), blast, undetermined, notes: NOTES.to_vec() };
            json::print("blast", answer, Vec::new(), Some(data))
        }
        Format::Text => {
            match (blast, undetermined) {
                (Some(blast), _) => out::print(&text(&blast, checked.source.name()))?,
                (None, why) => out::print(&format!("{}\n", why.unwrap_or_default()))?,
            }
            Ok(answer)
        }
    }
}

fn text(blast: &Blast, file: &str) -> String {
    let mut text = headline(blast);
    let mut hop = 0;
    for step in &blast.steps {
        if step.hop != hop {
            hop = step.hop;
            let words = if hop == 1 { "Directly".to_owned() } else { format!("With {hop} connections") };
            let _ = writeln!(text, "\n{STRONG}{words}{STRONG:#}");
        }
        one(&mut text, step, file);
    }
    if !blast.not_reached.is_empty() {
        let _ = writeln!(text, "\n{GOOD}Not reached{GOOD:#}: {}", blast.not_reached.join(", "));
    }
    if !blast.not_followed.is_empty() {
        let _ = writeln!(text, "\n{CARE}Not followed any further{CARE:#}: {}", blast.not_followed.join(", "));
    }
    text.push('\n');
    for note in NOTES {
        let _ = writeln!(text, "{QUIET}note: {note}{QUIET:#}");
    }
    text
}

fn headline(blast: &Blast) -> String {
    let zones = |wanted: &dyn Fn(&Step) -> bool| {
        let mut names: Vec<&str> =
            blast.steps.iter().filter(|step| !step.only_icmp && wanted(step)).map(|step| step.to.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    let all = zones(&|_| true);
    let direct = zones(&|step| step.hop == 1);
    let from = Escaped(&blast.from);
    let place = if blast.zone == blast.from { String::new() } else { format!(" ({})", blast.zone) };
    let more = if all > direct { format!(", {} in all", count(all, "zone")) } else { String::new() };
    let style = if all == 0 { GOOD } else { BAD };
    format!("{STRONG}{from}{STRONG:#}{place} reaches {style}{} directly{more}{style:#}\n", count(direct, "zone"))
}

fn one(text: &mut String, step: &Step, file: &str) {
    let ping = if step.only_icmp { "  (a ping only)" } else { "" };
    let _ = writeln!(text, "  {STRONG}{}{STRONG:#}{ping}", step.path.join(" → "));
    for way in &step.ways {
        let _ = writeln!(text, "    {}", line(way, file));
    }
}

/// `https, mysql to web  only mon-fri 08:00-18:00  segwall.toml:12`.
fn line(way: &Inroad, file: &str) -> String {
    let mut text = Escaped(&way.services.join(", ")).to_string();
    let mut add = |words: String| text.push_str(&words);
    if let Some(to) = &way.to {
        add(format!(" to {}", Escaped(to)));
    }
    if let Some(from) = &way.from {
        add(format!(" from {}", Escaped(from)));
    }
    if way.forward {
        add(", by a port forward".to_owned());
    }
    if way.limited {
        add(", within a limit".to_owned());
    }
    for words in way.schedule.iter().map(|when| format!(", {when}")) {
        add(words);
    }
    for words in way.expires.iter().map(|day| format!(", until {day}")) {
        add(words);
    }
    if !way.active {
        add(" (not now)".to_owned());
    }
    match way.less[..] {
        [] => {}
        [one] => add(format!(", but for what line {one} refuses")),
        _ => {
            let lines: Vec<String> = way.less.iter().map(ToString::to_string).collect();
            add(format!(", but for what lines {} refuse", lines.join(", ")));
        }
    }
    let place = if way.line == 0 { "without a rule".to_owned() } else { format!("{}:{}", Escaped(file), way.line) };
    add(format!("  {QUIET}{place}{QUIET:#}"));
    text
}
