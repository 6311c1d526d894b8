//! Every metric. Labels are names of segments, interfaces, reasons and kinds, which the policy bounds; never addresses.

use std::collections::BTreeMap;

use super::text::Text;
use crate::alert::Kind;
use crate::event::Source;
use crate::forward::{Connection, Numbers};
use crate::network::{Network, Zone};
use crate::state::Lost;
use crate::store;
use crate::totals::Totals;
use crate::traffic::Carried;

/// What does not change while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// Segwall's version.
    pub version: String,
    /// The policy file, or the generation that holds.
    pub policy: String,
}

/// Who is told of alerts, and what became of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Messages that were taken.
    pub sent: u64,
    /// Messages that were not, and are tried again.
    pub failed: u64,
    /// Notices that were given up.
    pub lost: u64,
    /// Notices that wait.
    pub waiting: u64,
}

/// Everything as it stands.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What does not change.
    pub info: Info,
    /// What was counted.
    pub totals: Totals,
    /// What connections carried, by zones.
    pub carried: BTreeMap<(Zone, Zone), Carried>,
    /// Hosts and pairs that were not counted apart.
    pub uncounted: u64,
    /// Open alerts by kind.
    pub open: BTreeMap<Kind, u64>,
    /// Alerts that a silence kept from being told.
    pub silenced: u64,
    /// What was lost at limits.
    pub lost: Lost,
    /// Lines of logs that never reached the disk.
    pub lines_lost: u64,
    /// By receiver.
    pub told: BTreeMap<String, Told>,
    /// The collector, where there is one.
    pub remote: Option<Numbers>,
    /// The store, where there is one.
    pub store: Option<store::Numbers>,
    /// Who is where.
    pub network: Network,
}

/// The page that a scraper gets.
#[must_use]
pub fn page(snapshot: &Snapshot) -> String {
    let mut text = Text::default();
    let Snapshot { info, totals, carried, uncounted, open, silenced, lost, lines_lost, told, remote, store, network } =
        snapshot;
    text.metric("segwall_build_info", "gauge", "Segwall's version.");
    text.sample("segwall_build_info", &[("version", &info.version)], 1);
    text.metric("segwall_policy_info", "gauge", "The policy that is watched.");
    text.sample("segwall_policy_info", &[("policy", &info.policy)], 1);
    if let Some(there) = totals.table {
        text.single("segwall_table_loaded", "gauge", "Whether Segwall's table is in the kernel.", u64::from(there));
    }
    refused(&mut text, totals, network);
    connections(&mut text, totals, network);
    traffic(&mut text, carried, network);
    alerts(&mut text, totals, open, *silenced);
    losses(&mut text, totals, lost, *lines_lost, *uncounted);
    receivers(&mut text, told);
    if let Some(numbers) = remote {
        collector(&mut text, numbers);
    }
    if let Some(numbers) = store {
        stored(&mut text, numbers);
    }
    text.finish()
}

fn stored(text: &mut Text, numbers: &store::Numbers) {
    for (name, kind, help, value) in [
        ("segwall_store_flows_total", "counter", "Flows that were stored.", numbers.flows),
        ("segwall_store_lost_total", "counter", "Flows, alerts, events and sums that were not stored.", numbers.lost),
        ("segwall_store_errors_total", "counter", "Failures to write, or to remove what is old.", numbers.errors),
        ("segwall_store_waiting_flows", "gauge", "Flows in memory that wait to be stored.", numbers.waiting),
        ("segwall_store_files", "gauge", "Files of flows.", numbers.files),
        ("segwall_store_bytes", "gauge", "Bytes that the store takes on the disk.", numbers.bytes),
    ] {
        text.single(name, kind, help, value);
    }
}

fn collector(text: &mut Text, numbers: &Numbers) {
    let up = u64::from(matches!(numbers.connection, Connection::Up { .. }));
    for (name, kind, help, value) in [
        ("segwall_forward_connected", "gauge", "Whether the collector of the log is connected.", up),
        ("segwall_forwarded_messages_total", "counter", "Messages that the collector acknowledged.", numbers.sent),
        ("segwall_forward_lost_messages_total", "counter", "Messages that never arrive.", numbers.lost.messages()),
        ("segwall_forward_queued_messages", "gauge", "Messages that wait or are on their way.", numbers.queued),
        ("segwall_forward_spool_bytes", "gauge", "Bytes of the spool on the disk.", numbers.spool_bytes),
        (
            "segwall_forward_connections_total",
            "counter",
            "Connections to the collector that were made.",
            numbers.connections,
        ),
    ] {
        text.single(name, kind, help, value);
    }
}

fn refused(text: &mut Text, totals: &Totals, network: &Network) {
    let name = "segwall_dropped_packets_total";
    text.metric(name, "counter", "Packets refused, by where they came in and why; exact, from the kernel's counters.");
    for ((input, reason), packets) in &totals.refused {
        let segment = network.name(network.behind(*input));
        let labels = [("interface", input.as_str()), ("reason", reason.word()), ("segment", segment.as_str())];
        text.sample(name, &labels, *packets);
    }
    let name = "segwall_dropped_pair_packets_total";
    text.metric(
        name,
        "counter",
        "Packets refused, by the interfaces between which; exact, from the kernel's counters.",
    );
    for ((input, output), packets) in &totals.refused_pairs {
        text.sample(name, &[("in", input.as_str()), ("out", output.as_str())], *packets);
    }
    text.single(
        "segwall_logged_packets_total",
        "counter",
        "Packets that rules logged and that were read.",
        totals.logged,
    );
}

