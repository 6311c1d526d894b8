//! `segwall drops`: what was refused, or logged on its way.

use serde_json::Value;

use crate::exit::{Answer, Failure};
use crate::journal::{Shown, text};
use crate::out::{BAD, GOOD, QUIET};
use crate::text::Escaped;

/// List packets that were refused, as far as they were written down
///
/// Rules write down some 20 a second ([log] drops); counters of all of them are in `segwall status` and in the metrics of
/// `segwall watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall drops
  segwall drops --from guest --to server --follow
  segwall drops --src 192.168.200.7 --port 22 --format json")]
pub struct Args {
    /// Only from this segment, or `internet`, `gateway`
    #[arg(long, value_name = "SEGMENT")]
    from: Option<String>,
    /// Only to this segment
    #[arg(long, value_name = "SEGMENT")]
    to: Option<String>,
    /// Only from this address
    #[arg(long, value_name = "ADDRESS")]
    src: Option<String>,
    /// Only to this address
    #[arg(long, value_name = "ADDRESS")]
    dst: Option<String>,
    /// Only to this port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only for this reason: unnamed, rule, spoofed, ...
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Those that passed and were logged, too
    #[arg(long)]
    accepted: bool,
    #[command(flatten)]
    shown: Shown,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    args.shown.show("drops.jsonl", |value| args.wants(value), line)
}

impl Args {
    fn wants(&self, value: &Value) -> bool {
        let texts =
            [(&self.from, "from"), (&self.to, "to"), (&self.src, "src"), (&self.dst, "dst"), (&self.reason, "reason")];
        let port = self.port.is_none_or(|port| value.get("dport").and_then(Value::as_u64) == Some(u64::from(port)));
        (self.accepted || text(value, "verdict") == "drop")
            && port
            && texts.iter().all(|(wanted, key)| wanted.as_ref().is_none_or(|wanted| text(value, key) == wanted))
    }
}

fn line(value: &Value) -> String {
    let (style, word) = match text(value, "verdict") {
        "drop" => (BAD, text(value, "reason")),
        "accept" => (GOOD, "accepted"),
        other => (QUIET, other),
    };
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let src = port(text(value, "src"), number("sport"));
    let dst = port(text(value, "dst"), number("dport"));
    let kind = number("type").map_or_else(String::new, |kind| format!(" type {kind}"));
    let flags = text(value, "flags");
    let flags = if flags.is_empty() { String::new() } else { format!(" {}", Escaped(flags)) };
    format!(
        "{QUIET}{}{QUIET:#} {style}{}{style:#} {} > {}: {} {src} to {dst}{kind}{flags}\n",
        Escaped(text(value, "at")),
        Escaped(word),
        Escaped(text(value, "from")),
        Escaped(text(value, "to")),
        Escaped(text(value, "proto")),
    )
}

fn port(addr: &str, port: Option<u64>) -> String {
    let addr = Escaped(addr);
    match port {
        Some(port) if addr.0.contains(':') => format!("[{addr}]:{port}"),
        Some(port) => format!("{addr}:{port}"),
        None => addr.to_string(),
    }
}
