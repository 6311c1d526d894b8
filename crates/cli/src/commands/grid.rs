//! The matrix as people read it: a table while it fits, a list of pairs when there are many zones.

use std::fmt::Write;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use segwall_core::analysis::Matrix;

use crate::out::{self, BAD, STRONG};
use crate::text::Escaped;

/// More zones than this make a list instead of a table.
const ZONES_MAX: usize = 9;
/// A table's width where there is no terminal to ask.
const WIDTH: u16 = 120;

/// What is added to a cell.
pub struct Mark {
    /// A line below what the policy declares.
    pub text: String,
    /// It is not as it should be.
    pub bad: bool,
}

/// Rows send, columns receive. `mark` adds to a pair what else is known of it.
pub fn draw(matrix: &Matrix, mark: &dyn Fn(&str, &str) -> Option<Mark>) -> String {
    let legend = "– nothing; · nothing is routed back, and what stays on the segment's wire never passes the box\n";
    if matrix.zones.len() > ZONES_MAX { list(matrix, mark) } else { table(matrix, mark) + legend }
}

/// What the policy declares between two zones.
fn declared(matrix: &Matrix, from: &str, to: &str) -> Option<String> {
    match matrix.cell(from, to) {
        Some(cell) => Some(Escaped(&cell.text).to_string()),
        None if from == "gateway" && to != "gateway" && !matrix.output_drop => Some("everything".to_owned()),
        None => None,
    }
}

fn table(matrix: &Matrix, mark: &dyn Fn(&str, &str) -> Option<Mark>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(table.width().unwrap_or(WIDTH));
    // Ours is the only say in colour.
    if out::is_coloured() {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    table.set_header(std::iter::once(bold("from ↓ to →")).chain(matrix.zones.iter().map(|zone| bold(zone))));
    for from in &matrix.zones {
        let cells = matrix.zones.iter().map(|to| {
            let words = declared(matrix, from, to);
            let nothing = if from == to { "·" } else { "–" };
            let mut text = words.clone().unwrap_or_else(|| nothing.to_owned());
            let mark = mark(from, to);
            if let Some(mark) = &mark {
                // Short cells stay on one line.
                text.push_str(if words.is_some() { "\n" } else { " " });
                text.push_str(&mark.text);
            }
            let cell = Cell::new(text);
            match (mark.is_some_and(|mark| mark.bad), words) {
                (true, _) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
                (false, Some(_)) => cell,
                (false, None) => cell.add_attribute(Attribute::Dim),
            }
        });
        table.add_row(std::iter::once(bold(from)).chain(cells));
    }
    table.trim_fmt() + "\n"
}

/// Pairs between which something is accepted, and those with a bad mark.
fn list(matrix: &Matrix, mark: &dyn Fn(&str, &str) -> Option<Mark>) -> String {
    let mut text = String::new();
    for from in &matrix.zones {
        for to in &matrix.zones {
            let mark = mark(from, to);
            let cell = matrix.cell(from, to).map(|cell| Escaped(&cell.text).to_string());
            if cell.is_none() && !mark.as_ref().is_some_and(|mark| mark.bad) {
                continue;
            }
            let words = cell.or_else(|| declared(matrix, from, to)).unwrap_or_else(|| "–".to_owned());
            let _ = write!(text, "{STRONG}{from} → {to}{STRONG:#}: {words}");
            let _ = match mark {
                Some(mark) if mark.bad => writeln!(text, "  {BAD}{}{BAD:#}", mark.text),
                Some(mark) => writeln!(text, "  {}", mark.text),
                None => writeln!(text),
            };
        }
    }
    text
}

/// What no cell says.
pub fn needs(matrix: &Matrix) -> String {
    let mut text = String::new();
    if !matrix.needs.is_empty() {
        text.push_str("\nAccepted towards the box without a rule:\n");
    }
    for line in &matrix.needs {
        let _ = writeln!(text, "  {}: {}", line.zone, line.needs.join(", "));
    }
    text
}
