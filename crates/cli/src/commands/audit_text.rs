//! The answer of `segwall audit` for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use segwall_core::analysis::foreign::Audit;

use super::audit::{Data, rules_of, tally};
use crate::draw;
use crate::foreign::Rules;
use crate::out::{CARE, STRONG};
use crate::text::{Escaped, count};

/// Findings of one code that are shown; the rest is counted.
const SHOWN_PER_CODE_MAX: usize = 10;
/// Lines of what was read as "perhaps".
const APPROXIMATED_SHOWN_MAX: usize = 20;

/// The whole answer.
pub fn text(files: &[Rules], audit: &Audit, data: &Data, denied: bool) -> String {
    let mut text = String::new();
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for found in &audit.findings {
        let count = shown.entry(found.diagnostic.code.0).or_default();
        *count += 1;
        if *count <= SHOWN_PER_CODE_MAX {
            text.push_str(&draw::one(&files[found.file].source, &found.diagnostic));
            text.push_str("\n\n");
        }
    }
    for (code, number) in shown {
        let more = audit.more.iter().find(|(known, _)| known.0 == code).map_or(0, |(_, more)| *more);
        if let Some(left) = (number + more).checked_sub(SHOWN_PER_CODE_MAX).filter(|left| *left > 0) {
            let _ = writeln!(text, "{STRONG}and {left} more of {code}{STRONG:#}; `--format json` shows them\n");
        }
    }
    approximated(data, &mut text);
    let names: Vec<String> = files.iter().map(|file| Escaped(file.source.name()).to_string()).collect();
    let rules: usize = files.iter().map(rules_of).sum();
    let denied = if denied { ", denied" } else { "" };
    let _ = writeln!(
        text,
        "{STRONG}{}{STRONG:#}: {}; {}{denied}",
        names.join(", "),
        count(rules, "rule"),
        // Where nothing could be read, nothing was found either.
        if rules == 0 && !data.not_understood.is_empty() { "no answer".to_owned() } else { tally(audit).words() }
    );
    text
}

/// What limits the answer.
fn approximated(data: &Data, text: &mut String) {
    if !data.not_understood.is_empty() {
        let _ = writeln!(text, "{CARE}not understood{CARE:#}:");
        for one in &data.not_understood {
            let _ = writeln!(text, "  {}:{}: {}", Escaped(&one.file), one.line, Escaped(&one.text));
        }
        text.push('\n');
    }
    if !data.approximated.is_empty() {
        let _ = writeln!(text, "read as \"may match\", {}:", count(data.approximated.len(), "use"));
        for one in data.approximated.iter().take(APPROXIMATED_SHOWN_MAX) {
            let line = one.line.map_or_else(String::new, |line| format!(":{line}"));
            let _ = writeln!(text, "  {}{line}: {} ({})", Escaped(&one.file), Escaped(&one.text), one.why);
        }
        if let Some(left) = data.approximated.len().checked_sub(APPROXIMATED_SHOWN_MAX).filter(|left| *left > 0) {
            let _ = writeln!(text, "  and {left} more; `--format json` shows them");
        }
        text.push('\n');
    }
    if !data.undecided.is_empty() {
        let codes = data.undecided.join(", ");
        let _ = writeln!(text, "{CARE}not looked for to the end{CARE:#}, too many packets to tell apart: {codes}\n");
    }
}
