//! Alerts name the line of the policy that decided, and only where it did.

use segwall_packetset::{Header, proto};
use segwall_watch::event::{Answer, Connection, Reason, Verdict};
use segwall_watch::{Alert, Event, Options, State};

use super::net::{
    GUEST, OFFICE, SERVERS, Traffic, WAN, Way, at_ms, because, connection, ip, line_of, network_with_rules, syn,
};

const DAY: i64 = 86_400_000;
const RULES: &str = r#"
[services]
low = ["tcp/1-10"]

[hosts]
web = { address = "192.168.20.9" }

[[drop]]
from = "guest"
to = "servers"
service = "low"

[[reject]]
from = "office"
to = "servers"
service = "telnet"

[[accept]]
from = "office"
to = "servers"
service = "https"

[[forward]]
port = "tcp/8080"
to = "web"
to_port = 80
"#;

fn state() -> State {
    State::new(network_with_rules(RULES), Options::default())
}

fn causes(told: &[Alert]) -> Vec<(Option<u32>, String)> {
    told[0].causes.iter().map(|cause| (cause.line, cause.words.clone())).collect()
}

/// With the line of the rule that begins so.
fn by(begins: &str, words: &str) -> (Option<u32>, String) {
    let line = line_of(RULES, begins);
    (Some(u32::try_from(line).expect("few lines")), format!("{words} at line {line}"))
}

fn no_rule() -> (Option<u32>, String) {
    (None, "no rule accepts it".to_owned())
}

fn scan(ports: &[u16], reason: Reason, more: &[u16]) -> Vec<Alert> {
    let mut traffic = Traffic::default();
    let way = Way(GUEST, SERVERS, "192.168.30.6", "192.168.20.9");
    let refused = ports.iter().map(|port| (*port, reason)).chain(more.iter().map(|port| (*port, Reason::Unnamed)));
    for (ms, (port, reason)) in (0..).zip(refused) {
        traffic.packet(ms, because(reason, syn(way, 40_000, port)));
    }
    traffic.run(&mut state())
}

#[test]
fn a_scan_names_the_drop_and_what_no_rule_accepts_each_once() {
    let told = scan(&[1, 2, 3], Reason::Rule, &[101, 102, 103, 104, 105, 106, 107]);
    assert_eq!(told[0].kind.word(), "scan-vertical");
    assert_eq!(causes(&told), [by("[[drop]]", "the drop"), no_rule()]);
}

#[test]
fn a_rule_that_the_policy_does_not_have_any_more_is_not_named() {
    let told = scan(&[301, 302, 303, 304, 305, 306, 307, 308, 309, 310], Reason::Rule, &[]);
    assert_eq!((told[0].kind.word(), causes(&told)), ("scan-vertical", Vec::new()));
}

#[test]
fn many_refusals_name_the_reject() {
    let mut traffic = Traffic::default();
    for n in 0..150i64 {
        let packet = syn(Way(OFFICE, SERVERS, "192.168.10.5", "192.168.20.9"), 40_000, 23);
        traffic.packet(n * 100, because(Reason::Reject, packet));
    }
    assert_eq!(causes(&traffic.run(&mut state())), [by("[[reject]]", "the reject")]);
}

#[test]
fn what_came_before_the_rules_is_said_in_words() {
    let mut traffic = Traffic::default();
    for n in 0..150i64 {
        let packet = syn(Way(OFFICE, SERVERS, "192.168.30.5", "192.168.20.9"), 40_000, 443);
        traffic.packet(n * 100, because(Reason::Spoofed, packet));
    }
    let spoofed = (None, "its source does not belong to the interface it comes by".to_owned());
    assert_eq!(causes(&traffic.run(&mut state())), [spoofed]);
}

fn new_pair(connection: Connection) -> Vec<Alert> {
    let mut state = state();
    state.step(at_ms(0), &Event::Tick);
    state.step(at_ms(DAY + 1), &Event::Began(connection))
}

#[test]
fn a_new_pair_names_the_accept_whether_interfaces_are_known_or_not() {
    let way = Way(OFFICE, SERVERS, "192.168.10.5", "192.168.20.9");
    let known = connection(way, proto::TCP, 40_000, 443, Answer::Unknown);
    // As connection tracking tells it.
    let by_address = connection(Way("", "", way.2, way.3), proto::TCP, 40_000, 443, Answer::Unknown);
    for told in [new_pair(known), new_pair(by_address)] {
        assert_eq!((told[0].kind.word(), causes(&told)), ("new-pair", vec![by("[[accept]]", "the accept")]));
        let packet = told[0].evidence[0].packet;
        assert_eq!((packet.input.as_str(), packet.output.as_str()), (OFFICE, SERVERS));
        assert_eq!((packet.verdict, told[0].ports.as_slice()), (Verdict::Accepted, &["tcp/443".to_owned()][..]));
    }
}

#[test]
fn what_was_sent_on_names_the_port_forward() {
    let mut forwarded =
        connection(Way(WAN, "", "198.51.100.7", "203.0.113.2"), proto::TCP, 40_000, 8080, Answer::Unknown);
    forwarded.reply.src = ip("192.168.20.9");
    forwarded.reply.header = Header::Ports { sport: 80, dport: 40_000 };
    let told = new_pair(forwarded);
    assert_eq!(
        (told[0].source.as_str(), causes(&told)),
        ("internet > servers", vec![by("[[forward]]", "the port forward")])
    );
    assert_eq!(told[0].ports, ["tcp/80"]);
}
