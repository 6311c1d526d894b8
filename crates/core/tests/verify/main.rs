//! What a host is to try, and what its answers say.

use jiff::tz::TimeZone;
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;
use segwall_core::verify::{Expected, Judgement, Kind, List, Probe, Seen, default_source, judge, list};

fn tutorial() -> (Policy, Ruleset) {
    let source = Source::new("tutorial.toml", include_str!("../../../../examples/tutorial.toml"));
    let today = "2026-11-26".parse().expect("a constant");
    let policy = policy::load(&source, &Context { today, timezone: TimeZone::UTC }).policy.expect("sound");
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    (policy, ruleset)
}

fn of(name: &str) -> List {
    let (policy, ruleset) = tutorial();
    let segment = policy.segments.iter().find(|segment| segment.name == name).expect("there");
    let source = default_source(&policy, segment).expect("an address");
    list(&policy, &ruleset, segment, source, At::ClockUnknown, Some(3))
}

fn expected(list: &List, kind: Kind, to: &str, port: Option<u16>) -> Expected {
    let to = to.parse().expect("an address");
    let probe = list.probes.iter().find(|probe| (probe.kind, probe.to, probe.port) == (kind, to, port));
    probe.unwrap_or_else(|| panic!("{kind:?} to {to} {port:?}: {list:#?}")).expected
}

#[test]
fn the_tutorial_s_guests_and_employees() {
    let guest = of("guest");
    assert_eq!(guest.dhcp_server, Some("192.168.200.1".parse().expect("an address")));
    assert_eq!(expected(&guest, Kind::Tcp, "192.168.30.10", Some(3306)), Expected::Drop);
    assert_eq!(expected(&guest, Kind::Tcp, "192.168.10.10", Some(80)), Expected::Drop);
    assert_eq!(expected(&guest, Kind::Ping, "192.168.200.1", None), Expected::Accept);
    assert_eq!(expected(&guest, Kind::Tcp, "192.168.200.1", Some(22)), Expected::Drop);
    let internal = of("internal");
    assert_eq!(expected(&internal, Kind::Tcp, "192.168.10.10", Some(80)), Expected::Accept);
    assert_eq!(expected(&internal, Kind::Tcp, "192.168.10.10", Some(22)), Expected::Drop);
    assert_eq!(expected(&internal, Kind::Udp, "192.168.30.10", Some(53)), Expected::Accept);
    // What stays on its own wire is not tried: the box never sees it.
    assert!(
        internal
            .probes
            .iter()
            .all(|probe| !probe.to.to_string().starts_with("192.168.20.1") || probe.zone == "gateway")
    );
}

#[test]
fn a_list_survives_its_file() {
    let list = of("dmz");
    let text = serde_json::to_string(&list).expect("serialises");
    assert_eq!(serde_json::from_str::<List>(&text).expect("reads"), list);
    assert!(serde_json::from_str::<List>(&text.replace("\"version\"", "\"varsion\"")).is_err());
}

#[test]
fn a_closed_port_is_told_from_a_drop() {
    let probe = |expected, answers| Probe {
        kind: Kind::Tcp,
        to: "192.168.30.10".parse().expect("an address"),
        port: Some(22),
        zone: "server".to_owned(),
        expected,
        answers,
    };
    let is = |expected, answers, seen| judge(&probe(expected, answers), &seen);
    assert_eq!(is(Expected::Accept, false, Seen::Refused), Judgement::Right);
    assert!(matches!(is(Expected::Accept, false, Seen::Silent), Judgement::Open(_)));
    assert!(matches!(is(Expected::Accept, true, Seen::Silent), Judgement::Wrong(_)));
    assert_eq!(is(Expected::Drop, false, Seen::Silent), Judgement::Right);
    assert!(matches!(is(Expected::Drop, false, Seen::Refused), Judgement::Wrong(_)));
    assert_eq!(is(Expected::Reject, false, Seen::Refused), Judgement::Right);
    assert!(matches!(is(Expected::Reject, false, Seen::Silent), Judgement::Wrong(_)));
    assert!(matches!(is(Expected::Drop, false, Seen::Untried("no".to_owned())), Judgement::Open(_)));
}
