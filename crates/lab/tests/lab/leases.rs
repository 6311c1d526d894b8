//! A client in every segment asks the real DHCP server for a lease, through the rules.

use segwall_core::ruleset::{At, Ruleset};
use segwall_host::dnsmasq;
use segwall_lab::{DhcpReport, Options, emit_nft};

use crate::common::{example, load, options, words};
use crate::harness::{self, Case};

pub const ALL: &[Case] = &[
    ("every_segment_of_the_tutorial_is_given_what_the_policy_says", every_segment_of_the_tutorial),
    ("rules_that_keep_dhcp_out_are_noticed", rules_that_keep_dhcp_out_are_noticed),
];

const ONE: &str = r#"
[segments.only]
interface = "only0"
subnets = ["192.168.20.0/24"]
dhcp = { pool = "192.168.20.100-192.168.20.120", dns = ["192.168.20.1"], ntp = ["gateway"], domain = "example.org", lease = "30m", options = { 26 = "1400" } }
"#;

/// Whether there is a server to ask; else it is said, and is a failure where everything must run.
fn has_server(test: &str) -> bool {
    if dnsmasq::is_installed() {
        return true;
    }
    assert!(!harness::must_run(), "{test}: dnsmasq is not installed");
    println!("SKIPPED {test}: dnsmasq is not installed");
    false
}

fn leases(name: &str, text: &str, emit: &dyn Fn(&Ruleset, At) -> Vec<String>) -> DhcpReport {
    let (policy, ruleset) = load(name, text);
    let options = Options { leases: true, ..options() };
    segwall_lab::run(&policy, &ruleset, emit, &options, &mut |_| {})
        .unwrap_or_else(|error| panic!("{}", words(&error)))
        .dhcp
}

fn every_segment_of_the_tutorial() {
    if !has_server("every_segment_of_the_tutorial_is_given_what_the_policy_says") {
        return;
    }
    let report = leases("tutorial.toml", &example("tutorial.toml"), &emit_nft);
    assert_eq!(report.differences, [""; 0]);
    assert_eq!(report.asked, ["dmz", "internal", "server", "management", "guest"]);
    let report = leases("one.toml", ONE, &emit_nft);
    assert_eq!((report.differences, report.asked), (Vec::new(), vec!["only".to_owned()]));
}

fn rules_that_keep_dhcp_out_are_noticed() {
    if !has_server("rules_that_keep_dhcp_out_are_noticed") {
        return;
    }
    let closed = |ruleset: &Ruleset, at: At| {
        let mut texts = emit_nft(ruleset, at);
        texts.push("insert rule inet segwall input udp dport 67 drop\n".to_owned());
        texts
    };
    let report = leases("one.toml", ONE, &closed);
    assert_eq!(report.differences, ["only: no server answered"]);
}
