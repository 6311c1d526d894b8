//! Places in the text: inside it, and not through the middle of a character.

use segwall_core::diag::Diagnostic;
use segwall_core::netfilter::{Note, Program};
use segwall_core::source::{Source, Span};

pub fn of_program(source: &Source, program: &Program) {
    let rules = program.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    rules
        .filter_map(|rule| rule.span)
        .chain(program.notes.iter().map(|note| note.span))
        .for_each(|it| is_in(source, it));
}

pub fn of_diagnostics(source: &Source, diagnostics: &[Diagnostic]) {
    for found in diagnostics {
        assert!(!found.message.is_empty(), "{found:?}");
        is_in(source, found.span);
        found.labels.iter().for_each(|label| is_in(source, label.span));
    }
}

pub fn of_notes(source: &Source, notes: &[Note]) {
    notes.iter().for_each(|note| is_in(source, note.span));
}

fn is_in(source: &Source, span: Span) {
    assert!(span.start <= span.end && source.text().get(span.range()).is_some(), "{span:?} is no place in the text");
}
