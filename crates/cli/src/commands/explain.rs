//! `segwall explain`: what becomes of a connection, and why; or what a finding's code means.

use std::fmt::Write;

use schemars::JsonSchema;
use segwall_core::analysis::{self, Explanation, Part};
use segwall_core::ruleset::At;
use serde::Serialize;

use super::explain_code;
use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count};
use crate::{clock, json, load, out};

/// Explain what becomes of connections between two ends, or what a finding means
///
/// The verdict, the way through the box, every rule that covers it with its line, and what would change it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall explain guest server mysql -p segwall.toml
  segwall explain internet web tcp/443
  segwall explain management gateway ssh
  segwall explain SW0201")]
pub struct Args {
    /// Who opens the connection: a segment, host, set, group, internet, gateway or ZONE/ADDRESS; or a code such as SW0201
    #[arg(value_name = "FROM")]
    from: String,
    /// Towards whom
    #[arg(value_name = "TO")]
    to: Option<String>,
    /// On which service, such as ssh or tcp/8443; every protocol unless said
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    #[command(flatten)]
    policy: PolicyOption,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// Where the question could not be understood and there is no guess.
const HELP: &str =
    "an end is a segment, host, set, group, internet, segments, any, gateway, an address or ZONE/ADDRESS";

/// `explain`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The instant it is given for.
    at: String,
    /// The answer.
    #[serde(flatten)]
    explanation: Explanation,
    /// For each part one flow of it.
    flows: Vec<json::FlowShape>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let Some(to) = args.to else {
        return if explain_code::is_code(&args.from) {
            explain_code::run(&args.from)
        } else {
            Err(Failure::Usage {
                what: format!(
                    "explain needs two ends: who opens the connection, and towards whom; `{}` is one",
                    Escaped(&args.from)
                ),
                help: format!("such as `segwall explain {} internet https`", Escaped(&args.from)),
            })
        };
    };
    let checked = match load::sound::<Data>("explain", &Location::of(args.policy.policy), args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let now = clock::now();
    let service = args.service.as_deref();
    let explanation = analysis::explain(&checked.policy, &checked.ruleset, &args.from, &to, service, At::Instant(now))
        .map_err(|fault| Failure::Usage {
            what: crate::text::escaped_lines(&fault.message),
            help: fault.help.map_or_else(|| HELP.to_owned(), |help| crate::text::escaped_lines(&help)),
        })?;
    match args.format {
        Format::Json => {
            let flows =
                explanation.parts.iter().map(|part| json::FlowShape::of(&checked.ruleset, &part.flow)).collect();
            json::print("explain", Answer::Yes, Vec::new(), Some(Data { at: clock::second(now), explanation, flows }))
        }
        Format::Text => {
            out::print(&text(&explanation, checked.source.name()))?;
            Ok(Answer::Yes)
        }
    }
}

fn verdict(word: &str) -> String {
    let style = match word {
        "accept" => GOOD,
        "depends" => CARE,
        _ => BAD,
    };
    format!("{style}{word}{style:#}")
}

/// The answer as it is printed, with styles.
pub fn text(explanation: &Explanation, file: &str) -> String {
    let Explanation { from, to, service, outcome, .. } = explanation;
    let mut text =
        format!("{STRONG}{} → {}, {}{STRONG:#}: {}\n", Escaped(from), Escaped(to), Escaped(service), verdict(outcome));
    for part in &explanation.parts {
        text.push('\n');
        one(&mut text, part, file);
    }
    if explanation.parts_left_out > 0 {
        let _ =
            writeln!(text, "\nand {} more; --format json counts them too", count(explanation.parts_left_out, "case"));
    }
    for note in &explanation.notes {
        let _ = writeln!(text, "\n{QUIET}note: {}{QUIET:#}", Escaped(note));
    }
    if !explanation.advice.is_empty() {
        text.push_str("\nWhat would change it:\n");
    }
    for advice in &explanation.advice {
        let lines = crate::text::escaped_lines(advice.trim_end()).replace('\n', "\n    ");
        let _ = writeln!(text, "  - {lines}");
    }
    text
}

fn one(text: &mut String, part: &Part, file: &str) {
    let limited = if part.limited { " within a limit" } else { "" };
    let logged = if part.logged { ", written down" } else { "" };
    let _ = writeln!(text, "{}{limited}{logged}: {}", verdict(part.verdict), Escaped(&part.reason));
    let mut line = |head: &str, words: &str| {
        let _ = writeln!(text, "  {head:<9}{words}");
    };
    for (head, words) in
        [("family", &part.family), ("from", &part.sources), ("to", &part.destinations), ("service", &part.services)]
    {
        if let Some(words) = words {
            line(head, &Escaped(words).to_string());
        }
    }
    let box_itself = || "the box".to_owned();
    let way = &part.path;
    let mut path =
        format!("{} → {}", way.input.clone().unwrap_or_else(box_itself), way.output.clone().unwrap_or_else(box_itself));
    if let Some(sent) = &way.sent_to {
        let _ = write!(path, ", sent to {sent} and forwarded");
    }
    if let Some(address) = &way.masqueraded_as {
        let _ = write!(path, ", masqueraded as {address}");
    }
    line("path", &path);
    for rule in &part.covering {
        let place = match rule.line {
            0 => String::new(),
            number => format!("  {}:{number}", Escaped(file)),
        };
        let partly = if rule.partly { ", part of it" } else { "" };
        line("covered", &format!("{}{partly}{place}", Escaped(&rule.rule)));
    }
    for time in &part.times {
        line("when", &Escaped(time).to_string());
    }
}
