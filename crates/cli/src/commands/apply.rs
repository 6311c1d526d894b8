//! `segwall apply`: the box becomes what the policy says, or stays what it was.

use std::fmt::Write;
use std::io::{self, BufRead, IsTerminal};
use std::net::IpAddr;

use schemars::JsonSchema;
use segwall_core::analysis;
use segwall_core::diag::Severity;
use segwall_core::ruleset::At;
use segwall_host::apply::{self, Applied, ApplyError, Request};
use segwall_host::linux::Linux;
use serde::Serialize;

use super::plan;
use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};
use crate::out::{CARE, GOOD, QUIET, STRONG};
use crate::router::{self, Asker, Within, guard};
use crate::text::Escaped;
use crate::{clock, draw, json, out};

/// Minutes to confirm over SSH unless told otherwise.
const CONFIRM_SSH_S: u64 = 120;

/// Make the box what the policy says, so that nobody is locked out
///
/// Everything is checked before anything is touched. Every step can be undone, and is when one fails, when what the kernel
/// holds is not proved, or when nobody confirms in time: over SSH with `segwall confirm` from a new connection within two
/// minutes. Exit codes: 0 applied, 1 something stands in the way, 4 the box refused and was led back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall apply
  segwall apply --confirm-within 5m new.toml
  segwall apply --lock-out office --comment 'office moves out' new.toml")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    #[command(flatten)]
    how: How,
}

/// How to apply.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Go back unless `segwall confirm` comes within: 90s, 2m, 1h, or none [default: 2m over SSH, none on a console]
    #[arg(long, value_name = "TIME")]
    confirm_within: Option<Within>,
    /// You come from this address, where it cannot be found out
    #[arg(long, value_name = "ADDRESS", conflicts_with = "console")]
    from: Option<IpAddr>,
    /// You are at the box's own terminal, where it cannot be found out
    #[arg(long)]
    console: bool,
    /// This segment of [gateway] management, or your own address, may lose its way in
    #[arg(long, value_name = "NAME")]
    lock_out: Vec<String>,
    /// It need not be proved past this table of another program, as `ip filter`
    #[arg(long, value_name = "TABLE")]
    allow_unproved: Vec<String>,
    /// Retire what others set up where Segwall is to rule: stanzas, rules, DHCP servers; going back brings it back
    #[arg(long)]
    take_over: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `apply`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// `unchanged`, `kept`, `waiting` or `refused`.
    pub answer: &'static str,
    /// The generation.
    pub generation: u64,
    /// Seconds that there are to confirm it.
    pub confirm_within_s: Option<u64>,
    /// What was to be done.
    pub plan: plan::Data,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let reading = load::read(&Location::of(args.policy.policy))?;
    apply_reading(reading, args.how)
}

/// Applies the text of a policy.
pub fn apply_text(name: &str, bytes: Vec<u8>, how: How) -> Result<Answer, Failure> {
    apply_reading(load::from_bytes(name, bytes), how)
}

fn apply_reading(reading: Reading, args: How) -> Result<Answer, Failure> {
    let checked = match load::or_findings::<Data>("apply", reading, args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    if let Some(answer) = errors(&checked, &args)? {
        return Ok(answer);
    }
    let mut linux = router::open()?;
    router::refuse_while_waiting(&mut linux)?;
    let ends = guard::Ends { asker: Some(asker(&args, &checked)), allowed: args.lock_out.clone() };
    let (_, mut data) = plan::look(&mut linux, &checked, &ends, args.take_over)?;
    data.unproved.retain(|one| !args.allow_unproved.iter().any(|table| names(one, table)));
    if args.format == Format::Text {
        out::print(&plan::text(&data, checked.source.name()))?;
    }
    if !data.is_possible() {
        return refuse(data, args.format);
    }
    if args.format == Format::Text && !args.yes && !data.steps.is_empty() && !asked()? {
        out::print("nothing was changed\n")?;
        return Ok(Answer::No);
    }
    let asker = ends.asker.unwrap_or(Asker::Unknown);
    let within = within(&args, &asker)?;
    let request = Request {
        candidate: router::candidate(&checked, asker.who(), args.comment.clone()),
        confirm_within_ms: within.ms(),
        allow_unproved: !args.allow_unproved.is_empty(),
        take_over: args.take_over,
    };
    // Only now: who waits for an answer must not keep a watchdog from its work.
    let lock = router::lock(&linux)?;
    let end = perform(&mut linux, &request, args.format);
    drop(lock);
    told(end, data, &linux, args.format)
}

/// Whether a sentence speaks of a table, by its whole name.
fn names(sentence: &str, table: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '-'));
    let whole = |(at, _): (usize, &str)| {
        ends(sentence[..at].chars().next_back()) && ends(sentence[at + table.len()..].chars().next())
    };
    !table.trim().is_empty() && sentence.match_indices(table).any(whole)
}

