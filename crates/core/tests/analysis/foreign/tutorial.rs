//! The rules script of a well-known tutorial: what is wrong with it is found, with line and packet, and nothing else.

use std::collections::BTreeSet;

use segwall_core::analysis::foreign::{Audit, codes};
use segwall_core::diag::{Code, Diagnostic, Witness};
use segwall_core::import::read_interfaces;
use segwall_core::source::Source;
use segwall_packetset::Header;

use super::audited;

const RULES: &str = include_str!("../../netfilter/tutorial/rules.sh");
const INTERFACES: &str = include_str!("../../netfilter/tutorial/interfaces");

/// A finding, short: its code, its line, and the lines it points at.
fn short(source: &Source, finding: &Diagnostic) -> (&'static str, u32, Vec<u32>) {
    let line = |start| source.line(start);
    let others = finding.labels.iter().map(|label| line(label.span.start)).collect();
    (finding.code.0, line(finding.span.start), others)
}

fn shorts(audit: &Audit) -> Vec<(&'static str, u32, Vec<u32>)> {
    let source = Source::new("rules.sh", RULES);
    audit.findings.iter().map(|found| short(&source, &found.diagnostic)).collect()
}

#[test]
fn every_defect_is_found_and_nothing_else() {
    let audit = audited("sh", RULES, None);
    assert_eq!(audit.approximated, [], "everything in it is exact");
    let expected: &[(&str, u32, &[u32])] = &[
        // Emptied first, others' rules wiped, half made after a failing line.
        ("SW0916", 3, &[8, 47]),
        ("SW0917", 3, &[4, 5, 6]),
        // No rule for ICMP.
        ("SW0913", 8, &[]),
        ("SW0918", 8, &[47]),
        // No IPv6 rule.
        ("SW0902", 9, &[]),
        // The policy of OUTPUT accepts as well.
        ("SW0907", 13, &[]),
        // `-m state`.
        ("SW0920", 15, &[16]),
        // Management by its address alone, at every address of the box; INVALID; no limit.
        ("SW0901", 18, &[38]),
        ("SW0903", 18, &[]),
        ("SW0914", 18, &[21, 22, 25]),
        ("SW0915", 18, &[]),
        // HTTP "from anywhere".
        ("SW0908", 21, &[]),
        ("SW0908", 22, &[]),
        ("SW0901", 24, &[25]),
        // Port 53 to anywhere.
        ("SW0909", 24, &[]),
        ("SW0909", 25, &[]),
        // Dead: internal to the DMZ behind "from anywhere", the databases behind "everything".
        ("SW0905", 28, &[21]),
        ("SW0905", 29, &[22]),
        ("SW0901", 31, &[]),
        ("SW0905", 34, &[31]),
        ("SW0905", 35, &[31]),
        // Drops before the log; they repeat the policy; of the last one and of DNS a part was accepted.
        ("SW0904", 40, &[41, 42, 46]),
        ("SW0906", 40, &[24, 25]),
        ("SW0907", 40, &[]),
        ("SW0906", 41, &[24, 25]),
        ("SW0907", 41, &[]),
        ("SW0906", 42, &[21, 22]),
        ("SW0907", 42, &[]),
        // NAT on an interface that no filter rule names: only what is accepted to anywhere leaves there.
        ("SW0911", 44, &[24, 25, 38]),
        // Logs without a limit.
        ("SW0919", 46, &[]),
        ("SW0919", 47, &[]),
    ];
    let expected: Vec<_> = expected.iter().map(|(code, line, others)| (*code, *line, others.to_vec())).collect();
    assert_eq!(shorts(&audit), expected);
}

#[test]
fn what_a_packet_can_show_is_shown_by_one() {
    let audit = audited("sh", RULES, None);
    let without: BTreeSet<Code> = audit
        .findings
        .iter()
        .filter(|found| found.diagnostic.witness.is_none())
        .map(|found| found.diagnostic.code)
        .collect();
    // What the box tells itself shows nothing: the accept on the loopback interface.
    let expected = [codes::REDUNDANT, codes::WIPES_OTHERS, codes::GOES_ON, codes::OLD_WORDS];
    assert_eq!(without.into_iter().collect::<Vec<_>>(), expected);
    let witness = |code: Code, line: u32| {
        let source = Source::new("rules.sh", RULES);
        let found = audit
            .findings
            .iter()
            .find(|found| found.diagnostic.code == code && source.line(found.diagnostic.span.start) == line)
            .expect("found above");
        match &found.diagnostic.witness {
            Some(Witness::Packet(packet)) => packet.clone(),
            other => panic!("{other:?}"),
        }
    };
    // Management's address by the uplink, towards SSH.
    let packet = witness(codes::BY_SOURCE, 18);
    assert_eq!((packet.input.as_deref(), packet.output.as_deref()), (Some("eth1"), None));
    assert!(packet.packet.flow.src.to_string().starts_with("192.168.100."), "{}", packet.words);
    assert_eq!(packet.packet.flow.dport(), Some(22));
    // The box's address in another segment.
    let packet = witness(codes::ANY_OWN_ADDRESS, 18);
    assert!(!packet.packet.flow.dst.to_string().starts_with("192.168.100."), "{}", packet.words);
    // IPv6 from a neighbour.
    let packet = witness(codes::FAMILY_MISSING, 9);
    assert!(packet.packet.flow.src.is_ipv6(), "{}", packet.words);
    // Internal hosts on port 53.
    let packet = witness(codes::TO_ANYWHERE, 24);
    assert!(packet.packet.flow.dst.to_string().starts_with("192.168.20."), "{}", packet.words);
    // Not the address range it leads to, but another segment.
    let packet = witness(codes::FROM_ANYONE, 21);
    assert!(packet.packet.flow.src.to_string().starts_with("192.168.20."), "{}", packet.words);
    let packet = witness(codes::ICMP_UNNAMED, 8);
    assert_eq!(packet.packet.flow.header, Header::Icmp { kind: 8, code: 0 });
}

#[test]
fn with_its_interfaces_more_is_known() {
    let interfaces = read_interfaces(&Source::new("interfaces", INTERFACES)).behind();
    let audit = audited("sh", RULES, Some(&interfaces));
    let with: Vec<_> = shorts(&audit);
    let is_more = |one: &&(&str, u32, Vec<u32>)| matches!(one.0, "SW0912" | "SW0924");
    let more: Vec<_> = with.iter().filter(is_more).map(|(code, line, _)| (*code, *line)).collect();
    // eth1 is nowhere; each of the five interfaces takes addresses of the other segments.
    let spoofable: Vec<_> = audit
        .findings
        .iter()
        .filter(|found| found.diagnostic.code == codes::SPOOFABLE)
        .map(|found| found.diagnostic.message.split('`').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert!(more.contains(&("SW0912", 44)), "{more:?}");
    assert_eq!(spoofable.iter().collect::<BTreeSet<_>>().len(), 5, "{spoofable:?}");
    let others: Vec<_> = with.iter().filter(|one| !is_more(one)).map(|(code, line, _)| (*code, *line)).collect();
    let before: Vec<_> = shorts(&audited("sh", RULES, None)).iter().map(|(code, line, _)| (*code, *line)).collect();
    assert_eq!(others, before);
}
