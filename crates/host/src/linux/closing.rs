//! Cuts open connections that new rules forbid.
//!
//! Rules accept what connection tracking knows. So in the transaction that brings the new rules a table of its own drops
//! the packets of every connection that they forbid; then these are taken out of connection tracking, and the table goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use segwall_core::plan::closing::{Connection, Judge};
use segwall_packetset::proto;

use super::Linux;
use crate::apply::{Compiled, HostError};
use crate::conntrack::{Conntrack, ConntrackError, Entry, Key, Tuple};

/// The table's name (family `inet`).
pub(super) const TABLE: &str = "segwall_closing";
/// Connections that are closed in the transaction itself; further ones are cut right after it.
pub const CLOSED_MAX: usize = 65_536;
/// Connections are looked at again this often after a load, for those that came in before it.
const ROUNDS_MAX: usize = 16;
/// Before our filter chains, which are at `filter`.
const PRIORITY: &str = "filter - 5";

/// Removes the table, where there is one.
pub(super) fn gone() -> String {
    format!("add table inet {TABLE}\ndelete table inet {TABLE}\n")
}

/// Connections that the new rules forbid.
pub(super) struct Closing {
    conntrack: Conntrack,
    judge: Judge,
    before: Option<Judge>,
    forbidden: BTreeMap<Tuple, Connection>,
}

impl Closing {
    pub(super) fn find(linux: &Linux, from: Option<&Compiled>, to: &Compiled) -> Result<Self, HostError> {
        let addresses = linux.addresses()?;
        let judge = |compiled: &Compiled| Judge::new(&compiled.ruleset, &addresses, linux.instant_of(compiled));
        let conntrack = Conntrack::open().map_err(unlisted)?;
        let mut closing = Self { conntrack, judge: judge(to), before: from.map(judge), forbidden: BTreeMap::new() };
        closing.forbidden = closing.list()?;
        Ok(closing)
    }

    pub(super) fn len(&self) -> usize {
        self.forbidden.len()
    }

    fn list(&mut self) -> Result<BTreeMap<Tuple, Connection>, HostError> {
        let entries = self.conntrack.list().map_err(unlisted)?;
        let placed = entries.iter().map(|entry| (entry.original, connection(entry)));
        Ok(placed.filter(|(_, connection)| self.judge.forbids(connection, self.before.as_ref())).collect())
    }

    /// Text for the transaction: what an interrupted load left goes, and what is forbidden is dropped.
    pub(super) fn table(&self) -> String {
        let mut text = gone();
        if self.forbidden.is_empty() {
            return text;
        }
        let mut sets: [BTreeSet<String>; 4] = Default::default();
        for connection in self.forbidden.values().take(CLOSED_MAX) {
            let at = usize::from(!connection.src.is_ipv4()) + if proto::has_ports(connection.proto) { 0 } else { 2 };
            sets[at].insert(element(connection));
        }
        let _ = writeln!(text, "table inet {TABLE} {{");
        for ((name, kind), elements) in SETS.iter().zip(&sets) {
            let list = elements.iter().map(String::as_str).collect::<Vec<_>>().join(",\n");
            let elements = if list.is_empty() { String::new() } else { format!(" elements = {{ {list} }}") };
            let _ = writeln!(text, "set {name} {{ type {kind};{elements}\n}}");
        }
        let _ = writeln!(text, "chain close {{");
        for (ip, end) in [("ip", "v4"), ("ip6", "v6")] {
            for (direction, from, to) in [("original", "s", "d"), ("reply", "d", "s")] {
                let ends = format!("ct direction {direction} {ip} {from}addr . {ip} {to}addr . meta l4proto");
                let _ = writeln!(text, "{ends} . th {from}port . th {to}port @ports_{end} drop");
                let _ = writeln!(text, "{ends} @plain_{end} drop");
            }
        }
        text.push_str("}\n");
        for hook in ["input", "forward", "output"] {
            let _ = writeln!(
                text,
                "chain {hook} {{ type filter hook {hook} priority {PRIORITY}; policy accept; jump close; }}"
            );
        }
        text.push_str("}\n");
        text
    }

    /// Takes what is forbidden out of connection tracking, and what came in before the new rules did. How many.
    pub(super) fn cut(mut self) -> Result<usize, HostError> {
        let mut cut = BTreeSet::new();
        let mut now = std::mem::take(&mut self.forbidden);
        for _ in 0..ROUNDS_MAX {
            let tuples: Vec<Tuple> = now.keys().copied().collect();
            self.conntrack
                .remove(&tuples)
                .map_err(|error| HostError::new("cut connections that are forbidden", error))?;
            cut.extend(tuples);
            now = self.list()?;
            if now.is_empty() {
                break;
            }
        }
        Ok(cut.len())
    }
}

const SETS: [(&str, &str); 4] = [
    ("ports_v4", "ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service"),
    ("ports_v6", "ipv6_addr . ipv6_addr . inet_proto . inet_service . inet_service"),
    ("plain_v4", "ipv4_addr . ipv4_addr . inet_proto"),
    ("plain_v6", "ipv6_addr . ipv6_addr . inet_proto"),
];

/// As its packets look where the filter sees them: after a port forward, before a source is replaced.
fn element(connection: &Connection) -> String {
    let Connection { src, dst, proto: number, sport, dport, .. } = connection;
    let ports = if proto::has_ports(*number) { format!(" . {sport} . {dport}") } else { String::new() };
    format!("{src} . {dst} . {number}{ports}")
}

/// The reply's source is who was reached in the end.
fn connection(entry: &Entry) -> Connection {
    let ports = |tuple: &Tuple| match tuple.key {
        Key::Ports { src, dst } if proto::has_ports(tuple.proto) => (src, dst),
        Key::Ports { .. } | Key::EchoId(_) | Key::None => (0, 0),
    };
    let ((sport, sent_dport), (dport, _)) = (ports(&entry.original), ports(&entry.reply));
    Connection {
        proto: entry.original.proto,
        src: entry.original.src,
        sent_to: entry.original.dst,
        dst: entry.reply.src,
        sport,
        sent_dport,
        dport,
    }
}

fn unlisted(error: ConntrackError) -> HostError {
    HostError::new("look for open connections that are forbidden; is the module nf_conntrack_netlink missing?", error)
}
