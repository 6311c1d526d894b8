//! Findings as people read them: the code, the place, the line with the smallest span underlined, and what to do.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use segwall_core::diag::{Diagnostic, Severity, Witness};
use segwall_core::source::{Source, Span};

use crate::out::{BAD, CARE, STRONG};
use crate::text::{Escaped, count, escaped_lines};

/// Text output stops after so many findings, and says how many more there are.
pub const FINDINGS_SHOWN_MAX: usize = 100;
/// A longer line is shown around its span only.
const LINE_BYTES_MAX: usize = 2_000;
/// What is shown before and after a span in such a line.
const AROUND_BYTES: usize = 60;
/// A span over more lines is shown at its first line only.
const SPAN_LINES_MAX: usize = 6;
/// Places further apart than this are shown as two stretches.
const STRETCH_BYTES_MAX: usize = 32 * 1024;
/// Columns to draw within.
const WIDTH: usize = 120;

/// Errors before warnings before notes, each in the file's order.
pub fn sort(findings: &mut [Diagnostic]) {
    findings.sort_by_key(|finding| (finding.severity, finding.span));
}

/// How many findings of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The policy cannot be used.
    pub errors: usize,
    /// It probably does not say what was meant.
    pub warnings: usize,
    /// Worth knowing.
    pub notes: usize,
}

impl Tally {
    /// Counts findings.
    pub fn of(findings: &[Diagnostic]) -> Self {
        findings.iter().fold(Self::default(), |mut tally, finding| {
            match finding.severity {
                Severity::Error => tally.errors += 1,
                Severity::Warning => tally.warnings += 1,
                Severity::Note => tally.notes += 1,
            }
            tally
        })
    }

    /// `2 errors, 1 warning`, coloured; what there is none of is left out.
    pub fn words(self) -> String {
        let mut parts = Vec::new();
        if self.errors > 0 {
            parts.push(format!("{BAD}{}{BAD:#}", count(self.errors, "error")));
        }
        if self.warnings > 0 {
            parts.push(format!("{CARE}{}{CARE:#}", count(self.warnings, "warning")));
        }
        if self.notes > 0 {
            parts.push(count(self.notes, "note"));
        }
        if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
    }
}

/// Draws findings in their order, at most [`FINDINGS_SHOWN_MAX`].
pub fn findings(source: &Source, findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(FINDINGS_SHOWN_MAX) {
        text.push_str(&one(source, finding));
        text.push_str("\n\n");
    }
    if let Some(more) = findings.len().checked_sub(FINDINGS_SHOWN_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "{STRONG}and {more} more{STRONG:#}; `segwall check --format json` shows them all\n");
    }
    text
}

/// Draws one finding.
pub fn one(source: &Source, finding: &Diagnostic) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(Escaped(&finding.message).to_string()).id(finding.code.0);
    let name = Escaped(source.name()).to_string();
    let mut group = Group::with_title(title);
    for place in places(source, finding) {
        let snippet = place.snippet(source);
        group = if place.whole_lines {
            group.element(snippet.path(name.clone()))
        } else {
            // The renderer would count columns from where the line was cut.
            let at = source.position(Span::new(place.marks[0].span.clone()).start);
            let origin = Origin::path(name.clone()).line(at.line as usize).char_column(at.column as usize);
            group.element(origin).element(snippet)
        };
    }
    if let Some(Witness::Packet(packet)) = &finding.witness {
        group = group.element(Level::NOTE.message(format!("for example {}", Escaped(&packet.words))));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(escaped_lines(help)));
    }
    Renderer::styled().decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group])
}

/// A stretch of the text, and what is marked in it.
struct Place {
    range: Range<usize>,
    whole_lines: bool,
    marks: Vec<Mark>,
}

struct Mark {
    kind: AnnotationKind,
    span: Range<usize>,
    label: String,
}

/// Where a finding is: one stretch while its places are near each other, the first one's first.
fn places(source: &Source, finding: &Diagnostic) -> Vec<Place> {
    let primary = std::iter::once((AnnotationKind::Primary, finding.span, finding.label.as_str()));
    let others = finding.labels.iter().map(|label| (AnnotationKind::Context, label.span, label.text.as_str()));
    let mut places: Vec<Place> = Vec::new();
    for (kind, span, label) in primary.chain(others) {
        let mut found = stretch(source.text(), span);
        found.marks.push(Mark { kind, label: escaped_lines(label), span: found.range.clone() });
        let mark = found.marks.last_mut().expect("just pushed");
        mark.span = clamp(source.text(), span, &found.range);
        let near = places.iter_mut().find(|place| {
            let joined = place.range.start.min(found.range.start)..place.range.end.max(found.range.end);
            place.range == found.range || (place.whole_lines && found.whole_lines && joined.len() <= STRETCH_BYTES_MAX)
        });
        match near {
            Some(place) => {
                place.range = place.range.start.min(found.range.start)..place.range.end.max(found.range.end);
                place.marks.append(&mut found.marks);
            }
            None => places.push(found),
        }
    }
    places
}

fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |at| from + at)
}

/// The part of a span that is shown.
fn clamp(text: &str, span: Span, shown: &Range<usize>) -> Range<usize> {
    let start = boundary(text, span.range().start).clamp(shown.start, shown.end);
    let end = boundary(text, span.range().end).clamp(start, shown.end);
    start..end
}

