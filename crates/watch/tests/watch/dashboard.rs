//! The Grafana dashboard asks for metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use segwall_watch::forward::{Connection, Lost, Numbers};
use segwall_watch::metrics::{Snapshot, page};

#[test]
fn every_metric_of_the_dashboard_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/grafana/segwall.json");
    let text = fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 10);
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
    let asked: BTreeSet<&str> =
        text.match_indices("segwall_").map(|(at, _)| &text[at..at + end(&text[at..])]).collect();
    assert!(asked.len() >= 12, "{asked:?}");
    // A page with everything on it: what only some boxes have has its name there all the same.
    let remote = Numbers {
        queued: 0,
        sent: 0,
        lost: Lost::default(),
        spool_bytes: 0,
        connections: 0,
        connection: Connection::Down { since: jiff::Timestamp::UNIX_EPOCH },
        last_failure: None,
        is_running: true,
    };
    let mut snapshot = Snapshot { remote: Some(remote), store: Some(Default::default()), ..Snapshot::default() };
    snapshot.totals.table = Some(true);
    snapshot.totals.conntrack = Some((1, 2));
    let served = page(&snapshot);
    for name in asked {
        assert!(served.contains(&format!("# TYPE {name} ")), "the dashboard asks for {name}");
    }
}