/// Findings of `check` that are errors stand in the way, but for the ways in, which have their own option.
fn errors(checked: &Checked, args: &How) -> Result<Option<Answer>, Failure> {
    let mut found = analysis::check(&checked.policy, &checked.ruleset, At::Instant(clock::now()));
    found.retain(|one| one.severity == Severity::Error && one.code != analysis::codes::MANAGEMENT_LOCKED_OUT);
    if found.is_empty() {
        return Ok(None);
    }
    draw::sort(&mut found);
    match args.format {
        Format::Json => {
            let shapes = json::findings(&checked.source, Some(&checked.ruleset), &found);
            json::print::<Data>("apply", Answer::No, shapes, None).map(Some)
        }
        Format::Text => {
            out::complain(&draw::findings(&checked.source, &found));
            out::complain("nothing was changed\n");
            Ok(Some(Answer::No))
        }
    }
}

fn asker(args: &How, checked: &Checked) -> Asker {
    Asker::find(args.from, args.console, |peer| router::address_towards(&checked.policy, &checked.ruleset, peer))
}

fn within(args: &How, asker: &Asker) -> Result<Within, Failure> {
    match (args.confirm_within, asker) {
        (Some(within), _) => Ok(within),
        (None, Asker::Ssh { .. }) => Ok(Within::Seconds(CONFIRM_SSH_S)),
        (None, Asker::Console(_)) => Ok(Within::None),
        (None, Asker::Unknown) => Err(Failure::Usage {
            what: "it is not known where you come from, so it cannot be shown that you keep your way in".to_owned(),
            help: "say `--from ADDRESS` (your own, as the box sees it), `--console`, or `--confirm-within none`"
                .to_owned(),
        }),
    }
}

fn refuse(data: plan::Data, format: Format) -> Result<Answer, Failure> {
    match format {
        Format::Json => {
            let data = Data { answer: "refused", generation: data.generation, confirm_within_s: None, plan: data };
            json::print("apply", Answer::No, Vec::new(), Some(data))
        }
        Format::Text => {
            out::print("nothing was changed\n")?;
            Ok(Answer::No)
        }
    }
}

/// Asks on a terminal; where there is none nobody is asked.
fn asked() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    out::flush()?;
    out::complain("apply this? [y/N] ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    Ok(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"))
}

fn perform(linux: &mut Linux, request: &Request, format: Format) -> Result<Applied, ApplyError> {
    let shown = format == Format::Text && io::stderr().is_terminal();
    let mut progress = |step: &str| {
        if shown {
            out::complain(&format!("{QUIET}{}…{QUIET:#}\n", Escaped(step)));
        }
    };
    apply::apply(linux, request, &mut progress)
}

fn told(end: Result<Applied, ApplyError>, data: plan::Data, linux: &Linux, format: Format) -> Result<Answer, Failure> {
    let applied = end.map_err(|error| router::failed(&error))?;
    let (answer, generation, confirm_within_s) = match applied {
        Applied::Unchanged(generation) => ("unchanged", generation, None),
        Applied::Kept(generation) => ("kept", generation, None),
        Applied::Waiting { generation, left_ms } => ("waiting", generation, Some(left_ms / 1000)),
    };
    if format == Format::Json {
        let data = Data { answer, generation, confirm_within_s, plan: data };
        return json::print("apply", Answer::Yes, Vec::new(), Some(data));
    }
    let mut text = String::new();
    let _ = match applied {
        Applied::Unchanged(number) => writeln!(text, "generation {number} holds already; nothing was changed"),
        Applied::Kept(number) => writeln!(text, "{GOOD}generation {number} is applied, proved and kept{GOOD:#}"),
        Applied::Waiting { generation, left_ms } => writeln!(
            text,
            "{STRONG}generation {generation} is applied and proved{STRONG:#}; {CARE}the box goes back in {} s{CARE:#} \
             unless you run `segwall confirm` from a new SSH connection",
            left_ms / 1000
        ),
    };
    if matches!(applied, Applied::Kept(_)) {
        text.push_str(&router::lbu_advice(linux));
    }
    out::print(&text)?;
    Ok(Answer::Yes)
}
