//! Text → spanned TOML tree, with every syntax fault.

use serde_spanned::Spanned;
use toml::de::{DeTable, Error};

use super::codes;
use super::faults::Faults;
use crate::diag::Diagnostic;
use crate::source::{Source, Span};

/// The parser refuses what is nested deeper than this, and keys with more parts.
const DEPTH_MAX: usize = 80;

/// So many syntax faults are shown; a file with more is no TOML at all.
const SYNTAX_FAULTS_MAX: usize = 1_000;

/// For so many of them the place given first is sought, which reads the file once each.
const FIRSTS_SOUGHT_MAX: usize = 50;

/// The tree, and whether the text is all of TOML.
pub(super) fn parse<'d>(source: &'d Source, faults: &mut Faults<'_>) -> (Spanned<DeTable<'d>>, bool) {
    let text = source.text();
    if let Some(found) = too_deep(text) {
        faults.push(found);
        return (Spanned::new(0..0, DeTable::new()), false);
    }
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut last_line = None;
    for (index, error) in errors.iter().take(SYNTAX_FAULTS_MAX).enumerate() {
        let found = fault(error, text, index < FIRSTS_SOUGHT_MAX);
        // One slip confuses the parser for the rest of its line.
        let line = source.line(found.span.start);
        if last_line != Some(line) || found.code == codes::GIVEN_TWICE {
            faults.push(found);
        }
        last_line = Some(line);
    }
    (tree, errors.is_empty())
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
    let (mut depth, mut dots, mut at) = (0usize, 0usize, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at = end_of_line(bytes, at),
            quote @ (b'"' | b'\'') => at = end_of_string(bytes, at, quote),
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
            let found = Diagnostic::error(codes::TOO_DEEP, Span::new(at..at + 1), "nested too deeply")
                .label(format!("more than {DEPTH_MAX} levels"))
                .help("no policy needs more than five");
            return Some(found);
        }
        at += 1;
    }
    None
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length - 1)
}

/// The last byte of a string that begins at `from`; the end of its line where it is not closed.
fn end_of_string(bytes: &[u8], from: usize, quote: u8) -> usize {
    let triple = [quote; 3];
    let long = bytes[from..].starts_with(&triple);
    let mut at = from + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at - 1,
            byte if byte == quote && !long => return at,
            byte if byte == quote && bytes[at..].starts_with(&triple) => return at + 2,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
