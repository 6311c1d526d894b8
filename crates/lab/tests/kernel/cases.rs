//! The tests.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;
use segwall_core::testing::scale_policy;
use segwall_lab::{Command, Emit, Options, Report, emit_nft};

pub const ALL: &[(&str, fn())] = &[
    ("the_tutorial_has_no_differences", the_tutorial_has_no_differences),
    ("commands_in_hosts_reach_what_the_policy_says", commands_in_hosts_reach_what_the_policy_says),
    ("tiny_networks_have_no_differences", tiny_networks_have_no_differences),
    ("two_hundred_segments_are_probed_within_a_minute", two_hundred_segments_are_probed_within_a_minute),
    ("the_branch_office_has_no_differences", the_branch_office_has_no_differences),
];

fn load(name: &str, text: &str) -> (Policy, Ruleset) {
    let source = Source::new(name, text);
    let context = Context { today: Timestamp::now().to_zoned(TimeZone::UTC).date(), timezone: TimeZone::UTC };
    let loaded = policy::load(&source, &context);
    let policy = loaded.policy.unwrap_or_else(|| panic!("{name}: {:#?}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    (policy, ruleset)
}

fn run(policy: &Policy, ruleset: &Ruleset, emit: &Emit<'_>) -> Report {
    let options = Options { now: Timestamp::now(), run: 0x5e9, seed: 7, leases: false };
    segwall_lab::run(policy, ruleset, emit, &options, &mut |_| {}).unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        panic!("{text}")
    })
}

fn show(report: &Report) {
    println!("{} probes {:?} skipped {} in {:.2}s", report.probes_total, report.probes, report.skipped, report.seconds);
    for note in &report.notes {
        println!("  {note}");
    }
    for difference in report.differences.iter().take(40) {
        println!("  {}", serde_json::to_string(difference).unwrap());
    }
}

fn the_tutorial_has_no_differences() {
    let (policy, ruleset) = load("tutorial.toml", include_str!("../../../../examples/tutorial.toml"));
    let report = run(&policy, &ruleset, &emit_nft);
    show(&report);
    assert_eq!(report.differences_total, 0);
}

fn the_branch_office_has_no_differences() {
    let (policy, ruleset) = load("branch.toml", include_str!("../../../../examples/branch.toml"));
    let report = run(&policy, &ruleset, &emit_nft);
    show(&report);
    assert_eq!(report.differences_total, 0);
}

fn two_hundred_segments_are_probed_within_a_minute() {
    let (policy, ruleset) = load("scale.toml", &scale_policy(200));
    let report = run(&policy, &ruleset, &emit_nft);
    show(&report);
    assert_eq!(report.differences_total, 0);
    assert!(report.seconds < 60.0, "{} s", report.seconds);
}

/// Runs a script in a host of the tutorial's lab: its exit code.
fn in_host(zone: &str, script: &str) -> i32 {
    let (policy, ruleset) = load("tutorial.toml", include_str!("../../../../examples/tutorial.toml"));
    let args = ["-c".into(), script.into()];
    let command = Command { zone, program: "bash".as_ref(), args: &args };
    let at = At::Instant(Timestamp::now());
    segwall_lab::shell(&policy, &ruleset, &emit_nft, at, &command, &mut |_| {}).unwrap()
}

fn commands_in_hosts_reach_what_the_policy_says() {
    // Reads the line that the other side says, or gives up after a second.
    let reaches = |zone: &str, addr: &str, port: u16, who: &str| {
        let script = format!(
            "exec 3<>/dev/tcp/{addr}/{port} && read -t 1 -u 3 line && test \"${{line#reached {who},}}\" != \"$line\""
        );
        in_host(zone, &format!("timeout 1.5 bash -c '{script}' 2>/dev/null")) == 0
    };
    assert!(reaches("internal", "192.168.30.77", 3306, "server"));
    assert!(!reaches("internal", "192.168.30.77", 22, "server"));
    assert!(!reaches("guest", "192.168.30.77", 3306, "server"));
    assert!(reaches("guest", "8.8.8.8", 443, "internet"));
    assert!(reaches("management", "192.168.200.60", 22, "guest"));
    assert_eq!(in_host("dmz", "exit 42"), 42);
    let error = place_error("nowhere");
    assert!(error.contains("dmz, internal, server, management, guest, internet, gateway"), "{error}");
}

fn place_error(zone: &str) -> String {
    let (policy, ruleset) = load("tutorial.toml", include_str!("../../../../examples/tutorial.toml"));
    let command = Command { zone, program: "true".as_ref(), args: &[] };
    let at = At::Instant(Timestamp::now());
    segwall_lab::shell(&policy, &ruleset, &emit_nft, at, &command, &mut |_| {}).unwrap_err().to_string()
}

/// Networks with hardly an address, no uplink, a segment untagged on the trunk, one without IPv4.
fn tiny_networks_have_no_differences() {
    let text = r#"
[gateway]
trunk = "eth0"

[segments.native]
interface = "eth0"
subnets = ["10.0.0.0/30", "fd00::/126"]

[segments.pair]
vlan = 2
subnets = ["10.0.0.4/31"]

[segments.six]
vlan = 3
subnets = ["fd00:6::/127"]

[segments.wide]
vlan = 4094
subnets = ["10.1.0.0/16", "10.2.0.0/24", "fd00:7::/48"]
routes = [{ to = "10.3.0.0/16", via = "10.1.0.2" }]

[[accept]]
from = "native"
to = "segments"
service = ["tcp/1-65535", "ping"]

[[accept]]
from = "wide"
to = "wide"
service = ["ssh", "udp/1", "esp", "gre", "sctp/65535", "udplite/5", "dccp/7"]

[[accept]]
from = ["pair", "six"]
to = "gateway"
service = "ssh"

[[reject]]
from = "six"
to = "wide"
"#;
    let (policy, ruleset) = load("tiny.toml", text);
    let report = run(&policy, &ruleset, &emit_nft);
    show(&report);
    assert_eq!(report.differences_total, 0);
}
