//! `segwall flows`: from a store to what is printed.

#![allow(clippy::unwrap_used, missing_docs)]

mod program;

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use program::{code, run, stderr, stdout};
use segwall_packetset::{Header, proto};
use segwall_watch::Network;
use segwall_watch::event::{Answer, Volume};
use segwall_watch::live::now;
use segwall_watch::network::Zone;
use segwall_watch::store::flow::Server;
use segwall_watch::store::{Flow, Options, Store};
use segwall_watch::traffic::{Between, Carried};
use serde_json::Value;

fn flow(number: u8, minutes_ago: i64) -> Flow {
    let ended = now().plus_s(-60 * minutes_ago);
    Flow {
        ended,
        began: Some(ended.plus_s(-2)),
        from: if number.is_multiple_of(2) { "guest" } else { "office" }.to_owned(),
        to: "servers".to_owned(),
        proto: proto::TCP,
        src: IpAddr::from([192, 168, 10, number]),
        dst: IpAddr::from([203, 0, 113, 1]),
        header: Header::Ports { sport: 40_000, dport: 443 },
        server: (number == 3).then(|| Server { addr: IpAddr::from([192, 168, 20, 5]), port: 8_443 }),
        sent: Volume { packets: 3, bytes: 3_000 },
        received: Volume { packets: 30, bytes: 1_000 * u64::from(number) },
        answer: if number == 4 { Answer::None } else { Answer::Answered },
    }
}

/// Ten flows, one every twenty minutes, so that some are in files and some are not.
fn store(dir: &Path) {
    let store = Store::start(Options { linger: Duration::ZERO, ..Options::new(dir) }).unwrap();
    for number in 1..=10 {
        let flow = flow(number, 20 * i64::from(10 - number));
        let between = Between {
            from: Zone::Gateway,
            to: Zone::Internet,
            src: flow.src,
            dst: flow.dst,
            proto: flow.proto,
            dport: 443,
        };
        let carried = Carried { ended: 1, sent: flow.sent, received: flow.received };
        store.traffic(&Network::unknown(), flow.ended, std::iter::once((between, carried)));
        store.flow(flow);
    }
    let begun = Instant::now();
    let has_files = || std::fs::read_dir(dir.join("flows")).is_ok_and(|files| files.count() >= 2);
    while store.numbers().flows < 10 || !has_files() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", store.ill());
        std::thread::sleep(Duration::from_millis(20));
    }
    store.stop(Duration::from_secs(10));
}

/// With a last instant, so that open connections of this machine are not among them.
fn lines(dir: &Path, more: &[&str]) -> Vec<Value> {
    let dir = dir.to_str().unwrap();
    let output = run(&[&["flows", "--store-dir", dir, "--format", "json"], more].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output).lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn sources(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["src"].as_str().unwrap().rsplit('.').next().unwrap()).collect()
}

#[test]
fn what_was_stored_is_listed_filtered_and_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let ended = |more: &[&str]| lines(dir.path(), &[&["--until", "2100-01-01"], more].concat());
    let all = ended(&["--since", "1d"]);
    assert_eq!(sources(&all), ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    assert_eq!(sources(&ended(&["--since", "30m"])), ["9", "10"]);
    assert_eq!(sources(&ended(&["--since", "1d", "--limit", "2"])), ["9", "10"]);
    assert_eq!(sources(&ended(&["--since", "1d", "--from", "guest", "--limit", "3"])), ["6", "8", "10"]);
    assert_eq!(sources(&ended(&["--since", "1d", "--from", "192.168.10.7"])), ["7"]);
    assert_eq!(sources(&ended(&["--since", "1d", "--to", "192.168.20.5"])), ["3"]);
    assert_eq!(sources(&ended(&["--since", "1d", "--port", "8443"])), ["3"]);
    assert!(ended(&["--since", "1d", "--proto", "udp"]).is_empty());
    assert_eq!((&all[3]["answer"], &all[2]["server_port"]), (&"none".into(), &8_443.into()));
    let top = lines(dir.path(), &["--top", "talkers", "--since", "1d"]);
    assert_eq!((&top[0]["addr"], &top[0]["sent"]["bytes"]), (&"203.0.113.1".into(), &55_000.into()));
    assert_eq!((&top[1]["addr"], &top[1]["received"]["bytes"]), (&"192.168.10.10".into(), &10_000.into()));
    let pairs = lines(dir.path(), &["--top", "pairs", "--since", "1d"]);
    assert_eq!((&pairs[0]["from"], &pairs[0]["flows"]), (&"gateway".into(), &10.into()));
    let schema = serde_json::from_str(&stdout(&run(&["schema", "--output", "flows"]))).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for line in all.iter().chain(&top).chain(&pairs) {
        let faults: Vec<String> = validator.iter_errors(line).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new(), "{line}");
    }
    let text = run(&["flows", "--store-dir", dir.path().to_str().unwrap(), "--until", "2100-01-01", "--port", "443"]);
    let text = stdout(&text);
    assert!(
        text.contains(" ended guest > servers: tcp 192.168.10.10:40000 to 203.0.113.1:443  sent 2.9 KiB"),
        "{text}"
    );
    let text = stdout(&run(&["flows", "--store-dir", dir.path().to_str().unwrap(), "--top", "ports", "--since", "1d"]));
    assert!(text.contains("tcp/443"), "{text}");
}

#[test]
fn a_store_that_is_none_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.db"), "no database").unwrap();
    let output = run(&["flows", "--top", "pairs", "--store-dir", dir.path().to_str().unwrap()]);
    assert_eq!(code(&output), 4);
    assert!(stderr(&output).contains("store.db: file is not a database"), "{}", stderr(&output));
}
