//! Notes about what a file says that was not read, with a limit.

use crate::netfilter::{Note, NoteKind};
use crate::source::Span;

/// Notes of one file; more are counted.
pub(super) const NOTES_MAX: usize = 200;
/// Characters of a file's own words in a note.
const QUOTED_MAX: usize = 40;

/// A list of notes that does not grow without end.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub list: Vec<Note>,
    left_out: usize,
}

impl Notes {
    /// Something that was not understood.
    pub fn not_understood(&mut self, span: Span, text: String) {
        self.push(NoteKind::NotUnderstood, span, text);
    }

    /// Something that was understood, and says nothing about networks.
    pub fn aside(&mut self, span: Span, text: String) {
        self.push(NoteKind::Aside, span, text);
    }

    fn push(&mut self, kind: NoteKind, span: Span, text: String) {
        if self.list.len() < NOTES_MAX {
            self.list.push(Note { kind, text, span });
            return;
        }
        self.left_out += 1;
        let text = format!("and {} more lines like these", self.left_out);
        let more = Note { kind: NoteKind::NotUnderstood, text, span };
        self.list.truncate(NOTES_MAX);
        self.list.push(more);
    }
}

/// A word of a file in back-ticks, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_MAX).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{dots}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        let mut notes = Notes::default();
        for at in 0..NOTES_MAX + 7 {
            notes.aside(Span::new(at..at), "x".to_owned());
        }
        assert_eq!(notes.list.len(), NOTES_MAX + 1);
        assert_eq!(notes.list[NOTES_MAX].text, "and 7 more lines like these");
        assert_eq!(quoted(&"é".repeat(41)), format!("`{}…`", "é".repeat(40)));
    }
}
