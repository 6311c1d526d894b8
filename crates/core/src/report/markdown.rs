//! The page as Markdown: CommonMark with tables.

use std::fmt::Write;

use super::OURS;
use super::diagram;
use super::document::{Block, Line, Part, Table};
use super::network::Network;
use super::plain::safe;
use super::proof::ProofSummary;
use super::reach::Reach;
use super::sections::document;

/// With more zones a table with words in its cells is wider than a screen: lists tell the same.
pub(super) const WORDS_ZONES_MAX: usize = 12;

/// The network as Markdown.
#[must_use]
pub fn markdown(network: &Network<'_>, proof: Option<&ProofSummary>) -> String {
    let document = document(network, proof);
    // Nothing in a file's name ends the comment.
    let file = safe(&document.file).replace("--", "- -").replace('>', "›");
    let mut page = format!("<!-- {OURS} {file} -->\n\n# Network segmentation: {}\n", escaped(&document.file));
    for section in &document.sections {
        let _ = write!(page, "\n## {}\n", section.title);
        for block in &section.blocks {
            page.push('\n');
            match block {
                Block::Text(line) => page.push_str(&(words(line) + "\n")),
                Block::List(lines) => lines.iter().for_each(|line| page.push_str(&format!("- {}\n", words(line)))),
                Block::Table(table) => draw(&mut page, table),
                Block::Reach(reach) => reach_tables(&mut page, reach),
                Block::Diagram => {
                    let _ = write!(page, "```mermaid\n{}```\n", diagram::mermaid(network));
                }
            }
        }
    }
    page
}

fn draw(page: &mut String, table: &Table) {
    row(page, table.head.iter().map(|head| escaped(head)));
    row(page, table.head.iter().map(|_| "---".to_owned()));
    for cells in &table.rows {
        row(page, cells.iter().map(words));
    }
}

fn row(page: &mut String, cells: impl Iterator<Item = String>) {
    page.push('|');
    for cell in cells {
        page.push(' ');
        page.push_str(&cell);
        page.push_str(if cell.is_empty() { "|" } else { " |" });
    }
    page.push('\n');
}

fn reach_tables(page: &mut String, reach: &Reach) {
    let bold = |zone: &usize| format!("**{}**", escaped(&reach.zones[*zone]));
    let all: Vec<usize> = (0..reach.zones.len()).collect();
    if reach.zones.len() <= WORDS_ZONES_MAX {
        row(page, std::iter::once("from ↓ to →".to_owned()).chain(all.iter().map(bold)));
        row(page, std::iter::repeat_n("---".to_owned(), all.len() + 1));
        for from in &all {
            let cells = all.iter().map(|to| match reach.pair(*from, *to) {
                Some(pair) => escaped(&pair.text()),
                None => (if from == to { "·" } else { "–" }).to_owned(),
            });
            row(page, std::iter::once(bold(from)).chain(cells));
        }
        page.push_str(
            "\n– nothing; · nothing is routed back, and what stays on the segment's wire never passes the box\n",
        );
        return;
    }
    let names =
        |zones: &[usize]| escaped(&zones.iter().map(|zone| reach.zones[*zone].as_str()).collect::<Vec<_>>().join(", "));
    for (title, by_sender) in [("from", true), ("to", false)] {
        let other = if by_sender { "to" } else { "from" };
        row(page, [title, "services", other].into_iter().map(str::to_owned));
        row(page, std::iter::repeat_n("---".to_owned(), 3));
        for (zone, text, others) in reach.told(by_sender) {
            row(page, [bold(&zone), escaped(&text), names(&others)].into_iter());
        }
        page.push('\n');
    }
    page.push_str("What is not listed is dropped. What stays on a segment's wire never passes the box.\n");
}

fn words(line: &Line) -> String {
    line.iter()
        .map(|part| match part {
            Part::Text(text) => escaped(text),
            Part::Code(code) => code_span(code),
            Part::Strong(text) => format!("**{}**", escaped(text)),
            Part::Rule(line) => format!("line {line}"),
            Part::Badge(_, word) => format!("**{word}**"),
        })
        .collect()
}

/// Text that no reader of Markdown takes for markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '!' | '#' | '$' | '{' | '}') {
            out.push('\\');
        }
        out.push(c);
    }
    // Links that some readers make of plain text.
    out.replace("://", "\\://").replace("www.", "www\\.").replace('@', "\\@")
}

/// A code span; one that holds a backtick or a bar is plain text.
fn code_span(code: &str) -> String {
    let code = safe(code);
    let plain = code.is_empty() || code.contains(['`', '|', '\\']) || code.trim() != code;
    if plain { escaped(&code) } else { format!("`{code}`") }
}
