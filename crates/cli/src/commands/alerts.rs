//! `segwall alerts`: what was told, and whether those who are to be told can be.

use segwall_host::linux::unreadable_tls;
use segwall_watch::notify::{Itself, Notice, Receiver, Urgency};
use serde_json::{Value, json};

use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::journal::{Shown, text};
use crate::load;
use crate::out;
use crate::out::{BAD, CARE, GOOD, QUIET};
use crate::text::Escaped;

/// List alerts, or see whether messages about them arrive
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  segwall alerts
  segwall alerts --follow
  segwall alerts --kind scan --source 192.168.200.7 --format json
  segwall alerts test"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Send a message to everybody that the policy's [[notify]] names
    #[command(after_help = "Example:
  segwall alerts test --policy segwall.toml")]
    Test(PolicyOption),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only of kinds that begin so: scan, drops, drift, ...
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only about this source
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    match args.command {
        Some(Sub::Test(policy)) => test(policy),
        None => list(&args.list),
    }
}

fn list(args: &List) -> Result<Answer, Failure> {
    let wanted = |value: &Value| {
        args.kind.as_ref().is_none_or(|kind| text(value, "kind").starts_with(kind.as_str()))
            && args.source.as_ref().is_none_or(|source| text(value, "source") == source)
    };
    args.shown.show("alerts.jsonl", wanted, line)
}

fn line(value: &Value) -> String {
    let style = match text(value, "severity") {
        "critical" => BAD,
        "warning" => CARE,
        _ => QUIET,
    };
    let state = match text(value, "state") {
        "update" => "goes on: ",
        "closed" => "is over: ",
        _ => "",
    };
    let id = value.get("id").and_then(Value::as_u64).unwrap_or(0);
    let mut line = format!(
        "{QUIET}{}{QUIET:#} {style}{}{style:#} #{id} {state}{}\n",
        Escaped(text(value, "at")),
        Escaped(text(value, "kind")),
        Escaped(text(value, "summary"))
    );
    let causes = value.get("policy").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    if state.is_empty() && !causes.is_empty() {
        let words: Vec<&str> = causes.iter().map(|cause| text(cause, "words")).collect();
        line.push_str(&format!("    {QUIET}by the policy: {}{QUIET:#}\n", Escaped(&words.join("; "))));
    }
    line
}

/// Sends a message to everybody at once, one after the other.
fn test(policy: PolicyOption) -> Result<Answer, Failure> {
    let checked = match load::sound::<()>("alerts", &Location::of(policy.policy), Format::Text)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let named = &checked.policy;
    let receivers: Vec<Receiver> =
        named.notify.iter().filter_map(|notify| Receiver::of(notify, &named.log.tls)).collect();
    if receivers.is_empty() {
        return Err(Failure::Usage {
            what: "the policy names nobody who is told of alerts".to_owned(),
            help: "add a [[notify]] with email, webhook or command".to_owned(),
        });
    }
    let summary = "this is a test: whoever reads it is told of Segwall's alerts";
    let notice = Notice {
        urgency: Urgency::Notice,
        title: "segwall: a test".to_owned(),
        text: format!("{summary}\n"),
        json: json!({ "version": 1, "record": "test", "summary": summary }),
    };
    let mut failed = false;
    let by_tls = receivers.iter().any(Receiver::is_by_tls);
    for receiver in receivers {
        let name = receiver.name();
        let text = match receiver.deliver(std::slice::from_ref(&notice), 0, &Itself) {
            Ok(()) => format!("{GOOD}told{GOOD:#} {}\n", Escaped(&name)),
            Err(error) => {
                failed = true;
                format!("{BAD}not told{BAD:#} {}: {}\n", Escaped(&name), Escaped(&error.chain()))
            }
        };
        out::print(&text)?;
        out::flush()?;
    }
    // Who tries it here may read more than the daemon.
    let unreadable = if by_tls { unreadable_tls(named).unwrap_or_default() } else { Vec::new() };
    for (path, why) in unreadable {
        failed = true;
        out::print(&format!("{BAD}the daemon cannot read{BAD:#} {}: {}\n", Escaped(&path), Escaped(&why.to_string())))?;
    }
    Ok(Answer::yes_if(!failed))
}
