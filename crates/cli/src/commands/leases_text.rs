//! Leases for people. A host chooses its name itself.

use std::fmt::Write;

use segwall_core::leases::Change;

use super::leases::{Data, Row};
use crate::out::{CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count, duration};

/// All of them as a table.
pub fn table(data: &Data) -> String {
    let dash = || "-".to_owned();
    let shown = |word: &Option<String>| word.as_deref().map_or_else(dash, |word| Escaped(word).to_string());
    let heading = ["address", "segment", "name", "card", "maker", "asked", "ends"].map(str::to_owned);
    let mut rows = vec![heading];
    for row in &data.leases {
        rows.push([
            row.address.to_string(),
            row.segment.as_deref().map_or_else(|| "none any more".to_owned(), str::to_owned),
            shown(&row.name),
            shown(&row.mac),
            shown(&row.vendor),
            row.age_s.filter(|age| *age >= 0).map_or_else(dash, |age| format!("{} ago", duration(age))),
            match (row.reserved, row.left_s) {
                (true, _) => "reserved".to_owned(),
                (false, None) => "never".to_owned(),
                (false, Some(left)) if left > 0 => format!("in {}", duration(left)),
                (false, Some(_)) => "ended".to_owned(),
            },
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let line = cells.join("  ");
        let _ = match number {
            0 => writeln!(text, "{STRONG}{}{STRONG:#}", line.trim_end()),
            _ => writeln!(text, "{}", line.trim_end()),
        };
    }
    let _ = writeln!(text, "{QUIET}{}{QUIET:#}", count(data.leases.len(), "lease"));
    if data.skipped > 0 {
        let _ = writeln!(text, "{CARE}{} of the server's file make no sense{CARE:#}", count(data.skipped, "line"));
    }
    text
}

/// What became of one; nothing yet where it was there from the beginning.
pub fn change_word(change: Option<Change>) -> &'static str {
    match change {
        None => "held",
        Some(Change::Given) => "given",
        Some(Change::Renewed) => "renewed",
        Some(Change::Released) => "released",
        Some(Change::Ended) => "ended",
    }
}

/// The same, in a line.
pub fn change(at: &str, change: Option<Change>, row: &Row) -> String {
    let style = match change {
        None | Some(Change::Renewed) => QUIET,
        Some(Change::Given) => GOOD,
        Some(Change::Released | Change::Ended) => CARE,
    };
    let word = change_word(change);
    let mut words = vec![row.address.to_string()];
    words.push(row.segment.as_deref().map_or_else(|| "in no segment".to_owned(), |name| format!("in {name}")));
    words.extend(row.name.as_deref().map(|name| Escaped(name).to_string()));
    words.extend(row.mac.clone());
    words.extend(row.vendor.as_deref().map(|maker| format!("({})", Escaped(maker))));
    match row.left_s {
        _ if row.reserved => words.push("reserved".to_owned()),
        Some(left) if left > 0 => words.push(format!("for {}", duration(left))),
        _ => {}
    }
    format!("{QUIET}{at}{QUIET:#} {style}{word}{style:#} {}\n", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_draw_on_the_screen() {
        let row = Row {
            address: "192.168.20.101".parse().unwrap(),
            segment: Some("internal".to_owned()),
            name: Some("x\u{1b}[2J\u{202e}".to_owned()),
            mac: None,
            vendor: None,
            reserved: false,
            age_s: Some(61),
            left_s: Some(90_061),
        };
        let text = table(&Data { leases: vec![row], skipped: 2 });
        assert!(text.contains("x\\u{1b}[2J\\u{202e}"), "{text}");
        assert!(text.contains("1 min ago") && text.contains("in 1 d 1 h") && text.contains("2 lines"), "{text}");
    }
}
