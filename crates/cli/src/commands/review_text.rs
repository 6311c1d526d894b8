//! What `review` and `learn` show of rules that seem to be missing.

use std::fmt::Write;

use jiff::Timestamp;
use schemars::JsonSchema;
use segwall_core::policy::write_service;
use segwall_core::review::Wish;
use serde::Serialize;

use crate::clock;
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count, escaped_lines};

/// Sources that are named.
const SOURCES_SHOWN: usize = 5;

/// A rule that seems to be missing.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WishRow {
    /// Who opens.
    pub from: String,
    /// Towards whom.
    pub to: String,
    /// On which services.
    pub services: Vec<String>,
    /// Packets or connections that were seen.
    pub count: u64,
    /// How many hosts they were of.
    pub sources: usize,
    /// Some of these hosts.
    pub examples: Vec<String>,
    /// When the first was seen.
    pub first: String,
    /// When the last was.
    pub last: String,
    /// The rule, as the policy file has it.
    pub toml: String,
}

/// Ends between which so many services were tried that no rule is made of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ScanRow {
    /// Who tried.
    pub from: String,
    /// Towards whom.
    pub to: String,
    /// How many services.
    pub services: usize,
}

impl From<&Wish> for WishRow {
    fn from(wish: &Wish) -> Self {
        Self {
            from: wish.from.clone(),
            to: wish.to.clone(),
            services: wish.services.iter().map(write_service).collect(),
            count: wish.count,
            sources: wish.sources.len(),
            examples: wish.sources.iter().take(SOURCES_SHOWN).map(ToString::to_string).collect(),
            first: second(wish.first_s),
            last: second(wish.last_s),
            toml: wish.toml(),
        }
    }
}

impl From<&(String, String, usize)> for ScanRow {
    fn from((from, to, services): &(String, String, usize)) -> Self {
        Self { from: from.clone(), to: to.clone(), services: *services }
    }
}

/// An instant for people.
pub fn second(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "outside of all calendars".to_owned(), clock::second)
}

/// Rules that seem to be missing.
pub fn wishes(heading: &str, rules: &[WishRow], scans: &[ScanRow]) -> String {
    let mut text = format!("\n{STRONG}{heading}{STRONG:#}\n");
    if rules.is_empty() {
        let _ = writeln!(text, "{QUIET}nothing{QUIET:#}");
    }
    for row in rules {
        let hosts = row.examples.join(", ");
        let more = if row.sources > row.examples.len() { ", ..." } else { "" };
        let _ = write!(
            text,
            "\n{QUIET}# {} by {} ({hosts}{more}), {} to {}{QUIET:#}\n{}",
            times(row.count),
            count(row.sources, "host"),
            row.first,
            row.last,
            escaped_lines(&row.toml),
        );
    }
    for scan in scans {
        let _ = writeln!(
            text,
            "\n{CARE}{} tried {} services of {}: that looks like a scan, so no rule is proposed{CARE:#}",
            Escaped(&scan.from),
            scan.services,
            Escaped(&scan.to)
        );
    }
    text
}

/// `once`, `7 times`.
pub fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// A diff in colours.
pub fn coloured(diff: &str) -> String {
    let mut text = String::new();
    for line in diff.lines() {
        let line = Escaped(line);
        let _ = match line.0.as_bytes().first() {
            Some(b'+') => writeln!(text, "{GOOD}{line}{GOOD:#}"),
            Some(b'-') => writeln!(text, "{BAD}{line}{BAD:#}"),
            _ => writeln!(text, "{line}"),
        };
    }
    text
}
