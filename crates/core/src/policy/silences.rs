//! `[[silence]]`: what nobody is to be told of.

use jiff::civil::Date;

use super::codes;
use super::ends;
use super::env::Env;
use super::faults::Faults;
use super::keys;
use super::last_day::last_day;
use super::model::Silence;
use super::reader::Table;
use crate::diag::Diagnostic;

/// What alerts can be about, as `segwall alerts` lists it; `scan` and `drops` stand for all that begin so.
pub const ALERT_KINDS: [&str; 20] = [
    "scan",
    "scan-vertical",
    "scan-horizontal",
    "scan-block",
    "scan-slow",
    "scan-distributed",
    "drops",
    "drops-source",
    "drops-pair",
    "drops-segment",
    "new-pair",
    "management-denied",
    "unknown-device",
    "rogue-dhcp",
    "uplink-spoof",
    "conntrack-full",
    "link-down",
    "table-gone",
    "drift",
    "records-lost",
];

pub(super) fn read_all(top: &Table<'_>, env: &Env<'_>, today: Date, faults: &mut Faults<'_>) -> Vec<Silence> {
    let tables = top.tables("silence", &keys::SILENCE, faults);
    tables.iter().filter_map(|table| read(table, env, today, faults)).collect()
}

fn read(table: &Table<'_>, env: &Env<'_>, today: Date, faults: &mut Faults<'_>) -> Option<Silence> {
    let kinds = table.texts("kind", faults).unwrap_or_default();
    let from = table.texts("from", faults);
    if kinds.is_empty() && from.is_none() {
        let help = "name a `kind`, such as \"scan\", or the host that it is `from`, or both";
        faults.error(codes::BAD_SILENCE, table.span, "a silence of everything", "", help);
        return None;
    }
    let mut known = Vec::new();
    for text in &kinds {
        match ALERT_KINDS.iter().find(|kind| **kind == text.text) {
            Some(kind) => known.push(*kind),
            None => {
                let help = format!("one of {}", ALERT_KINDS.join(", "));
                faults.error(codes::BAD_SILENCE, text.span, format!("no alert is a `{}`", text.text), "", help);
            }
        }
    }
    let from = match from {
        None => None,
        Some(texts) => Some(ends::resolve(&texts, env, faults)?.list),
    };
    let until = last_day("until", table, faults).map(|(day, span)| {
        if day < today {
            faults.push(
                Diagnostic::warning(codes::SILENCE_OVER, span, format!("this silence was until {day}"))
                    .label("over")
                    .help("it keeps nothing from being told any more: take it out, or give it another day"),
            );
        }
        day
    });
    table.text("comment", faults);
    (known.len() == kinds.len()).then_some(Silence { kinds: known, from, until })
}
