//! What a run of the lab found, for people: declared against seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use segwall_core::analysis;
use segwall_core::ruleset::At;
use segwall_lab::{DhcpReport, Difference, FlowText, ProofReport, Report, Tried};

use super::grid::{self, Mark};
use crate::draw::FINDINGS_SHOWN_MAX;
use crate::load::Checked;
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
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
    proof(&mut text, &report.proof, checked.source.name());
    for note in &report.notes {
        let _ = writeln!(text, "{QUIET}note: {note}{QUIET:#}");
    }
    if report.skipped > 0 {
        let _ = writeln!(text, "note: {} combinations were left out by chance; --seed chooses others", report.skipped);
    }
    dhcp(&mut text, &report.dhcp);
    let mut kinds: Vec<(&&str, &u64)> = report.probes.iter().collect();
    kinds.sort_by_key(|(kind, number)| (std::cmp::Reverse(**number), **kind));
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let _ = writeln!(text, "{} probes: {}", report.probes_total, kinds.join(", "));
    let number = usize::try_from(report.differences_total).unwrap_or(usize::MAX);
    let style = if number == 0 { GOOD } else { BAD };
    let _ = writeln!(text, "{style}{}{style:#}", count(number, "difference"));
    text
}

/// What a client in each segment was given.
fn dhcp(text: &mut String, dhcp: &DhcpReport) {
    for one in &dhcp.differences {
        let _ = writeln!(text, "{BAD}lease{BAD:#}: {}", Escaped(one));
    }
    if let Some(why) = &dhcp.skipped {
        let _ = writeln!(text, "{CARE}DHCP was not asked{CARE:#}: {why}");
    } else if !dhcp.asked.is_empty() {
        let (asked, found) = (count(dhcp.asked.len(), "segment"), count(dhcp.differences.len(), "difference"));
        let _ = writeln!(text, "DHCP: {asked} asked, {found}");
    }
}

/// What was loaded, for every packet: before any was sent.
fn proof(text: &mut String, proof: &ProofReport, file: &str) {
    for one in proof.refuted.iter().take(FINDINGS_SHOWN_MAX) {
        let variant = if one.variant.is_empty() { String::new() } else { format!(", {}", one.variant) };
        let _ = writeln!(text, "{BAD}refuted{BAD:#} ({}{variant}): {}", one.hook, one.packet);
        let _ = match one.line {
            Some(line) => writeln!(text, "  declared: {} --> {}:{line}", one.declared, Escaped(file)),
            None => writeln!(text, "  declared: {}", one.declared),
        };
        let _ = writeln!(text, "  loaded:   {}", one.found);
        let _ = match &one.kernel {
            Tried::Confirmed => writeln!(text, "  kernel:   the same, when this packet was sent\n"),
            Tried::Contradicted(how) => writeln!(text, "  kernel:   otherwise: {how}\n"),
            Tried::Unsent(why) => writeln!(text, "  kernel:   not sent: {why}\n"),
        };
    }
    for why in &proof.undetermined {
        let _ = writeln!(text, "undetermined: {}", Escaped(why));
    }
    if proof.is_proved() {
        let _ = writeln!(
            text,
            "{GOOD}proved{GOOD:#}: what the kernel holds is what the policy says, for every packet ({})",
            count(proof.proved as usize, "load")
        );
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use segwall_core::policy::{self, Context};
    use segwall_core::ruleset;
    use segwall_core::source::Source;
    use segwall_lab::PairReport;
    use segwall_packetset::{Flow, Header, Place, proto};

    const POLICY: &str = "[segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/24\"]\n\n\
                          [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.0.1.0/24\"]\n\n\
                          [[accept]]\nfrom = \"a\"\nto = \"b\"\nservice = \"https\"\n";

    fn checked() -> Checked {
        let source = Source::new("test.toml", POLICY);
        let context = Context { today: jiff::civil::date(2026, 1, 1), timezone: TimeZone::UTC };
        let policy = policy::load(&source, &context).policy.expect("sound");
        let ruleset = ruleset::lower(&policy, &source, &TimeZone::UTC);
        Checked { source, policy, ruleset, findings: Vec::new() }
    }

    fn difference() -> Difference {
        let addr = |text: &str| text.parse().expect("an address");
        Difference {
            group: "classes",
            flow_text: FlowText {
                input: "a".to_owned(),
                output: "b".to_owned(),
                proto: "tcp".to_owned(),
                src: "10.0.0.9".to_owned(),
                dst: "10.0.1.9".to_owned(),
                sport: None,
                dport: Some(443),
                icmp_type: None,
                icmp_code: None,
                sent: None,
                flags: None,
            },
            flow: Flow {
                input: Place::Elsewhere,
                output: Place::Elsewhere,
                proto: proto::TCP,
                src: addr("10.0.0.9"),
                dst: addr("10.0.1.9"),
                header: Header::Ports { sport: 1, dport: 443 },
                sent: None,
            },
            declared: "accept",
            reason: "rule",
            line: Some(9),
            seen: "dropped".to_owned(),
            variant: "",
        }
    }

    #[test]
    fn a_difference_shows_flow_declared_seen_and_the_line() {
        let report = Report {
            pairs: vec![PairReport {
                from: "a".to_owned(),
                to: "b".to_owned(),
                services: Vec::new(),
                probes: 7,
                differences: 2,
            }],
            probes: BTreeMap::from([("classes", 7)]),
            probes_total: 7,
            skipped: 0,
            dhcp: DhcpReport::default(),
            differences_total: 2,
            differences: vec![difference()],
            proof: ProofReport::default(),
            notes: Vec::new(),
            seconds: 0.0,
        };
        let text = super::text(&checked(), &report, Timestamp::UNIX_EPOCH);
        let text = anstream::adapter::strip_str(&text).to_string();
        let expected = "\
difference (classes): tcp from a 10.0.0.9 to b 10.0.1.9 port 443
  declared: accept --> test.toml:9
  seen:     dropped

and 1 more;";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("✗ 2 of 7"), "{text}");
        assert!(text.ends_with("\n2 differences\n"), "{text}");
    }
}
