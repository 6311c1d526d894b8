//! Alerts name the line of the policy that decided, and only where it did.

use segwall_packetset::{Header, proto};
use segwall_watch::event::{Answer, Connection, Iface, Packet, Reason, Verdict};
use segwall_watch::{Alert, Event, Options, State};

use super::net::{
    BOX, GUEST, OFFICE, SERVERS, Traffic, WAN, Way, at_ms, because, connection, ip, line_of,
    network_of_a_changing_uplink, network_with_rules, syn, udp,
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
service = ["https", "http"]

[[accept]]
from = "guest"
to = "office"
service = "ssh"
limit = "5/minute"

[[forward]]
port = "tcp/8080"
to = "web"
to_port = 80
"#;

fn state() -> State {
    State::new(network_with_rules(RULES), Options::default())
}

fn causes(told: &[Alert]) -> Vec<(Option<u32>, String)> {
    assert!(told[0].causes.iter().all(|cause| &*cause.policy == "t.toml"));
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
    let told = scan(&[1, 2, 3], Reason::Rule, &[101, 102, 103, 104, 105, 106]);
    assert_eq!(told[0].kind.word(), "scan-vertical");
    assert_eq!(causes(&told), [by("[[drop]]", "the drop"), no_rule()]);
}

#[test]
fn a_rule_that_the_policy_does_not_have_any_more_is_not_named() {
    let told = scan(&[301, 302, 303, 304, 305, 306, 307, 308, 309, 310], Reason::Rule, &[]);
    assert_eq!((told[0].kind.word(), causes(&told)), ("scan-vertical", Vec::new()));
}

#[test]
fn a_scan_does_not_name_what_refused_packets_of_another_day() {
    let mut traffic = Traffic::default();
    for port in 1..=5 {
        let way = Way(GUEST, SERVERS, "192.168.30.6", "192.168.20.77");
        traffic.packet(i64::from(port), because(Reason::Rule, syn(way, 40_000, port)));
    }
    for port in 101..=120 {
        let way = Way(GUEST, SERVERS, "192.168.30.6", "192.168.20.9");
        traffic.packet(2 * DAY + i64::from(port), because(Reason::Unnamed, syn(way, 40_000, port)));
    }
    let told = traffic.run(&mut state());
    assert_eq!((told[0].kind.word(), causes(&told)), ("scan-vertical", vec![no_rule()]));
    assert!(told[0].evidence.iter().all(|one| one.packet.dst == ip("192.168.20.9")));
}

#[test]
fn what_is_over_a_limit_is_not_told_as_what_no_rule_accepts() {
    let mut traffic = Traffic::default();
    for n in 0..150i64 {
        let way = Way(GUEST, OFFICE, "192.168.30.5", "192.168.10.9");
        traffic.packet(n * 100, because(Reason::Unnamed, syn(way, 40_000, 22)));
    }
    let line = line_of(RULES, "limit =") - 4;
    let words = format!("over the limit of the accept at line {line}");
    assert_eq!(causes(&traffic.run(&mut state())), [(Some(u32::try_from(line).expect("few lines")), words)]);
}

#[test]
fn another_policy_changes_nothing_about_what_was_seen() {
    let mut state = state();
    let way = Way(GUEST, SERVERS, "192.168.30.6", "192.168.20.9");
    let mut told = Vec::new();
    for port in 1..=9u16 {
        let packet = because(Reason::Rule, syn(way, 40_000, port));
        told.extend(state.step(at_ms(i64::from(port)), &Event::Packet(packet)));
    }
    assert_eq!(causes(&told), [by("[[drop]]", "the drop")]);
    state.watch_from_now(network_with_rules(""), Options::default());
    let closed = state.step(at_ms(DAY), &Event::Tick);
    assert_eq!(causes(&closed), [by("[[drop]]", "the drop")]);
}

#[test]
fn a_policy_is_no_cause_of_what_came_before_it() {
    let mut state = state();
    let way = Way(GUEST, SERVERS, "192.168.30.6", "192.168.20.9");
    let mut told = Vec::new();
    for port in 1..=9u16 {
        if port == 9 {
            state.watch_from_now(network_with_rules(RULES), Options::default());
        }
        let packet = because(Reason::Rule, syn(way, 40_000, port));
        told.extend(state.step(at_ms(i64::from(port)), &Event::Packet(packet)));
    }
    assert_eq!((told[0].kind.word(), told[0].evidence.len(), causes(&told)), ("scan-vertical", 5, Vec::new()));
}

#[test]
fn who_scans_inside_is_shown_whatever_goes_out_besides() {
    let mut traffic = Traffic::default();
    for n in 1..=20u16 {
        let out = Way(OFFICE, WAN, "192.168.10.5", "198.51.100.7");
        traffic.packet(i64::from(n) * 1_000, because(Reason::Rule, udp(out, 40_000, 440 + n)));
        let inside = Way(OFFICE, SERVERS, "192.168.10.5", "192.168.20.9");
        traffic.packet(i64::from(n) * 1_000 + 500, udp(inside, 40_000, 33_500));
        let host = format!("192.168.20.{}", 10 + n);
        let many = Way(OFFICE, SERVERS, "192.168.10.5", &host);
        traffic.packet(i64::from(n) * 1_000 + 600, udp(many, 40_000, 33_500));
    }
    let told = traffic.run(&mut state());
    let scan = told.iter().find(|alert| alert.kind.word() == "scan-horizontal").expect("told");
    assert_eq!((scan.evidence.len(), causes(std::slice::from_ref(scan))), (5, vec![no_rule()]));
}

#[test]
fn whose_interface_has_no_name_yet_is_no_new_pair() {
    let mut state = state();
    state.step(at_ms(0), &Event::Tick);
    let packet = syn(Way("?", SERVERS, "192.168.10.5", "192.168.20.9"), 40_000, 443);
    let told = state.step(at_ms(DAY + 1), &Event::Packet(Packet { verdict: Verdict::Accepted, ..packet }));
    assert_eq!(told, []);
}

#[test]
fn who_is_refused_again_and_again_shows_more_than_one_packet() {
    let mut state = state();
    let mut told = Vec::new();
    for n in 0..30u16 {
        let packet = syn(Way(GUEST, BOX, "192.168.30.6", "192.168.30.1"), 40_000 + n, 22);
        told.extend(state.step(at_ms(i64::from(n) * 500), &Event::Packet(packet)));
    }
    let last = told.last().expect("told");
    assert_eq!((last.kind.word(), last.evidence.len()), ("management-denied", 5));
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

#[test]
fn who_speaks_to_a_forwards_target_without_it_has_a_cause() {
    let told =
        new_pair(connection(Way("", "", "192.168.10.5", "192.168.20.9"), proto::TCP, 40_000, 80, Answer::Unknown));
    assert_eq!(causes(&told), [by("[[accept]]", "the accept")]);
}

/// As nft writes it down: behind the translation, which it does not tell.
#[test]
fn an_accepted_packet_that_may_have_been_sent_on_names_nothing() {
    let mut state = state();
    state.step(at_ms(0), &Event::Tick);
    let packet =
        Packet { verdict: Verdict::Accepted, ..syn(Way(WAN, SERVERS, "198.51.100.7", "192.168.20.9"), 40_000, 80) };
    let told = state.step(at_ms(DAY + 1), &Event::Packet(packet));
    assert_eq!((told[0].kind.word(), causes(&told)), ("new-pair", Vec::new()));
}

#[test]
fn an_address_that_the_provider_gave_is_where_forwards_listen() {
    let mut state = State::new(network_of_a_changing_uplink(RULES), Options::default());
    state.step(at_ms(0), &Event::OwnAddress { iface: Iface::new(WAN.as_bytes()), addr: ip("203.0.113.77") });
    let way = Way("", "", "198.51.100.7", "203.0.113.77");
    let mut forwarded = connection(way, proto::TCP, 40_000, 8080, Answer::Unknown);
    forwarded.reply.src = ip("192.168.20.9");
    forwarded.reply.header = Header::Ports { sport: 80, dport: 40_000 };
    let told = state.step(at_ms(DAY + 1), &Event::Began(forwarded));
    assert_eq!(told[0].causes.len(), 1, "{told:?}");
    assert!(told[0].causes[0].words.starts_with("the port forward at line"), "{told:?}");
}
