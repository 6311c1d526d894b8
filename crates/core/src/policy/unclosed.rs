//! Lists and inline tables that are never closed. To the parser all that follows is inside them, so that one forgotten
//! bracket would be a hundred faults; here it is one, the bracket is added, and what follows is read.

use super::codes;
use super::faults::Faults;
use crate::diag::Diagnostic;
use crate::source::Span;

/// So many forgotten brackets are looked for; a file with more is no TOML at all.
const UNCLOSED_MAX: usize = 100;

/// Brackets to be added: where, in ascending order, and which.
#[derive(Debug, Default)]
pub(super) struct Repair {
    added: Vec<(usize, u8)>,
}

impl Repair {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
    }

    /// The text with the brackets.
    pub fn apply(&self, text: &str) -> String {
        let mut repaired = String::with_capacity(text.len() + self.added.len());
        let mut from = 0;
        for (at, byte) in &self.added {
            repaired.push_str(&text[from..*at]);
            repaired.push(char::from(*byte));
            from = *at;
        }
        repaired.push_str(&text[from..]);
        repaired
    }

    /// A place of the repaired text in the text as it was.
    pub fn original(&self, span: Span) -> Span {
        let offset = |at: usize| {
            // The bracket added as number `index` stands at its place plus `index`.
            let before = self.added.iter().enumerate().take_while(|(index, (place, _))| place + index < at).count();
            at - before
        };
        let range = span.range();
        Span::new(offset(range.start)..offset(range.end))
    }
}

/// Finds brackets that are still open where a table or a key begins, or at the end of the file.
pub(super) fn find(text: &str, faults: &mut Faults<'_>) -> Repair {
    let bytes = text.as_bytes();
    let mut open: Vec<(usize, u8)> = Vec::new();
    let mut repair = Repair::default();
    let mut unclosed = Vec::new();
    let mut last_solid = 0;
    walk(bytes, |at, byte| {
        match byte {
            b'\n' => {
                if let Some(needed) = open.last().map(|(_, bracket)| *bracket)
                    && begins_anew(&bytes[at + 1..], needed)
                {
                    unclosed.extend(open.first().copied());
                    repair.added.extend(open.drain(..).rev().map(|(_, bracket)| (last_solid, closing(bracket))));
                }
            }
            b'[' | b'{' => open.push((at, byte)),
            b']' | b'}' => {
                open.pop();
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last_solid = at + 1;
        }
        unclosed.len() < UNCLOSED_MAX
    });
    if unclosed.len() < UNCLOSED_MAX {
        unclosed.extend(open.first().copied());
        repair.added.extend(open.into_iter().rev().map(|(_, bracket)| (last_solid, closing(bracket))));
    }
    for (at, bracket) in unclosed {
        let what = if bracket == b'[' { "list" } else { "table" };
        faults.push(
            Diagnostic::error(codes::SYNTAX, Span::new(at..at + 1), format!("not TOML: this {what} is never closed"))
                .help(format!("close it with `{}`", char::from(closing(bracket)))),
        );
    }
    repair
}

fn closing(bracket: u8) -> u8 {
    if bracket == b'[' { b']' } else { b'}' }
}

/// Whether a line is the header of a table, or, inside a list, a key with its value: neither can stand there.
fn begins_anew(rest: &[u8], inside: u8) -> bool {
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if line.starts_with(b"[") {
        let inner: &[u8] = line.strip_prefix(b"[[").or_else(|| line.strip_prefix(b"[")).unwrap_or_default();
        let length = inner.iter().take_while(|byte| is_key(byte)).count();
        let (name, after) = inner.split_at(length);
        let value = matches!(name, b"true" | b"false" | b"inf" | b"nan");
        return !value && after.starts_with(b"]") && name.first().is_some_and(u8::is_ascii_alphabetic);
    }
    let length = line.iter().take_while(|byte| is_key(byte)).count();
    inside == b'[' && length > 0 && line[length..].trim_ascii_start().starts_with(b"=")
}

/// Goes through all bytes outside strings and comments until told to stop; a string counts as its last quote.
pub(super) fn walk(bytes: &[u8], mut step: impl FnMut(usize, u8) -> bool) {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => {
                at = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
                continue;
            }
            quote @ (b'"' | b'\'') => at = end_of_string(bytes, at, quote),
            _ => {}
        }
        if at < bytes.len() && !step(at, bytes[at]) {
            return;
        }
        at += 1;
    }
}

/// The last byte of a string that begins at `from`; the end of its line where it is not closed.
fn end_of_string(bytes: &[u8], from: usize, quote: u8) -> usize {
    let triple = [quote; 3];
    let long = bytes[from..].starts_with(&triple);
    let mut at = from + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' && bytes.get(at + 1) != Some(&b'\n') => at += 1,
            b'\n' if !long => return at - 1,
            byte if byte == quote && !long => return at,
            byte if byte == quote && bytes[at..].starts_with(&triple) => return at + 2,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(text: &str) -> (String, usize) {
        let mut faults = Faults::new(text);
        let repair = find(text, &mut faults);
        (repair.apply(text), faults.finish().len())
    }

    #[test]
    fn brackets_are_closed_where_something_new_begins() {
        assert_eq!(repaired("a = [1, \"]\" # ]\nb = 2\n"), ("a = [1, \"]\"] # ]\nb = 2\n".into(), 1));
        assert_eq!(repaired("a = [{ b = [1\n\n[c.d]\n"), ("a = [{ b = [1]}]\n\n[c.d]\n".into(), 1));
        assert_eq!(repaired("a = { b = 1,\n c = 2\n"), ("a = { b = 1,\n c = 2}\n".into(), 1));
        assert_eq!(repaired("[[a]]\nb = [\n  [1],\n  [true],\n]\n").1, 0);
    }

    #[test]
    fn places_are_those_of_the_text_as_it_was() {
        let text = "a = [1\nb = [2\nc = 3\n";
        let mut faults = Faults::new(text);
        let repair = find(text, &mut faults);
        let repaired = repair.apply(text);
        assert_eq!(repaired, "a = [1]\nb = [2]\nc = 3\n");
        for name in ["a", "b", "c", "2", "3"] {
            let at = repaired.find(name).expect(name);
            let place = repair.original(Span::new(at..at + 1));
            assert_eq!(&text[place.range()], name);
        }
    }
}