/// The lines of a span, or what is around it in a long line.
fn stretch(text: &str, span: Span) -> Place {
    let start = boundary(text, span.range().start);
    let mut end = boundary(text, span.range().end).max(start);
    if text[start..end].bytes().filter(|byte| *byte == b'\n').count() >= SPAN_LINES_MAX {
        end = line_end(text, start);
    }
    let mut first = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let mut last = line_end(text, if text[start..end].ends_with('\n') { end - 1 } else { end });
    let mut whole_lines = true;
    if start - first > LINE_BYTES_MAX {
        (first, whole_lines) = (boundary(text, start - AROUND_BYTES), false);
    }
    if last - start > LINE_BYTES_MAX {
        let shown_to = boundary(text, end.min(start + LINE_BYTES_MAX));
        (last, whole_lines) = (last.min(boundary(text, shown_to + AROUND_BYTES)), false);
    }
    Place { range: first..last, whole_lines, marks: Vec::new() }
}

impl Place {
    fn snippet<'a>(&self, source: &'a Source) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let line = source.line(Span::new(self.range.clone()).start) as usize;
        let marks = self.marks.iter().map(|mark| {
            let inside = mark.span.start - self.range.start..mark.span.end - self.range.start;
            mark.kind.span(inside).label((!mark.label.is_empty()).then(|| mark.label.clone()))
        });
        Snippet::source(&source.text()[self.range.clone()]).line_start(line).annotations(marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segwall_core::diag::Code;

    fn drawn(text: &str, finding: &Diagnostic) -> String {
        anstream::adapter::strip_str(&one(&Source::new("x.toml", text), finding)).to_string()
    }

    fn at(text: &str, needle: &str) -> Span {
        let start = text.find(needle).unwrap();
        Span::new(start..start + needle.len())
    }

    #[test]
    fn two_places_and_help() {
        let text = "a = 1\nfrom = \"x\"\n\n\n\n\n\nb = 2\n";
        let finding = Diagnostic::error(Code("SW0001"), at(text, "x"), "unknown name `x`")
            .label("not defined")
            .also(at(text, "b"), "did you mean this?")
            .help("write `b`");
        let expected = "\
error[SW0001]: unknown name `x`
 --> x.toml:2:9
  |
2 | from = \"x\"
  |         ^ not defined
...
8 | b = 2
  | - did you mean this?
  |
  = help: write `b`";
        assert_eq!(drawn(text, &finding), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_its_column_is_true() {
        let text = format!("a = \"{}\"; bad; {}\n", "é".repeat(50_000), "z".repeat(50_000));
        let finding = Diagnostic::warning(Code("SW0001"), at(&text, "bad"), "wrong");
        let drawn = drawn(&text, &finding);
        assert!(drawn.contains("x.toml:1:50009"), "{drawn}");
        assert!(drawn.contains("^^^"), "{drawn}");
        assert!(drawn.len() < 1000, "{drawn}");
    }

    #[test]
    fn places_far_apart_are_two_stretches() {
        let text = format!("one\n{}two\n", "x\n".repeat(40_000));
        let finding = Diagnostic::error(Code("SW0001"), at(&text, "two"), "twice").also(at(&text, "one"), "first here");
        let drawn = drawn(&text, &finding);
        assert!(drawn.contains("x.toml:40002:1") && drawn.contains("x.toml:1:1"), "{drawn}");
    }

    #[test]
    fn spans_at_and_past_the_end_are_drawn() {
        for text in ["", "a", "a\n", "é"] {
            for (start, end) in [(0, 0), (text.len(), text.len()), (text.len(), text.len() + 1), (1, 9)] {
                let finding = Diagnostic::error(Code("SW0001"), Span::new(start..end), "here");
                assert!(drawn(text, &finding).contains("x.toml:"), "{text:?} {start} {end}");
            }
        }
    }

    #[test]
    fn control_characters_do_nothing() {
        let text = "a = \"\u{1b}[31m\"\n";
        let finding =
            Diagnostic::error(Code("SW0001"), at(text, "a"), "what \u{1b}[2J").label("\u{7}").help("\u{1b}c\nsecond");
        let drawn = one(&Source::new("\u{1b}x", text), &finding);
        let ours = anstream::adapter::strip_str(&drawn).to_string();
        assert!(!ours.contains('\u{1b}') && !ours.contains('\u{7}'), "{ours:?}");
        assert!(ours.contains("what \\u{1b}[2J") && ours.contains("\\u{1b}c"), "{ours}");
    }

    #[test]
    fn after_a_hundred_it_says_how_many_more() {
        let source = Source::new("x", "a");
        let many = vec![Diagnostic::error(Code("SW0001"), Span::new(0..1), "here"); FINDINGS_SHOWN_MAX + 1];
        let text = findings(&source, &many);
        assert_eq!(text.matches("SW0001").count(), FINDINGS_SHOWN_MAX);
        assert!(anstream::adapter::strip_str(&text).to_string().contains("and 1 more;"), "{text}");
        assert!(!findings(&source, &many[1..]).contains("more"));
    }
}
