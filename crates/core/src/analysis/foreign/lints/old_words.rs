//! SW0920: words that iptables takes for the sake of old scripts.

use std::collections::BTreeSet;

use segwall_packetset::GaveUp;

use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::{Diagnostic, Severity};
use crate::source::Span;

/// An option and its old value, what to say of it, and what to write instead.
const OLD: &[(&[&str], &str, &str, &str)] = &[
    (
        &["-m", "--match"],
        "state",
        "`-m state` is an old name that iptables turns into `-m conntrack`",
        "write `-m conntrack --ctstate …`",
    ),
    (&["-j", "--jump"], "NOTRACK", "`NOTRACK` is an old name of `CT --notrack`", "write `-j CT --notrack`"),
    (&["-j", "--jump"], "ULOG", "kernels since 3.17 have no `ULOG`", "write `-j NFLOG --nflog-group 1`"),
];
/// Other places that are pointed at.
const LABELS_MAX: usize = 3;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for (file, rules) in view.rules.iter().enumerate() {
        let chains = rules.program.tables.iter().flat_map(|table| &table.chains);
        // A call with several addresses is several rules at one place.
        let calls: BTreeSet<Span> = chains.flat_map(|chain| &chain.rules).filter_map(|rule| rule.span).collect();
        for (options, value, message, help) in OLD {
            let places: Vec<Span> =
                calls.iter().filter_map(|call| word_behind(rules.source.slice(*call), *call, options, value)).collect();
            let Some((first, others)) = places.split_first() else { continue };
            let mut diagnostic = Diagnostic::new(codes::OLD_WORDS, Severity::Note, *first, *message).help(*help);
            for span in others.iter().take(LABELS_MAX) {
                diagnostic = diagnostic.also(*span, "here too");
            }
            if others.len() > LABELS_MAX
                && let Some(last) = diagnostic.labels.last_mut()
            {
                last.text = format!("here too, and {} times more", others.len() - LABELS_MAX);
            }
            found.push(Found { file, diagnostic });
        }
    }
    Ok(())
}

/// A word that stands behind an option in a call.
fn word_behind(text: &str, call: Span, options: &[&str], value: &str) -> Option<Span> {
    let start = call.start as usize;
    let mut before = "";
    let mut at = 0;
    for word in text.split([' ', '\t']) {
        if word == value && options.contains(&before) {
            return Some(Span::new(start + at..start + at + word.len()));
        }
        if !word.is_empty() {
            before = word;
        }
        at += word.len() + 1;
    }
    None
}
