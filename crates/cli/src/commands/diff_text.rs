//! What changed, for people.

use std::fmt::Write;

use super::diff::{Data, Shape, Witness};
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count};

/// Boxes of one change that are shown; JSON has more.
const FLOWS_MAX: usize = 12;
/// Reasons that are shown.
const REASONS_MAX: usize = 20;

/// The whole answer.
pub fn text(data: &Data) -> String {
    let style = match data.answer {
        "equal" => GOOD,
        "undetermined" => CARE,
        _ => BAD,
    };
    let (before, after) = (Escaped(&data.before), Escaped(&data.after));
    let mut text = format!("{STRONG}{before} → {after}{STRONG:#}: {style}{}{style:#}{}\n", data.answer, tally(data));
    for change in &data.changes {
        one(change, &mut text);
    }
    if !data.reasons.is_empty() {
        let _ = writeln!(text, "\n{CARE}not decided{CARE:#}, {}:", count(data.reasons.len(), "reason"));
        for reason in data.reasons.iter().take(REASONS_MAX) {
            let _ = writeln!(text, "  {}", Escaped(reason));
        }
        if data.reasons.len() > REASONS_MAX {
            let _ = writeln!(text, "  and {} more", data.reasons.len() - REASONS_MAX);
        }
    }
    let _ = writeln!(text, "\n{QUIET}not compared: {}{QUIET:#}", data.not_covered.join("; "));
    text
}

/// How many changes of each kind.
fn tally(data: &Data) -> String {
    let of = |kind: &str| data.changes.iter().filter(|change| change.kind == kind).count();
    let mut words = Vec::new();
    for (kind, word) in [("opens", "open"), ("closes", "close")] {
        if of(kind) > 0 {
            words.push(format!("{} {word}", of(kind)));
        }
    }
    let other = data.changes.len() - of("opens") - of("closes");
    if other > 0 {
        words.push(format!("{other} otherwise"));
    }
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn one(change: &Shape, text: &mut String) {
    let style = match change.kind {
        "opens" => GOOD,
        "closes" => BAD,
        _ => CARE,
    };
    let kind = match change.kind {
        "answer" => "another answer to what is refused",
        "limit" => "another limit",
        "message" => "another message",
        "translation" => "another translation",
        kind => kind,
    };
    let (before, after) = (Escaped(&change.before), Escaped(&change.after));
    let _ = write!(text, "\n{style}{kind}{style:#}, {}: {before} → {after}", change.hook);
    if let Some(from) = &change.from {
        let _ = write!(text, ", from {from}");
    }
    text.push('\n');
    let shown = &change.flows[..change.flows.len().min(FLOWS_MAX)];
    for (at, flow) in shown.iter().enumerate() {
        let _ = writeln!(text, "  {}", Escaped(&flow.words));
        // What decides about several boxes is said once, below the last of them.
        let next = shown.get(at + 1).and_then(|next| next.witness.as_ref());
        match &flow.witness {
            Some(witness) if next.is_none_or(|next| deciders(next) != deciders(witness)) => decided(witness, text),
            Some(_) | None => {}
        }
    }
    let left = change.flows.len().saturating_sub(FLOWS_MAX) + change.more_flows;
    match (left, change.uncounted) {
        (0, false) => {}
        (left, false) => {
            let _ = writeln!(text, "  and {left} more");
        }
        (left, true) => {
            let _ = writeln!(text, "  and more than {left} more");
        }
    }
    if change.partly {
        text.push_str(
            "  of these only some: it also depends on what is not shown (source port, kind of address, MAC)\n",
        );
    }
}

/// The rules that decide: the last one that a packet meets, on each side.
fn deciders(witness: &Witness) -> [Option<&String>; 2] {
    [witness.before_by.first(), witness.after_by.first()]
}

fn decided(witness: &Witness, text: &mut String) {
    let _ = writeln!(text, "      such as: {}", Escaped(&witness.packet));
    for (word, by) in ["before:", "after: "].into_iter().zip(deciders(witness)) {
        if let Some(by) = by {
            let _ = writeln!(text, "      {word}  {}", Escaped(by));
        }
    }
}