fn connections(text: &mut Text, totals: &Totals, network: &Network) {
    if let Some((count, max)) = totals.conntrack {
        text.single("segwall_conntrack_entries", "gauge", "Connections that the kernel follows.", count);
        text.single(
            "segwall_conntrack_entries_limit",
            "gauge",
            "Connections that the kernel can follow; 0: no limit.",
            max,
        );
    }
    type Of = fn(&crate::totals::Connections) -> u64;
    let list: [(&str, &str, Of); 3] = [
        ("segwall_connections_begun_total", "Connections that were accepted, by zones.", |one| one.began),
        ("segwall_connections_ended_total", "Connections that ended, by zones.", |one| one.ended),
        (
            "segwall_connections_unanswered_total",
            "Ended connections that nobody answered, or the other end refused.",
            |one| one.unanswered,
        ),
    ];
    for (name, help, of) in list {
        text.metric(name, "counter", help);
        for ((from, to), one) in &totals.connections {
            text.sample(name, &[("from", &network.name(*from)), ("to", &network.name(*to))], of(one));
        }
    }
}

/// Of open connections too, as they were listed last.
fn traffic(text: &mut Text, carried: &BTreeMap<(Zone, Zone), Carried>, network: &Network) {
    type Of = fn(&Carried) -> u64;
    let list: [(&str, &str, Of); 4] = [
        ("segwall_connection_sent_bytes_total", "IP bytes sent by openers of connections.", |one| one.sent.bytes),
        ("segwall_connection_sent_packets_total", "Packets sent by openers of connections.", |one| one.sent.packets),
        ("segwall_connection_received_bytes_total", "IP bytes sent back on connections.", |one| one.received.bytes),
        ("segwall_connection_received_packets_total", "Packets sent back on connections.", |one| one.received.packets),
    ];
    for (name, help, of) in list {
        text.metric(name, "counter", help);
        for ((from, to), one) in carried {
            text.sample(name, &[("from", &network.name(*from)), ("to", &network.name(*to))], of(one));
        }
    }
}

fn alerts(text: &mut Text, totals: &Totals, open: &BTreeMap<Kind, u64>, silenced: u64) {
    text.metric("segwall_alerts_total", "counter", "Alerts that began, by kind.");
    for kind in Kind::ALL {
        text.sample("segwall_alerts_total", &[("kind", kind.word())], totals.alerts.get(&kind).copied().unwrap_or(0));
    }
    text.metric("segwall_alerts_open", "gauge", "Alerts that are open, by kind.");
    for kind in Kind::ALL {
        text.sample("segwall_alerts_open", &[("kind", kind.word())], open.get(&kind).copied().unwrap_or(0));
    }
    let help = "Alerts that nobody was told of, because the policy has a silence.";
    text.single("segwall_alerts_silenced_total", "counter", help, silenced);
}

fn losses(text: &mut Text, totals: &Totals, lost: &Lost, lines_lost: u64, uncounted: u64) {
    let name = "segwall_lost_records_total";
    text.metric(name, "counter", "Records that the kernel could not hand over, by source.");
    for (source, word) in [
        (Source::Packets, "packets"),
        (Source::Connections, "connections"),
        (Source::Links, "links"),
        (Source::Log, "log"),
    ] {
        text.sample(name, &[("source", word)], totals.lost.get(&source).copied().unwrap_or(0));
    }
    let name = "segwall_forgotten_total";
    text.metric(name, "counter", "What detectors had to forget at their limits, by table.");
    for (table, count) in [
        ("scans", lost.scans),
        ("peers", lost.peers),
        ("rates", lost.rates),
        ("management", lost.management),
        ("cards", lost.cards),
        ("pairs", lost.pairs),
        ("alerts", lost.alerts),
        ("totals", totals.pairs_lost),
        ("traffic", uncounted),
    ] {
        text.sample(name, &[("table", table)], count);
    }
    text.single("segwall_log_lines_lost_total", "counter", "Lines of logs that never reached the disk.", lines_lost);
}

fn receivers(text: &mut Text, told: &BTreeMap<String, Told>) {
    type Of = fn(&Told) -> u64;
    let list: [(&str, &str, &str, Of); 4] = [
        ("segwall_notifications_total", "counter", "Messages about alerts that were taken.", |one| one.sent),
        (
            "segwall_notification_failures_total",
            "counter",
            "Messages that were not taken and are tried again.",
            |one| one.failed,
        ),
        ("segwall_notices_lost_total", "counter", "Alerts that could not be told to a receiver.", |one| one.lost),
        ("segwall_notices_waiting", "gauge", "Alerts that wait to be told.", |one| one.waiting),
    ];
    for (name, kind, help, of) in list {
        text.metric(name, kind, help);
        for (receiver, one) in told {
            text.sample(name, &[("receiver", receiver)], of(one));
        }
    }
}
