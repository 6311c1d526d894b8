//! Where the passes put what they find.

use super::reader::Text;
use crate::diag::{Code, Diagnostic, Severity};
use crate::source::Span;

/// After so many unknown words no nearest one is looked for: each search walks every known name.
const SUGGESTIONS_MAX: u32 = 200;

/// So many ends and services may stand in all rules together, groups written out: what a small file can ask for
/// through groups in groups must not fill the memory.
const EXPANDED_MAX: usize = 2_000_000;

/// All findings so far.
pub(super) struct Faults<'d> {
    /// The policy's text.
    pub text: &'d str,
    list: Vec<Diagnostic>,
    suggestions_left: u32,
    expanded_left: usize,
}

impl<'d> Faults<'d> {
    pub fn new(text: &'d str) -> Self {
        Self { text, list: Vec::new(), suggestions_left: SUGGESTIONS_MAX, expanded_left: EXPANDED_MAX }
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// An error with words under its place and a help line.
    pub fn error(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, span, message).label(label).help(help));
    }

    /// A feature that is planned.
    pub fn not_yet(&mut self, span: Span, feature: &str) {
        self.push(Diagnostic::error(super::codes::NOT_YET, span, format!("not yet supported: {feature}")));
    }

    /// Whether there is an error so far.
    pub fn any_error(&self) -> bool {
        self.list.iter().any(|found| found.severity == Severity::Error)
    }

    /// Counts what a name was written out to; false, and said once, where it is too much.
    pub fn expand(&mut self, count: usize, span: Span) -> bool {
        match self.expanded_left.checked_sub(count) {
            Some(left) => {
                self.expanded_left = left;
                true
            }
            None => {
                if self.expanded_left > 0 {
                    self.expanded_left = 0;
                    let message = format!("groups and services stand for more than {EXPANDED_MAX} ends in all");
                    self.error(
                        super::codes::TOO_MANY_ENDS,
                        span,
                        message,
                        "the limit is reached here",
                        "name segments or sets instead of many hosts",
                    );
                }
                false
            }
        }
    }

    /// The known word nearest to one that is not known, if any is near enough to be meant.
    pub fn nearest<'c>(&mut self, word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
        let left = self.suggestions_left.checked_sub(1)?;
        self.suggestions_left = left;
        let length = word.chars().count();
        // A third of the letters may differ; nobody means a name he got wrong further than that.
        let most = (length / 3).max(1);
        candidates
            .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
            .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
            .filter(|(distance, _)| *distance <= most)
            .min()
            .map(|(_, candidate)| candidate)
    }

    /// A word that is none of the possible ones.
    pub fn unknown_word(&mut self, found: Text<'_>, key: &str, words: &[&str]) {
        let nearest = self.nearest(found.text, words.iter().copied());
        let help = match nearest {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("possible: {}", list_words(words)),
        };
        self.error(
            super::codes::UNKNOWN_WORD,
            found.span,
            format!("`{key}` cannot be \"{}\"", shorten(found.text)),
            "",
            help,
        );
    }

    /// Everything found, in the order of the places.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by(|a, b| {
            (a.span.start, a.span.end, a.code, &a.message).cmp(&(b.span.start, b.span.end, b.code, &b.message))
        });
        self.list.dedup();
        self.list
    }
}

/// `"a", "b", "c"`.
pub(super) fn list_words(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// A text of the user short enough for a message.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
