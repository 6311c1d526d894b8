//! Who may be cut off, for how long; and what is left of a packet's way when somebody is.

use std::net::IpAddr;

use segwall_core::policy::{Context, Policy, load};
use segwall_core::quarantine::{Around, Held, Left, List, Refusal, put, target};
use segwall_core::ruleset::quarantine::Quarantined;
use segwall_core::ruleset::{At, Reason, Ruleset, lower};
use segwall_core::source::Source;
use segwall_packetset::{CtState, Flow, Header, Packet, Place, TcpFlags};

const POLICY: &str = r#"
[gateway]
management = "admin"
[segments.admin]
interface = "admin"
subnets = "192.168.100.0/24"
[segments.office]
interface = "office"
subnets = ["192.168.20.0/24", "fd00:20::/64"]
ipv6 = "slaac"
[segments.dmz]
interface = "dmz"
subnets = "192.168.30.0/24"
[hosts.laptop]
addresses = ["192.168.20.7"]
[hosts.notice]
addresses = "192.168.30.80"
[quarantine]
allow = "notice"
[[accept]]
from = "office"
to = "dmz"
service = ["http", "ssh"]
[dhcp]
server = "none"
"#;

const CARD: [u8; 6] = [2, 0, 0, 0, 0, 7];

fn read(text: &str) -> (Policy, Ruleset) {
    let source = Source::new("test.toml", text);
    let context = Context { today: jiff::civil::date(2026, 11, 26), timezone: jiff::tz::TimeZone::UTC };
    let loaded = load(&source, &context);
    let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &jiff::tz::TimeZone::UTC);
    (policy, ruleset)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ask(what: &str, even_management: bool) -> Result<Vec<String>, Refusal> {
    let (policy, ruleset) = read(POLICY);
    let neighbours = [
        (ip("192.168.20.7"), CARD),
        (ip("fd00:20::7"), CARD),
        (ip("fe80::7"), CARD),
        (ip("192.168.20.8"), [2, 0, 0, 0, 0, 8]),
    ];
    let around = Around { neighbours: &neighbours, own: &[ip("203.0.113.9")], caller: Some(ip("192.168.20.8")) };
    let found = target(&policy, &ruleset, what, &around, even_management)?;
    Ok(found.addresses.iter().map(ToString::to_string).collect())
}

#[test]
fn a_host_is_cut_off_at_all_its_addresses() {
    let all = Ok(["192.168.20.7", "fd00:20::7", "fe80::7"].map(str::to_owned).to_vec());
    assert_eq!(ask("laptop", false), all);
    assert_eq!(ask("192.168.20.7", false), all);
    assert_eq!(ask("fd00:20::7", false), all);
    assert_eq!(ask("02:00:00:00:00:07", false), all);
    assert_eq!(ask("02-00-00-00-00-07", false), all);
    assert_eq!(ask("192.168.20.99", false), Ok(vec!["192.168.20.99".to_owned()]), "nobody has spoken with it");
    assert_eq!(ask("198.51.100.7", false), Ok(vec!["198.51.100.7".to_owned()]), "somebody on the internet");
}

#[test]
fn some_are_never_cut_off_and_some_not_by_mistake() {
    for own in ["192.168.20.1", "fd00:20::1", "203.0.113.9"] {
        assert_eq!(ask(own, true), Err(Refusal::Own(ip(own))));
    }
    for nobody in ["127.0.0.1", "0.0.0.0", "::", "::1", "224.0.0.1", "255.255.255.255", "ff02::1"] {
        assert_eq!(ask(nobody, true), Err(Refusal::NoHost(ip(nobody))));
    }
    assert_eq!(ask("192.168.100.5", false), Err(Refusal::Management(ip("192.168.100.5"), "admin".to_owned())));
    assert!(ask("192.168.100.5", true).is_ok());
    assert_eq!(ask("192.168.20.8", false), Err(Refusal::Caller(ip("192.168.20.8"))));
    assert!(ask("192.168.20.8", true).is_ok());
    assert_eq!(ask("02:00:00:00:00:99", false), Err(Refusal::Unseen([2, 0, 0, 0, 0, 0x99])));
    let near = Some("laptop".to_owned());
    assert_eq!(ask("latpop", false), Err(Refusal::Unknown { asked: "latpop".to_owned(), near }));
}

fn held(addr: &str, since_s: i64, for_s: Option<u64>) -> Held {
    let (user, via) = ("root".to_owned(), "test".to_owned());
    let because = Some("it scans\n\"everybody\"".to_owned());
    Held { addr: ip(addr), host: "laptop".to_owned(), mac: Some(CARD), since_s, for_s, because, user, via }
}

