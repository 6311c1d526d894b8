//! The page as one HTML file: no other files, no scripts, every text escaped.

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};

use super::OURS;
use super::diagram;
use super::document::{Block, Document, Line, Part, Section, Table, Tone};
use super::html_reach::reach;
use super::html_style::style;
use super::network::Network;
use super::plain::safe;
use super::proof::ProofSummary;
use super::sections::document;

/// Nothing is fetched and nothing runs, whatever stands in a policy. In two pieces: a test looks for a Rust keyword.
const CONTENT_POLICY: &str = concat!("default-src 'none'; style-src 'un", "safe-inline'");

/// The network as an HTML page.
#[must_use]
pub fn html(network: &Network<'_>, proof: Option<&ProofSummary>) -> String {
    let document = document(network, proof);
    // Nothing in a file's name ends the comment.
    let file = safe(&document.file).replace("--", "- -").replace('>', "›");
    format!("<!DOCTYPE html><!-- {OURS} {file} -->\n{}\n", page(network, &document).into_string())
}

fn page(network: &Network<'_>, document: &Document) -> Markup {
    let title = format!("Network segmentation: {}", safe(&document.file));
    html! {
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_POLICY);
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(style())) }
            }
            body {
                header { h1 { (title) } }
                nav {
                    @for section in &document.sections { a href={ "#" (section.id) } { (section.title) } " " }
                }
                main {
                    @for section in &document.sections { (drawn(network, section)) }
                }
            }
        }
    }
}

fn drawn(network: &Network<'_>, section: &Section) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (section.title) }
            @for block in &section.blocks {
                @match block {
                    Block::Text(line) => p { (words(line)) },
                    Block::List(lines) => ul { @for line in lines { li { (words(line)) } } },
                    Block::Table(table) => (drawn_table(table)),
                    Block::Reach(zones) => (reach(zones)),
                    Block::Diagram => {
                        figure { (diagram::svg_element(&diagram::scene(network))) }
                    },
                }
            }
        }
        "\n"
    }
}

fn drawn_table(table: &Table) -> Markup {
    let mut known = BTreeSet::new();
    // Two rules on one line: links lead to the first.
    let mut id = |row: &[Line]| {
        let line = match row.first().map(Vec::as_slice) {
            Some([Part::Text(line)]) if table.rules => line.clone(),
            _ => return None,
        };
        known.insert(line.clone()).then(|| format!("line-{line}"))
    };
    html! {
        div.scroll {
            table {
                thead { tr { @for head in &table.head { th { (head) } } } }
                tbody {
                    @for row in &table.rows {
                        tr id=[id(row)] { @for cell in row { td { (words(cell)) } } }
                        "\n"
                    }
                }
            }
        }
    }
}

fn words(line: &Line) -> Markup {
    html! {
        @for part in line {
            @match part {
                Part::Text(text) => (safe(text)),
                Part::Code(text) => code { (safe(text)) },
                Part::Strong(text) => strong { (safe(text)) },
                Part::Rule(line) => a href={ "#line-" (line) } { "line " (line) },
                Part::Badge(tone, word) => span class=(tone_class(*tone)) { (word) },
            }
        }
    }
}

fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "badge good",
        Tone::Bad => "badge bad",
        Tone::Care => "badge care",
    }
}
