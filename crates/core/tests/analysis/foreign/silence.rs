//! What comes close to a finding and is right, or not certain.

use segwall_core::analysis::foreign::{Audit, Rules, audit, codes};
use segwall_core::diag::{Code, Severity};
use segwall_core::netfilter::{TableFamily, read_iptables_save, read_iptables_script};
use segwall_core::source::Source;
use segwall_packetset::Space;

use super::audited;

fn has(audit: &Audit, code: Code) -> bool {
    audit.findings.iter().any(|found| found.diagnostic.code == code)
}

fn filter(rules: &str) -> Audit {
    let text = format!("*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n:LOGDROP -\n{rules}\nCOMMIT\n");
    audited("iptables-save", &text, None)
}

fn script(text: &str) -> Audit {
    let source = Source::new("rules.sh", text);
    let program = read_iptables_script(&source);
    audit(&mut Space::default(), &[Rules { source: &source, program: &program }], None)
}

#[test]
fn a_limit_anywhere_on_the_way_limits_a_log() {
    let jump = |limit: &str| format!("-A FORWARD {limit} -j LOGDROP\n-A LOGDROP -j LOG\n-A LOGDROP -j DROP");
    assert!(has(&filter(&jump("")), codes::LOG_UNLIMITED));
    assert!(!has(&filter(&jump("-m limit --limit 5/second")), codes::LOG_UNLIMITED));
    // Beyond the limit it is dropped before it comes to the log.
    let before = "-A FORWARD -m limit --limit 5/second -j LOGDROP\n-A FORWARD -j DROP\n-A LOGDROP -j LOG";
    assert!(!has(&filter(before), codes::LOG_UNLIMITED));
    // Who is on a list, and is not logged, is not known.
    assert!(!has(&filter("-A FORWARD -m recent --name x --rcheck -j LOG"), codes::LOG_UNLIMITED));
    assert!(!has(&filter("-A FORWARD -j NFLOG --nflog-group 1"), codes::LOG_UNLIMITED));
}

#[test]
fn an_address_that_is_tied_to_its_interface_is_no_finding() {
    let accept = "-A FORWARD -s 10.1.0.0/24 -p tcp --dport 22 -j ACCEPT";
    assert!(has(&filter(accept), codes::BY_SOURCE));
    let tied = "-A FORWARD -s 10.1.0.0/24 ! -i eth1 -j DROP";
    assert!(!has(&filter(&format!("{tied}\n{accept}")), codes::BY_SOURCE));
    // Tied in the chain before.
    let chain = "-A FORWARD -i eth1 -j LOGDROP\n-A LOGDROP -s 10.1.0.0/24 -p tcp --dport 22 -j ACCEPT";
    assert!(!has(&filter(chain), codes::BY_SOURCE));
    // Somebody on the internet is known by no interface of ours.
    assert!(!has(&filter("-A INPUT -s 198.51.100.7 -p tcp --dport 22 -j ACCEPT"), codes::BY_SOURCE));
}

#[test]
fn a_chain_that_ends_with_a_refusal_is_not_open() {
    let text = |last: &str| {
        format!(
            "*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -i eth1 -o eth2 -j ACCEPT\n{last}COMMIT\n"
        )
    };
    assert!(has(&audited("iptables-save", &text(""), None), codes::DEFAULT_OPEN));
    for last in ["-A FORWARD -j REJECT\n", "-A FORWARD -m conntrack --ctstate NEW,INVALID,UNTRACKED -j DROP\n"] {
        assert!(!has(&audited("iptables-save", &text(last), None), codes::DEFAULT_OPEN), "{last}");
    }
}

#[test]
fn a_drop_of_which_something_is_logged_is_no_silent_drop() {
    let rules = |first: &str| format!("{first}-A FORWARD -s 10.1.0.0/24 -d 10.2.0.0/24 -j DROP\n-A FORWARD -j LOG");
    assert!(has(&filter(&rules("")), codes::UNLOGGED));
    assert!(!has(&filter(&rules("-A FORWARD -s 10.1.0.0/24 -j LOG\n")), codes::UNLOGGED));
}

#[test]
fn both_files_together_know_both_families() {
    let rules = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\nCOMMIT\n";
    let (four, six) = (Source::new("rules.v4", rules), Source::new("rules.v6", rules));
    let (v4, v6) = (read_iptables_save(&four, TableFamily::Ip), read_iptables_save(&six, TableFamily::Ip6));
    let one = Rules { source: &four, program: &v4 };
    let other = Rules { source: &six, program: &v6 };
    assert!(has(&audit(&mut Space::default(), &[one], None), codes::FAMILY_MISSING));
    assert!(has(&audit(&mut Space::default(), &[other], None), codes::FAMILY_MISSING));
    assert!(!has(&audit(&mut Space::default(), &[one, other], None), codes::FAMILY_MISSING));
}

#[test]
fn scripts_that_look_at_failures_or_stay_shut() {
    let lines = "iptables -A FORWARD -i eth1 -j ACCEPT\niptables -A FORWARD -i eth2 -j ACCEPT\n";
    assert!(has(&script(&format!("iptables -P FORWARD DROP\n{lines}")), codes::GOES_ON));
    assert!(!has(&script(&format!("set -e\niptables -P FORWARD DROP\n{lines}")), codes::GOES_ON));
    assert!(!has(&script(&lines.replace("ACCEPT\n", "ACCEPT || exit 1\n")), codes::GOES_ON));
    let moment = |text: &str| {
        let audit = script(text);
        audit
            .findings
            .iter()
            .find(|found| found.diagnostic.code == codes::RULE_BY_RULE)
            .map(|found| found.diagnostic.message.clone())
    };
    let open = moment(&format!("iptables -F\niptables -P FORWARD DROP\n{lines}")).expect("a finding");
    assert!(open.contains("open or cut off"), "{open}");
    let shut = moment(&format!("iptables -P FORWARD DROP\niptables -F\n{lines}")).expect("a finding");
    assert!(!shut.contains("open"), "{shut}");
    assert_eq!(moment(&format!("iptables -P FORWARD DROP\n{lines}")), None, "nothing is taken out");
    // An own chain is emptied only.
    assert!(!has(&script("iptables -F MINE\niptables -A MINE -j DROP\n"), codes::WIPES_OTHERS));
}

#[test]
fn what_is_not_understood_makes_findings_notes() {
    let text = "#!/bin/sh\niptables -F\niptables -P FORWARD DROP\nfor a in 1 2; do iptables -A FORWARD -s 10.$a.0.0/16 -j DROP; done\n\
                iptables -A FORWARD -s 10.1.0.0/24 -j ACCEPT\n";
    let audit = script(text);
    let by_source = audit.findings.iter().find(|found| found.diagnostic.code == codes::BY_SOURCE).expect("found");
    assert_eq!(by_source.diagnostic.severity, Severity::Note);
    assert!(by_source.diagnostic.message.contains("rules.sh:4"), "{}", by_source.diagnostic.message);
    // What was there before may stand in front.
    let audit = script("iptables -P FORWARD DROP\niptables -A FORWARD -s 10.1.0.0/24 -j ACCEPT\n");
    let by_source = audit.findings.iter().find(|found| found.diagnostic.code == codes::BY_SOURCE).expect("found");
    assert!(by_source.diagnostic.message.contains("unless what was there before"), "{}", by_source.diagnostic.message);
    // And a policy that nobody sets is not known.
    assert!(!has(&script("iptables -F FORWARD\niptables -A FORWARD -i eth1 -j DROP\n"), codes::DEFAULT_OPEN));
}
