//! What `segwall watch` wrote down, as flows of the policy that holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use segwall_core::review::Seen;
use segwall_core::ruleset::Ruleset;
use segwall_packetset::{Flow, Header, Place, Sent, proto};
use segwall_watch::store::flow;
use segwall_watch::store::read::{Period, ReadError, Reader};
use segwall_watch::{At, Network, live};
use serde_json::Value;

use crate::exit::Failure;
use crate::journal::{self, text};
use crate::load::Checked;
use crate::router;

/// Kinds of flows that are told apart; a log full of others is a flood.
const KINDS_MAX: usize = 200_000;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Those that were refused because nothing names them.
    Unnamed,
    /// Those that passed, and were written down.
    Accepted,
}

/// Flows of the log of packets, and since when it goes.
#[derive(Debug, Default)]
pub struct Log {
    /// By kind: the source's port is nobody's choice.
    pub seen: Vec<Seen>,
    /// There were more kinds than are told apart.
    pub is_cut: bool,
    /// The first line's time, seconds since 1970.
    pub since_s: Option<i64>,
}

/// Reads the log below a directory, from an instant on. Sources that scanned are left out: what they tried nobody needs.
pub fn log(dir: &Path, ruleset: &Ruleset, wanted: Wanted, from_s: i64) -> Result<Log, Failure> {
    let scanners = scanners(dir, from_s)?;
    let mut kinds = Kinds::default();
    journal::each(dir, "drops.jsonl", |value| {
        let Some(at_s) = text(value, "at").parse::<Timestamp>().ok().map(Timestamp::as_second) else { return };
        if at_s < from_s {
            return;
        }
        let is_wanted = match wanted {
            Wanted::Unnamed => text(value, "reason") == "unnamed",
            Wanted::Accepted => text(value, "verdict") == "accept",
        };
        let flow = is_wanted.then(|| line(value, ruleset)).flatten();
        kinds.saw(flow.filter(|flow| !scanners.contains(&flow.src.to_string())), at_s);
    })?;
    Ok(kinds.log())
}

fn scanners(dir: &Path, from_s: i64) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    match journal::each(dir, "alerts.jsonl", |value| {
        let at_s = text(value, "last").parse::<Timestamp>().map_or(i64::MAX, Timestamp::as_second);
        if at_s >= from_s && text(value, "kind").starts_with("scan-") {
            found.insert(text(value, "source").to_owned());
        }
    }) {
        // No alert was ever written down.
        Err(Failure::Refused(_)) | Ok(()) => Ok(found),
        Err(other) => Err(other),
    }
}

/// By the interfaces that the line names; a source's port is nobody's choice, so it is one for all.
fn line(value: &Value, ruleset: &Ruleset) -> Option<Flow> {
    let place = |key: &str| match text(value, key) {
        "" => Place::Gateway,
        name => ruleset.behind(name),
    };
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let byte = |key: &str| number(key).and_then(|number| u8::try_from(number).ok());
    let (src, dst): (IpAddr, IpAddr) = (text(value, "src").parse().ok()?, text(value, "dst").parse().ok()?);
    let name = text(value, "proto");
    let protocol = proto::number(name).or_else(|| name.parse().ok())?;
    let dport = number("dport").and_then(|port| u16::try_from(port).ok());
    let header = match (dport, byte("type"), byte("code")) {
        (Some(dport), ..) => Header::Ports { sport: CLIENT_PORT, dport },
        (None, Some(kind), Some(code)) => Header::Icmp { kind, code },
        _ if proto::has_ports(protocol) => return None,
        _ => Header::Other,
    };
    Some(Flow { input: place("in"), output: place("out"), proto: protocol, src, dst, header, sent: None })
}

/// An ordinary client's port.
const CLIENT_PORT: u16 = 40_000;

/// Connections of the store that ended, from an instant on, and those that are open where the kernel tells: one that lasts
/// for weeks needs its rule too. Without a store there are only these.
pub fn flows(dir: &Path, checked: &Checked, from_s: i64) -> Result<Log, Failure> {
    let ruleset = &checked.ruleset;
    let mut kinds = Kinds::default();
    let mut network = Network::of(&checked.policy);
    if let Ok(open) = live::open_now(&mut network) {
        for one in &open {
            let stored = flow::Flow::of(&network, live::now(), one);
            kinds.count(connection(&stored, ruleset), live::now().second());
        }
    }
    let reader = match Reader::open(dir) {
        Ok(reader) => reader,
        Err(ReadError::Missing(_)) => return Ok(kinds.log()),
        Err(error) => return Err(router::failed(&error)),
    };
    let period = Period { since: At::of_s(from_s), until: At(i64::MAX) };
    reader
        .flows(
            period,
            |_| true,
            |stored| {
                kinds.saw(connection(&stored, ruleset), stored.ended.second());
            },
        )
        .map_err(|error| router::failed(&error))?;
    Ok(kinds.log())
}

/// A stored connection, as its first packet met the rules.
fn connection(stored: &flow::Flow, ruleset: &Ruleset) -> Option<Flow> {
    let (dst, header, sent) = match (stored.server, stored.header) {
        (Some(server), Header::Ports { dport, .. }) => {
            let header = Header::Ports { sport: CLIENT_PORT, dport: server.port };
            (server.addr, header, Some(Sent { dst: stored.dst, dport }))
        }
        (_, Header::Ports { dport, .. }) => (stored.dst, Header::Ports { sport: CLIENT_PORT, dport }, None),
        (_, other) => (stored.dst, other, None),
    };
    if matches!(header, Header::Other) && proto::has_ports(stored.proto) {
        return None;
    }
    let place = |zone: &str, addr| match zone {
        "gateway" => Place::Gateway,
        "internet" => ruleset.uplink().map_or(Place::Elsewhere, Place::Interface),
        name => {
            let found = ruleset.interface_ids().find(|(_, interface)| interface.zone == name);
            found.map_or_else(|| ruleset.route(addr), |(id, _)| Place::Interface(id))
        }
    };
    let (input, output) = (place(&stored.from, stored.src), place(&stored.to, dst));
    Some(Flow { input, output, proto: stored.proto, src: stored.src, dst, header, sent })
}

/// Flows by kind.
#[derive(Default)]
struct Kinds {
    kinds: BTreeMap<Flow, (u64, i64, i64)>,
    since_s: Option<i64>,
    is_cut: bool,
}

impl Kinds {
    /// One was seen; `None`: something that no rule is about, which tells only that somebody watched.
    fn saw(&mut self, flow: Option<Flow>, at_s: i64) {
        self.since_s = Some(self.since_s.map_or(at_s, |since| since.min(at_s)));
        self.count(flow, at_s);
    }

    fn count(&mut self, flow: Option<Flow>, at_s: i64) {
        let Some(flow) = flow else { return };
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&flow) {
            self.is_cut = true;
            return;
        }
        let kind = self.kinds.entry(flow).or_insert((0, at_s, at_s));
        *kind = (kind.0 + 1, kind.1.min(at_s), kind.2.max(at_s));
    }

    fn log(self) -> Log {
        let seen = self.kinds.into_iter();
        let seen = seen.map(|(flow, (count, first_s, last_s))| Seen { flow, count, first_s, last_s }).collect();
        Log { seen, is_cut: self.is_cut, since_s: self.since_s }
    }
}
