//! What a run of the lab found, for people: declared against seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use segwall_core::analysis;
use segwall_core::ruleset::At;
use segwall_lab::{Difference, FlowText, Report};

use super::grid::{self, Mark};
use crate::draw::FINDINGS_SHOWN_MAX;
use crate::load::Checked;
use crate::out::{BAD, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count};

/// The report.
pub fn text(checked: &Checked, report: &Report, now: Timestamp) -> String {
    let matrix = analysis::matrix(&checked.policy, &checked.ruleset, At::Instant(now));
    let pairs: BTreeMap<(&str, &str), (u64, u64)> =
        report.pairs.iter().map(|pair| ((&*pair.from, &*pair.to), (pair.probes, pair.differences))).collect();
    let mark = |from: &str, to: &str| {
        let (probes, differences) = *pairs.get(&(from, to))?;
        let bad = differences > 0;
        let text = if bad { format!("✗ {differences} of {probes}") } else { format!("✓ {probes}") };
        Some(Mark { text, bad })
    };
    let mut text = grid::draw(&matrix, &mark);
    text.push_str("✓ probes that were all seen as declared; ✗ probes that were seen otherwise\n\n");
    differences(&mut text, report, checked.source.name());
    for note in &report.notes {
        let _ = writeln!(text, "{QUIET}note: {note}{QUIET:#}");
    }
    if report.skipped > 0 {
        let _ = writeln!(text, "note: {} combinations were left out by chance; --seed chooses others", report.skipped);
    }
    let mut kinds: Vec<(&&str, &u64)> = report.probes.iter().collect();
    kinds.sort_by_key(|(kind, number)| (std::cmp::Reverse(**number), **kind));
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let _ = writeln!(text, "{} probes: {}", report.probes_total, kinds.join(", "));
    let number = usize::try_from(report.differences_total).unwrap_or(usize::MAX);
    let style = if number == 0 { GOOD } else { BAD };
    let _ = writeln!(text, "{style}{}{style:#}", count(number, "difference"));
    text
}

fn differences(text: &mut String, report: &Report, file: &str) {
    for difference in report.differences.iter().take(FINDINGS_SHOWN_MAX) {
        one(text, difference, file);
    }
    let shown = u64::try_from(report.differences.len().min(FINDINGS_SHOWN_MAX)).unwrap_or(u64::MAX);
    if report.differences_total > shown {
        let more = report.differences_total - shown;
        let _ =
            writeln!(text, "{STRONG}and {more} more{STRONG:#}; `segwall lab --format json` shows the first thousand\n");
    }
}

fn one(text: &mut String, difference: &Difference, file: &str) {
    let flow = &difference.flow_text;
    let variant = if difference.variant.is_empty() { String::new() } else { format!(", {}", difference.variant) };
    let _ = writeln!(text, "{BAD}difference{BAD:#} ({}{variant}): {}", difference.group, flow_words(flow));
    let _ = match difference.line {
        Some(line) => writeln!(text, "  declared: {} --> {}:{line}", difference.declared, Escaped(file)),
        None => writeln!(text, "  declared: {} ({})", difference.declared, difference.reason),
    };
    let _ = writeln!(text, "  seen:     {}\n", Escaped(&difference.seen));
}

/// `tcp from internal 192.168.20.50 to server 192.168.30.10 port 3306`.
fn flow_words(flow: &FlowText) -> String {
    let mut words = format!("{} from {} {} to {} {}", flow.proto, flow.input, flow.src, flow.output, flow.dst);
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(words, " {word} {value}");
        }
    };
    add("port", flow.dport.map(|port| port.to_string()));
    add("type", flow.icmp_type.map(|number| number.to_string()));
    add("code", flow.icmp_code.map(|number| number.to_string()));
    add("flags", flow.flags.clone());
    add("sent to", flow.sent.clone());
    words
}
