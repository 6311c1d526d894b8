//! Text → spanned TOML tree, with every syntax fault.

use serde_spanned::Spanned;
use toml::de::{DeTable, Error};

use super::codes;
use super::faults::Faults;
use super::unclosed::{self, Repair};
use crate::diag::Diagnostic;
use crate::source::{Source, Span};

/// The parser refuses what is nested deeper than this, and keys with more parts.
const DEPTH_MAX: usize = 80;

/// So many syntax faults are shown; a file with more is no TOML at all.
const SYNTAX_FAULTS_MAX: usize = 1_000;

/// For so many of them the place given first is sought, which reads the file once each.
const FIRSTS_SOUGHT_MAX: usize = 50;

/// What can be parsed: the text, or the text with brackets closed that were left open.
pub(super) struct Prepared {
    /// Where brackets were added.
    pub repair: Repair,
    /// Whether to parse at all.
    pub parsable: bool,
}

/// Looks for what confuses a parser for the rest of the file: nesting without end, and lists that are never closed.
pub(super) fn prepare(source: &Source, faults: &mut Faults<'_>) -> Prepared {
    let text = source.text();
    if let Some(found) = too_deep(text) {
        faults.push(found);
        return Prepared { repair: Repair::default(), parsable: false };
    }
    Prepared { repair: unclosed::find(text, faults), parsable: true }
}

/// The tree, and whether the text is all of TOML.
pub(super) fn parse<'d>(text: &'d str, faults: &mut Faults<'_>) -> (Spanned<DeTable<'d>>, bool) {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let mut last_line = None;
    let mut table_twice: Option<usize> = None;
    for (index, error) in errors.iter().take(SYNTAX_FAULTS_MAX).enumerate() {
        let found = fault(error, text, index < FIRSTS_SOUGHT_MAX);
        let at = found.span.start as usize;
        let line = lines.number(at);
        if found.code == codes::GIVEN_TWICE {
            // The keys of a table given twice are given twice, too.
            if table_twice.is_some_and(|header| lines.no_header_between(text, header, line)) {
                continue;
            }
            if text[lines.start(line)..].trim_start_matches([' ', '\t']).starts_with('[') {
                table_twice = Some(line);
            }
            faults.push(found);
        } else if last_line != Some(line) {
            // One slip confuses the parser for the rest of its line.
            faults.push(found);
        }
        last_line = Some(line);
    }
    (tree, errors.is_empty())
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    fn number(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at) - 1
    }

    fn start(&self, line: usize) -> usize {
        self.0[line]
    }

    fn no_header_between(&self, text: &str, header: usize, line: usize) -> bool {
        header < line
            && (header + 1..=line)
                .all(|between| !text[self.0[between]..].trim_start_matches([' ', '\t']).starts_with('['))
    }
}

fn fault(error: &Error, text: &str, seek_first: bool) -> Diagnostic {
    let range = error.span().unwrap_or(0..0);
    let range = range.start.min(text.len())..range.end.min(text.len());
    let span = Span::new(range.clone());
    let message = error.message();
    if message == "duplicate key" {
        let name = &text[range.clone()];
        let mut found =
            Diagnostic::error(codes::GIVEN_TWICE, span, format!("`{name}` is given twice")).label("again here");
        if let Some(first) = seek_first.then(|| first_given(text, range)).flatten() {
            found = found.also(first, "first given here");
        }
        return found.help("keep one of them");
    }
    Diagnostic::error(codes::SYNTAX, span, format!("not TOML: {message}"))
}

/// The place where a key or table header given twice was given first: a search by line, which is enough for a label.
fn first_given(text: &str, again: std::ops::Range<usize>) -> Option<Span> {
    let line_start = text[..again.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let name = &text[again.clone()];
    let header = line.trim_start().starts_with('[').then(|| line.split('#').next().unwrap_or_default().trim());
    let mut found = None;
    let mut at = 0;
    for before in text[..line_start].split_inclusive('\n') {
        let trimmed = before.trim_start();
        let indent = before.len() - trimmed.len();
        match header {
            Some(header) => {
                if trimmed.split('#').next().unwrap_or_default().trim() == header {
                    let place = at + indent;
                    return Some(Span::new(place..place + header.len()));
                }
            }
            None => {
                if trimmed.starts_with('[') {
                    found = None;
                } else if trimmed.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['=', '.'])) {
                    found = found.or(Some(Span::new(at + indent..at + indent + name.len())));
                }
            }
        }
        at += before.len();
    }
    found
}

/// Looks for nesting that the parser would refuse, byte by byte: the parser itself reports each of a million brackets.
fn too_deep(text: &str) -> Option<Diagnostic> {
    let bytes = text.as_bytes();
    let (mut depth, mut dots) = (0usize, 0usize);
    let mut found = None;
    unclosed::walk(bytes, |at, byte| {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                dots = 0;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'.' => dots += 1,
            // Between the parts of a key there is nothing but dots, letters and blanks.
            b'=' | b'\n' | b',' => dots = 0,
            _ => {}
        }
        if depth > DEPTH_MAX || dots >= DEPTH_MAX {
            found = Some(at);
        }
        found.is_none()
    });
    found.map(|at| {
        Diagnostic::error(codes::TOO_DEEP, Span::new(at..at + 1), "nested too deeply")
            .label(format!("more than {DEPTH_MAX} levels"))
            .help("no policy needs more than five")
    })
}
