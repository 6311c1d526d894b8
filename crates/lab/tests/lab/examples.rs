//! Every example without a difference, and what the tutorial promises.

use std::collections::BTreeSet;

use segwall_lab::{PairReport, Report, emit_nft};

use crate::common::{example, examples, load, run, text};
use crate::harness::Case;

pub const ALL: &[Case] = &[
    ("examples_have_no_differences", examples_have_no_differences),
    ("tutorial_keeps_its_promises", tutorial_keeps_its_promises),
];

fn examples_have_no_differences() {
    let names = examples();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let (policy, ruleset) = load(&name, &example(&name));
        let report = run(&policy, &ruleset, &emit_nft);
        println!("{name}: {} probes in {:.2}s", report.probes_total, report.seconds);
        assert_eq!(report.differences_total, 0, "{name}: {}", text(&report));
        assert_eq!(report.skipped, 0, "{name}: combinations were left out");
    }
}

/// The report of the tutorial's lab, asked by pair.
struct Seen(Report);

impl Seen {
    fn pair(&self, from: &str, to: &str) -> &PairReport {
        let pair = self.0.pairs.iter().find(|pair| pair.from == from && pair.to == to);
        pair.unwrap_or_else(|| panic!("{from} to {to} was not probed"))
    }

    /// Services of which at least one packet arrived.
    fn reached(&self, from: &str, to: &str) -> BTreeSet<&str> {
        let pair = self.pair(from, to);
        assert!(pair.probes > 4, "{from} to {to} has {} probes", pair.probes);
        let arrived = pair.services.iter().filter(|service| service.seen == "accept" || service.seen == "some");
        arrived.map(|service| service.service.as_str()).collect()
    }

    /// What of a service was seen.
    fn seen(&self, from: &str, to: &str, service: &str) -> &str {
        let pair = self.pair(from, to);
        let found = pair.services.iter().find(|one| one.service == service);
        found.unwrap_or_else(|| panic!("{from} to {to}: {service} was not probed: {:?}", pair.services)).seen
    }

    #[track_caller]
    fn reaches_only(&self, from: &str, to: &str, services: &[&str]) {
        assert_eq!(self.reached(from, to), services.iter().copied().collect(), "{from} to {to}");
    }

    #[track_caller]
    fn reaches_all(&self, from: &str, to: &str) {
        let pair = self.pair(from, to);
        for service in &pair.services {
            // ICMP that opens no connection is dropped by its state, whoever sends it.
            if service.service != "other icmp" {
                assert_eq!(service.seen, "accept", "{from} to {to}: {}", service.service);
            }
        }
        assert!(["other tcp", "other udp"].iter().all(|other| pair.services.iter().any(|one| one.service == *other)));
    }
}

const SEGMENTS: [&str; 5] = ["dmz", "internal", "server", "management", "guest"];

fn tutorial_keeps_its_promises() {
    let (policy, ruleset) = load("tutorial.toml", &example("tutorial.toml"));
    let report = run(&policy, &ruleset, &emit_nft);
    assert_eq!(report.differences_total, 0, "{}", text(&report));
    let seen = Seen(report);

    // The internet reaches the DMZ by the port forwards of the box's address alone, internal directly; both on 80 and
    // 443 only, and internal may ping.
    seen.reaches_only("internet", "dmz", &[]);
    // The provider's DHCP server answers the box on udp/68.
    seen.reaches_only("internet", "gateway", &["tcp/80", "tcp/443", "udp/68"]);
    seen.reaches_only("internal", "dmz", &["tcp/80", "tcp/443", "icmp/8"]);
    // Databases of the servers, and of all of them the resolver alone on 53.
    seen.reaches_only("internal", "server", &["tcp/53", "udp/53", "tcp/3306", "tcp/5432"]);
    assert_eq!(seen.seen("internal", "server", "tcp/3306"), "accept");
    assert_eq!(seen.seen("internal", "server", "tcp/5432"), "accept");
    assert_eq!(seen.seen("internal", "server", "udp/53"), "some", "the resolver alone");
    assert_eq!(seen.seen("internal", "server", "tcp/53"), "some", "the resolver alone");
    for to in SEGMENTS.into_iter().filter(|to| *to != "management").chain(["internet"]) {
        seen.reaches_all("management", to);
    }
    // SSH to the box from management only.
    assert!(seen.reached("management", "gateway").contains("tcp/22"));
    for from in SEGMENTS.into_iter().filter(|from| *from != "management").chain(["internet"]) {
        let reached = seen.reached(from, "gateway");
        assert!(!reached.contains("tcp/22") && !reached.contains("other tcp"), "{from}: {reached:?}");
    }
    for from in ["guest", "dmz"] {
        for to in ["server", "internal", "management"] {
            seen.reaches_only(from, to, &[]);
        }
    }
    // Out through masquerade: the lab compares the source of all that arrives, and these sources are private.
    for from in ["internal", "guest", "management"] {
        seen.reaches_all(from, "internet");
    }
    for from in ["dmz", "server"] {
        seen.reaches_only(from, "internet", &["tcp/53", "udp/53", "tcp/80", "tcp/443", "udp/123"]);
    }
    for to in SEGMENTS {
        seen.reaches_only("internet", to, &[]);
    }
}
