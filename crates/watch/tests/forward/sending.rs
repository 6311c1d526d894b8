//! The collector is there.

use std::time::{Duration, Instant};

use segwall_core::policy::{LogTls, Notify, OwnCertificate};
use segwall_watch::forward::message::{DATAGRAM_LEN_MAX, Facility, Message, Severity, cut_for_datagram};
use segwall_watch::forward::tls::{Identity, Roots, TlsOptions};
use segwall_watch::forward::{Connection, Options, Transport};
use segwall_watch::notify::{Itself, Notice, Receiver, Urgency};

use crate::certificates::Certificates;
use crate::collector::{Collector, Input};
use crate::harness::Case;
use crate::world::{Arrived, COLLECTOR, PORT, World, arrived, hand_over, lost_nothing, wait_for, wait_for_lines};

pub const ALL: &[Case] = &[
    ("tcp_in_order_each_once", tcp_in_order_each_once),
    ("tls_in_order_each_once", tls_in_order_each_once),
    ("tls_with_a_certificate_of_the_box", tls_with_a_certificate_of_the_box),
    ("an_alert_by_the_tls_that_the_policy_names", an_alert_by_the_tls_that_the_policy_names),
    ("udp_one_line_a_datagram", udp_one_line_a_datagram),
    ("udp_and_nobody_listens", udp_and_nobody_listens),
];

const LINES: u64 = 10_000;

fn in_order_each_once(world: &World, input: &Input<'_>, transport: Transport, options: &Options) {
    let collector = Collector::start(world, input);
    let forwarder = world.forward(transport, options);
    let begun = Instant::now();
    hand_over(&forwarder, 0..LINES, Duration::ZERO);
    let found = wait_for_lines(&collector.file, LINES, Duration::from_secs(30));
    let took = begun.elapsed();
    assert!(matches!(forwarder.numbers().connection, Connection::Up { .. }));
    let numbers = forwarder.stop(Duration::from_secs(5));
    lost_nothing(&numbers, LINES);
    assert_eq!(numbers.connections, 1);
    assert_eq!(found, Arrived { lines: LINES, again: 0, seams: 0 });
    println!("    {LINES} lines arrived within {:.2} s", took.as_secs_f64());
}

fn tcp_in_order_each_once() {
    let world = World::new();
    in_order_each_once(&world, &Input::Tcp, Transport::Tcp, &world.options());
}

pub fn trusting(world: &World, certificates: &Certificates) -> Options {
    let tls = TlsOptions { roots: Roots::File(certificates.path("ca.pem")), identity: None };
    Options { tls, ..world.options() }
}

fn tls_in_order_each_once() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    let options = trusting(&world, &certificates);
    in_order_each_once(&world, &Input::Tls(&certificates, "good"), Transport::Tls, &options);
}

fn tls_with_a_certificate_of_the_box() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    certificates.issue("box", "ca", "192.0.2.1", 30);
    let mut options = trusting(&world, &certificates);
    options.tls.identity =
        Some(Identity { certificates: certificates.path("box.pem"), key: certificates.path("box.key") });
    in_order_each_once(&world, &Input::MutualTls(&certificates, "good"), Transport::Tls, &options);
}

/// The collector believes its own authority alone, and wants a certificate of the box: both are the policy's to name.
fn an_alert_by_the_tls_that_the_policy_names() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    certificates.issue("box", "ca", "192.0.2.1", 30);
    let collector = Collector::start(&world, &Input::MutualTls(&certificates, "good"));
    let text = |name: &str| certificates.path(name).to_string_lossy().into_owned();
    let own = OwnCertificate { certificate: text("box.pem"), key: text("box.key") };
    let syslog = Notify::Syslog(format!("tls://{COLLECTOR}:{PORT}"));
    let notice = Notice {
        urgency: Urgency::Warning,
        title: "192.0.2.66 scans".to_owned(),
        text: String::new(),
        json: serde_json::Value::Null,
    };
    let deliver = |ca, identity| {
        let receiver = Receiver::of(&syslog, &LogTls { ca, identity }).unwrap();
        let told = world.gateway.run(|| receiver.deliver(std::slice::from_ref(&notice), 0, &Itself)).unwrap();
        told.map_err(|error| error.chain())
    };
    let why = deliver(None, Some(own.clone())).unwrap_err();
    assert!(why.contains("nobody this box believes") || why.contains("no root certificates"), "{why}");
    let why = deliver(Some(text("ca.pem")), None).unwrap_err();
    assert!(why.contains("want a certificate of this box"), "{why}");
    deliver(Some(text("ca.pem")), Some(own)).unwrap();
    wait_for("the alert", Duration::from_secs(20), || {
        let arrived = std::fs::read_to_string(&collector.file).unwrap_or_default();
        arrived.matches("192.0.2.66 scans").count() == 1
    });
}

fn udp_one_line_a_datagram() {
    let world = World::new();
    let collector = Collector::start(&world, &Input::Udp);
    let forwarder = world.forward(Transport::Udp, &world.options());
    // Datagrams are for the network to lose: the kernel drops the oldest of those that wait for the collector's card to be
    // found, and the newest of those that the collector does not read in time. So the first is alone, and the rest few at once.
    for batch in [0..1, 1..100].into_iter().chain((1..10).map(|hundred| hundred * 100..hundred * 100 + 100)) {
        let until = batch.end;
        hand_over(&forwarder, batch, Duration::ZERO);
        assert_eq!(wait_for_lines(&collector.file, until, Duration::from_secs(10)).again, 0);
    }
    let long = Message {
        facility: Facility::Daemon,
        severity: Severity::Notice,
        at: jiff::Timestamp::UNIX_EPOCH,
        is_clock_set: None,
        hostname: "gw",
        process: 1,
        kind: "LONG",
        data: &[],
        text: &"ö".repeat(1500),
    }
    .line();
    let expected = String::from_utf8(cut_for_datagram(long.as_ref()).to_vec()).unwrap();
    assert!(expected.len() >= DATAGRAM_LEN_MAX - 1);
    assert!(forwarder.hand_over(long));
    wait_for("the long one, cut", Duration::from_secs(5), || {
        let text = std::fs::read_to_string(&collector.file).unwrap();
        text.lines().last() == Some(expected.as_str())
    });
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), 1001);
}

fn udp_and_nobody_listens() {
    let world = World::new();
    let forwarder = world.forward(Transport::Udp, &world.options());
    hand_over(&forwarder, 0..1, Duration::ZERO);
    wait_for("the kernel's answer", Duration::from_secs(5), || forwarder.numbers().last_failure.is_some());
    let text = forwarder.numbers().last_failure.unwrap().text;
    assert!(text.contains("refused"), "{text}");
    // The first datagram is gone, as UDP is; from the next on they arrive.
    let collector = Collector::start(&world, &Input::Udp);
    wait_for("a new socket", Duration::from_secs(5), || {
        matches!(forwarder.numbers().connection, Connection::Up { .. })
    });
    for batch in [0..1, 1..100] {
        let until = batch.end;
        hand_over(&forwarder, batch, Duration::ZERO);
        assert_eq!(wait_for_lines(&collector.file, until, Duration::from_secs(10)), arrived(&collector.file));
    }
}