#[test]
fn time_runs_and_a_clock_that_is_wrong_makes_it_no_longer() {
    let one = held("192.168.20.7", 1_000, Some(60));
    assert_eq!(one.left(1_000), Left::Seconds(60));
    assert_eq!(one.left(1_059), Left::Seconds(1));
    assert_eq!(one.left(1_060), Left::Ended);
    assert_eq!(one.left(0), Left::Seconds(60));
    assert_eq!(one.left(i64::MAX), Left::Ended);
    assert_eq!(held("192.168.20.7", 1_000, None).left(i64::MAX), Left::Open);
    assert!(put(&one, 1_010).contains("quarantine4 { 192.168.20.7 timeout 50s }"));
    assert_eq!(put(&one, 2_000), "");
}

#[test]
fn the_list_is_what_was_written_and_a_broken_line_costs_one_host() {
    let mut list = List::default();
    list.put(vec![held("192.168.20.7", 0, None), held("fd00:20::7", 0, Some(60))], 0);
    assert_eq!(List::read(&list.text()), list);
    let broken = format!("{{\"addr\": 7}}\n{}no json\n", list.text());
    assert_eq!(List::read(&broken), List { skipped: 2, ..list.clone() });
    let loopback = list.text().replace("192.168.20.7", "127.0.0.1");
    assert_eq!(List::read(&loopback).held.len(), 1, "nothing in a file holds the box itself");
    list.put(vec![held("192.168.20.7", 100, Some(60))], 100);
    assert_eq!(list.held.len(), 1, "one is over, and one is held anew");
    list.take(&[ip("192.168.20.7")], 100);
    assert_eq!(list, List::default());
}

fn packet(ruleset: &Ruleset, from: &str, to: &str, dport: u16, state: CtState) -> Packet {
    let (src, dst) = (ip(from), ip(to));
    let header = Header::Ports { sport: 40_000, dport };
    let flow = Flow { input: ruleset.route(src), output: ruleset.route(dst), proto: 6, src, dst, header, sent: None };
    Packet { flow, state, flags: TcpFlags(TcpFlags::SYN) }
}

#[test]
fn quarantine_only_takes_away() {
    let (_, ruleset) = read(POLICY);
    let at = At::ClockUnknown;
    let ends = |src, dst| Quarantined { src, dst };
    let reason = |packet: &Packet, ends| ruleset.judge_quarantined(packet, at, ends).reason;
    let to_other = packet(&ruleset, "192.168.20.7", "192.168.30.9", 80, CtState::New);
    assert!(matches!(reason(&to_other, Quarantined::NONE), Reason::Rule(_)));
    assert_eq!(reason(&to_other, ends(true, false)), Reason::Quarantined);
    assert_eq!(reason(&to_other, ends(false, true)), Reason::Quarantined);
    let open = packet(&ruleset, "192.168.20.7", "192.168.30.9", 80, CtState::Established);
    assert_eq!(reason(&open, Quarantined::NONE), Reason::Established);
    assert_eq!(reason(&open, ends(true, false)), Reason::Quarantined, "what was open ends");
    let notice = packet(&ruleset, "192.168.20.7", "192.168.30.80", 80, CtState::New);
    assert!(matches!(reason(&notice, ends(true, false)), Reason::Rule(_)), "the notice is reached");
    let more = packet(&ruleset, "192.168.20.7", "192.168.30.80", 25, CtState::New);
    assert_eq!(reason(&more, ends(true, false)), Reason::Unnamed, "and not more of it than the policy accepts");
    let back = packet(&ruleset, "192.168.30.80", "192.168.20.7", 40_000, CtState::Established);
    assert_eq!(reason(&back, ends(false, true)), Reason::Established);
    let spoofed = packet(&ruleset, "192.168.100.5", "192.168.30.9", 80, CtState::New);
    let spoofed = Packet { flow: Flow { input: ruleset.route(ip("192.168.20.7")), ..spoofed.flow }, ..spoofed };
    assert_eq!(reason(&spoofed, ends(true, false)), Reason::Spoofed, "nobody is blamed for another's address");
    let inside = Flow { input: Place::Gateway, output: Place::Gateway, ..open.flow };
    assert_eq!(reason(&Packet { flow: inside, ..open }, ends(true, true)), Reason::Established);
}

#[test]
fn nobody_is_allowed_everything() {
    for end in ["internet", "any", "segments"] {
        let text = POLICY.replace("allow = \"notice\"", &format!("allow = \"{end}\""));
        let source = Source::new("test.toml", text.as_str());
        let context = Context { today: jiff::civil::date(2026, 11, 26), timezone: jiff::tz::TimeZone::UTC };
        let loaded = load(&source, &context);
        assert!(loaded.policy.is_none(), "{end}");
        assert!(loaded.diagnostics.iter().any(|found| found.message.contains("quarantine")), "{end}");
    }
}
