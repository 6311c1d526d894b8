//! Alerts and the summary of `segwall watch` for people. Every word of an alert is made safe where it is made.

use std::fmt::Write;

use segwall_watch::Alert;
use segwall_watch::alert::{Phase, Severity};

use super::watch_json::{Lost, Summary};
use crate::out::{BAD, CARE, QUIET, STRONG};
use crate::text::count;

/// One alert: a line, and lines with what it is about and what of the policy decided, where those say more.
pub fn alert(alert: &Alert) -> String {
    let style = match alert.severity {
        Severity::Critical => BAD,
        Severity::Warning => CARE,
        Severity::Notice => QUIET,
    };
    let (at, kind, id) = (alert.told, alert.kind.word(), alert.id);
    let state = match alert.phase {
        Phase::Open => "",
        Phase::Update => "goes on: ",
        Phase::Closed => "is over: ",
    };
    let mut text = format!("{QUIET}{at}{QUIET:#} {style}{kind}{style:#} #{id} {state}{}\n", alert.summary);
    if alert.phase != Phase::Closed && !alert.ports.is_empty() {
        let more = if alert.more_ports { ", ..." } else { "" };
        let _ = writeln!(text, "    {QUIET}ports {}{more}{QUIET:#}", alert.ports.join(", "));
    }
    if alert.phase == Phase::Open && !alert.causes.is_empty() {
        let _ = writeln!(text, "    {QUIET}by the policy: {}{QUIET:#}", alert.causes_words());
    }
    text
}

/// What was read, and what was not.
pub fn summary(summary: &Summary) -> String {
    let words = |number: u64, word: &str| count(usize::try_from(number).unwrap_or(usize::MAX), word);
    let mut text = format!(
        "{STRONG}{}{STRONG:#} of {}: {}, {} still open\n",
        words(summary.packets, "packet"),
        words(summary.lines, "line"),
        words(summary.alerts, "alert"),
        summary.open,
    );
    let mut note = |number: u64, what: &str| {
        if number > 0 {
            let _ = writeln!(text, "  {number} {what}");
        }
    };
    note(summary.other, "lines tell of no packet");
    note(summary.broken, "lines are broken, or too long");
    note(summary.not_kernel, "lines of other programs look like packets, and count for nothing");
    note(summary.unsaid, "packets have no prefix that says what became of them: taken as refused (--accepted TEXT)");
    note(summary.untimed, "packets have no time that can be read: taken as of the line before");
    note(summary.late, "packets are more than an hour older than one before");
    let Lost { scans, peers, rates, management, alerts } = summary.lost;
    note(scans, "sources or hosts were forgotten at a limit: a scan may have been missed");
    note(peers, "connections were forgotten at a limit");
    note(rates, "rates were forgotten at a limit");
    note(management, "tries to manage were forgotten at a limit");
    note(alerts, "alerts were not raised, because too many of their kind were open");
    text
}
