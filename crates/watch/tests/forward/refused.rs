//! The collector refuses, or is not who it should be: nothing is sent, nothing is lost, and it is said what to do.

use std::time::Duration;

use segwall_watch::forward::tls::{Identity, Roots};
use segwall_watch::forward::{Connection, Options, Transport};

use crate::certificates::Certificates;
use crate::collector::{Collector, Input};
use crate::harness::Case;
use crate::sending::trusting;
use crate::world::{Arrived, BOX, COLLECTOR, World, arrived, hand_over, lost_nothing, wait_for, wait_for_lines};

pub const ALL: &[Case] = &[
    ("tcp_refused_and_then_not", tcp_refused_and_then_not),
    ("tls_wrong_certificates_and_then_a_good_one", tls_wrong_certificates_and_then_a_good_one),
    ("tls_the_box_needs_a_certificate", tls_the_box_needs_a_certificate),
    ("tls_files_that_are_missing", tls_files_that_are_missing),
    ("tls_to_a_port_without_tls", tls_to_a_port_without_tls),
];

const SOON: Duration = Duration::from_secs(10);

fn tcp_refused_and_then_not() {
    let world = World::new();
    let forwarder = world.forward(Transport::Tcp, &world.options());
    hand_over(&forwarder, 0..100, Duration::ZERO);
    wait_for("a refusal", SOON, || forwarder.numbers().last_failure.is_some());
    let numbers = forwarder.numbers();
    let text = numbers.last_failure.unwrap().text;
    assert!(text.starts_with("cannot connect to the collector at 192.0.2.10:6514: Connection refused"), "{text}");
    assert!(matches!(numbers.connection, Connection::Down { .. }));
    let collector = Collector::start(&world, &Input::Tcp);
    assert_eq!(wait_for_lines(&collector.file, 100, SOON), Arrived { lines: 100, again: 0, seams: 0 });
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), 100);
}

/// What is said of a collector, after 10 lines were to go there: nothing arrived, all wait.
fn said(world: &World, input: &Input<'_>, options: &Options) -> String {
    let collector = Collector::start(world, input);
    let forwarder = world.forward(Transport::Tls, options);
    hand_over(&forwarder, 0..10, Duration::ZERO);
    wait_for("a failure", SOON, || forwarder.numbers().last_failure.is_some());
    assert_eq!(arrived(&collector.file).lines, 0);
    let numbers = forwarder.stop(Duration::ZERO);
    assert_eq!((numbers.queued, numbers.sent), (10, 0), "{numbers:?}");
    std::fs::remove_dir_all(&options.spool).unwrap();
    let text = numbers.last_failure.unwrap().text;
    println!("    {text}");
    text
}

fn tls_wrong_certificates_and_then_a_good_one() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    let options = trusting(&world, &certificates);
    certificates.authority("stranger");
    certificates.issue("strangers", "stranger", &COLLECTOR.to_string(), 30);
    certificates.issue("elsewhere", "ca", "192.0.2.99", 30);
    // Valid until the second it was made.
    certificates.issue("old", "ca", &COLLECTOR.to_string(), 0);
    std::thread::sleep(Duration::from_millis(1100));
    let text = said(&world, &Input::Tls(&certificates, "strangers"), &options);
    assert!(text.contains("signed by nobody this box believes; name a file"), "{text}");
    let text = said(&world, &Input::Tls(&certificates, "elsewhere"), &options);
    assert!(text.contains("is for somebody else") && text.contains("needs 192.0.2.10 as subjectAltName"), "{text}");
    let text = said(&world, &Input::Tls(&certificates, "old"), &options);
    assert!(text.contains("has expired") && text.contains("This box's clock says 20"), "{text}");
    // What `openssl req -x509` makes at once: an authority, not a server.
    certificates.self_signed("lone", &COLLECTOR.to_string());
    let mut alone = options.clone();
    alone.tls.roots = Roots::File(certificates.path("lone.pem"));
    let text = said(&world, &Input::Tls(&certificates, "lone"), &alone);
    assert!(text.contains("is that of an authority (CA:TRUE)"), "{text}");

    // Tried again, with a certificate that was put right meanwhile.
    let mut collector = Collector::start(&world, &Input::Tls(&certificates, "elsewhere"));
    let forwarder = world.forward(Transport::Tls, &options);
    hand_over(&forwarder, 0..100, Duration::ZERO);
    wait_for("a failure", SOON, || forwarder.numbers().last_failure.is_some());
    collector.stop();
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    let collector = Collector::start(&world, &Input::Tls(&certificates, "good"));
    assert_eq!(wait_for_lines(&collector.file, 100, SOON), Arrived { lines: 100, again: 0, seams: 0 });
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), 100);
}

fn tls_the_box_needs_a_certificate() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    certificates.authority("stranger");
    certificates.issue("box", "stranger", &BOX.to_string(), 30);
    let mut options = trusting(&world, &certificates);
    let text = said(&world, &Input::MutualTls(&certificates, "good"), &options);
    assert!(text.contains("collector 192.0.2.10") && text.contains("want a certificate of this box"), "{text}");
    options.tls.identity =
        Some(Identity { certificates: certificates.path("box.pem"), key: certificates.path("box.key") });
    let text = said(&world, &Input::MutualTls(&certificates, "good"), &options);
    assert!(text.contains("collector 192.0.2.10") && text.contains("or another one"), "{text}");
}

fn tls_files_that_are_missing() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    let input = Input::Tls(&certificates, "good");
    let mut options = trusting(&world, &certificates);
    options.tls.roots = Roots::File(world.path("none.pem"));
    let text = said(&world, &input, &options);
    assert!(text.starts_with("cannot read certificates from ") && text.contains("none.pem"), "{text}");
    options.tls.roots = Roots::File(certificates.path("good.key"));
    let text = said(&world, &input, &options);
    assert!(text.contains("good.key") && text.contains("must be a PEM file"), "{text}");
    let options = Options { tls: segwall_watch::forward::tls::TlsOptions::default(), ..options };
    let text = said(&world, &input, &options);
    assert!(text.contains("signed by nobody this box believes") || text.contains("no root certificates"), "{text}");
}

fn tls_to_a_port_without_tls() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    let options = trusting(&world, &certificates);
    let collector = Collector::start(&world, &Input::Tcp);
    let forwarder = world.forward(Transport::Tls, &options);
    hand_over(&forwarder, 0..10, Duration::ZERO);
    wait_for("a failure", SOON, || forwarder.numbers().last_failure.is_some());
    let text = forwarder.numbers().last_failure.unwrap().text;
    println!("    {text}");
    assert!(text.contains("TLS input"), "{text}");
    let numbers = forwarder.stop(Duration::ZERO);
    assert_eq!((numbers.queued, numbers.sent), (10, 0), "{numbers:?}");
    drop(collector);
}
