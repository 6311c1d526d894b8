//! A view as text or JSON, for scripts and where there is no terminal.

use std::cmp::Reverse;
use std::fmt::Write;
use std::path::Path;

use schemars::JsonSchema;
use segwall_watch::view::View;
use serde::Serialize;

use super::feed::{self, Source};
use super::rates::Rates;
use super::words::{bits, cell, number, short};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::out::{BAD, CARE, QUIET, STRONG};
use crate::text::Escaped;
use crate::{json, out};

/// Rows of each table that are printed.
const ROWS_MAX: usize = 20;

/// `top --once`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Once {
    /// What a screen would be made of.
    view: View,
}

/// Prints one view.
pub fn once(source: Source, place: &Path, format: Format) -> Result<Answer, Failure> {
    let (mut rates, mut last) = (Rates::default(), None::<View>);
    feed::once(source, |view| {
        rates.next(last.as_ref(), &view);
        last = Some(view);
    })
    .map_err(|error| Failure::Refused(format!("cannot look on at {}: {error}", place.display())))?;
    let Some(view) = last else { return Ok(Answer::Unknown) };
    match format {
        Format::Json => json::print("top", Answer::Yes, Vec::new(), Some(Once { view })),
        Format::Text => {
            out::print(&text(&view, &rates))?;
            Ok(Answer::Yes)
        }
    }
}

/// Columns as wide as they have to be; the first `texts` of them are texts, the others numbers.
fn table(text: &mut String, heading: &[&str], texts: usize, rows: &[Vec<String>]) {
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(wide).collect();
    let line = |cells: &[String]| -> String {
        let cell = |(at, cell): (usize, &String)| match at < texts {
            true => format!("{cell:<0$}", widths[at]),
            false => format!("{cell:>0$}", widths[at]),
        };
        cells.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading: Vec<String> = heading.iter().map(|word| (*word).to_owned()).collect();
    let _ = writeln!(text, "{STRONG}{}{STRONG:#}", line(&heading));
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
}

fn more(text: &mut String, all: usize, what: &str) {
    if all > ROWS_MAX {
        let _ = writeln!(text, "{QUIET}and {} more {what}; --format json has all{QUIET:#}", all - ROWS_MAX);
    }
}

fn text(view: &View, rates: &Rates) -> String {
    let name = |place: u32| {
        let zone = view.zones.get(place as usize);
        zone.map_or_else(|| "unknown".to_owned(), |zone| Escaped(&zone.name).to_string())
    };
    let byte = |bytes: u64| format!("{}B", short(bytes));
    let mut text = format!("{STRONG}{}{STRONG:#}", Escaped(&view.policy));
    if let Some(fill) = view.conntrack {
        let max = if fill.max > 0 { format!(" of {}", number(fill.max)) } else { String::new() };
        let _ = write!(text, ", {}{max} connections", number(fill.count));
    }
    text.push('\n');
    if view.table == Some(false) {
        let _ = writeln!(text, "{BAD}the table inet segwall is not in the kernel{BAD:#}: run `segwall status`");
    }
    let mut busy: Vec<_> = view.pairs.iter().zip(&rates.pairs).collect();
    busy.sort_by_key(|(pair, rate)| (Reverse(rate.bytes), Reverse(rate.refused), pair.from, pair.to));
    let row = |(pair, rate): &(&segwall_watch::view::Pair, &super::rates::PairRate)| {
        vec![
            name(pair.from),
            name(pair.to),
            cell(bits(rate.bytes)),
            cell(rate.packets),
            byte(pair.sent.bytes),
            byte(pair.received.bytes),
            number(pair.connections),
            number(pair.refused),
        ]
    };
    let rows: Vec<_> = busy.iter().take(ROWS_MAX).map(row).collect();
    text.push('\n');
    table(&mut text, &["from", "to", "bit/s", "packets/s", "sent", "back", "begun", "refused"], 2, &rows);
    more(&mut text, busy.len(), "pairs");
    let row = |(one, rate): (&segwall_watch::view::Interface, &super::rates::InterfaceRate)| {
        vec![
            Escaped(&one.name).to_string(),
            one.zone.map_or_else(|| "-".to_owned(), name),
            if one.up { "up".to_owned() } else { "down".to_owned() },
            cell(bits(rate.received)),
            cell(bits(rate.sent)),
            number(one.errors),
            number(one.dropped),
        ]
    };
    let rows: Vec<_> = view.interfaces.iter().zip(&rates.interfaces).take(ROWS_MAX).map(row).collect();
    text.push('\n');
    table(&mut text, &["interface", "zone", "link", "in bit/s", "out bit/s", "errors", "no room"], 3, &rows);
    more(&mut text, view.interfaces.len(), "interfaces");
    let mut talkers: Vec<_> = view.talkers.iter().collect();
    talkers.sort_by_key(|one| (Reverse(one.sent_s.saturating_add(one.received_s)), one.zone, one.addr));
    let row = |one: &&segwall_watch::view::Talker| {
        vec![
            name(one.zone),
            one.addr.to_string(),
            cell(bits(one.sent_s)),
            cell(bits(one.received_s)),
            byte(one.sent.bytes),
            byte(one.received.bytes),
        ]
    };
    let rows: Vec<_> = talkers.iter().take(ROWS_MAX).map(row).collect();
    text.push('\n');
    table(&mut text, &["segment", "host", "sends bit/s", "gets bit/s", "sent", "got"], 2, &rows);
    more(&mut text, talkers.len(), "hosts");
    let open: Vec<_> = view.alerts.iter().filter(|alert| alert.open).collect();
    if !open.is_empty() {
        text.push('\n');
    }
    for alert in open {
        let style = if alert.severity == "critical" { BAD } else { CARE };
        let _ = writeln!(text, "{style}{}{style:#} {}", Escaped(&alert.severity), Escaped(&alert.summary));
    }
    text
}
