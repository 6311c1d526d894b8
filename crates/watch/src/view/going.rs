//! Open connections and hosts with their rates, between two listings of the kernel's table. Only while somebody looks on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::event::{At, Connection, Tuple};
use crate::network::Zone;

/// Open connections in a view.
pub const FLOWS_MAX: usize = 500;
/// Hosts of one zone in a view.
pub const TALKERS_OF_ZONE_MAX: usize = 20;
/// Hosts in a view.
pub const TALKERS_MAX: usize = 4_096;
/// Open connections whose sums are remembered for their rates; more have none.
const OPEN_MAX: usize = 131_072;

/// Bytes in both directions.
type Bytes = (u64, u64);

/// A connection with bytes a second in both directions.
#[derive(Debug, Clone, Copy)]
pub struct GoingOn {
    /// The connection as it was listed.
    pub connection: Connection,
    /// Bytes a second.
    pub rate: Bytes,
}

/// A host's sums with bytes a second: sent by it, sent to it.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Where it is.
    pub zone: Zone,
    /// Its address.
    pub addr: IpAddr,
    /// Bytes a second.
    pub rate: Bytes,
}

/// What one listing told, and the one before.
#[derive(Debug, Default)]
pub struct Going {
    /// By tuple and the kernel's number.
    before: HashMap<(Tuple, u32), Bytes>,
    now: HashMap<(Tuple, u32), Bytes>,
    began: Option<At>,
    /// The busiest of the listing that is under way; twice as many as are shown before it is cut.
    listing: Vec<GoingOn>,
    count: u64,
    hosts_before: HashMap<(Zone, IpAddr), Bytes>,
    /// As of the last whole listing.
    listed: Listed,
}

/// The last whole listing.
#[derive(Debug, Default)]
pub struct Listed {
    /// When it was.
    pub at: Option<At>,
    /// Connections, the busiest first.
    pub flows: Vec<GoingOn>,
    /// How many there were.
    pub count: u64,
    /// The busiest hosts of each zone, by zone.
    pub hosts: Vec<Host>,
    /// Hosts that are known, by zone.
    pub known: BTreeMap<Zone, u64>,
}

impl Going {
    /// A connection of the listing that is under way.
    pub fn connection(&mut self, connection: &Connection) {
        self.count += 1;
        let sums = (connection.sent.bytes, connection.received.bytes);
        if self.now.len() < OPEN_MAX {
            self.now.insert((connection.original, connection.id), sums);
        }
        // One that began since is new with all that it carried; before the first listing nothing can be said.
        let before = self.before.get(&(connection.original, connection.id)).copied();
        let more = match (before, self.listed.at) {
            (Some(before), _) => (sums.0.saturating_sub(before.0), sums.1.saturating_sub(before.1)),
            (None, Some(_)) if self.before.len() < OPEN_MAX => sums,
            (None, _) => (0, 0),
        };
        self.listing.push(GoingOn { connection: *connection, rate: more });
        if self.listing.len() >= 2 * FLOWS_MAX {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.listing.sort_by_key(|one| Reverse(busy(one)));
        self.listing.truncate(FLOWS_MAX);
    }

    /// The listing has ended: rates are what came since the one before.
    pub fn listed(&mut self, at: At, hosts: impl Iterator<Item = (Zone, IpAddr, Bytes)>) {
        self.cut();
        let span_ms = self.began.map(|began| (at.0 - began.0) / 1_000);
        let rate = |more: u64| match span_ms.and_then(|span| u64::try_from(span).ok()) {
            Some(span) if span > 0 => more.saturating_mul(1_000) / span,
            _ => 0,
        };
        let mut flows = std::mem::take(&mut self.listing);
        flows.iter_mut().for_each(|flow| flow.rate = (rate(flow.rate.0), rate(flow.rate.1)));
        let (mut busiest, mut known) = (Vec::new(), BTreeMap::<Zone, u64>::new());
        let mut hosts_now = HashMap::new();
        for (zone, addr, sums) in hosts {
            hosts_now.insert((zone, addr), sums);
            *known.entry(zone).or_default() += 1;
            let before = self.hosts_before.get(&(zone, addr)).copied().unwrap_or(match self.listed.at {
                Some(_) => (0, 0),
                None => sums,
            });
            let more = (sums.0.saturating_sub(before.0), sums.1.saturating_sub(before.1));
            busiest.push((Host { zone, addr, rate: (rate(more.0), rate(more.1)) }, sums));
        }
        busiest.sort_by_key(|(host, sums)| {
            (host.zone, Reverse(host.rate.0 + host.rate.1), Reverse(sums.0.saturating_add(sums.1)), host.addr)
        });
        let (mut of_zone, mut last) = (0, None);
        busiest.retain(|(host, _)| {
            of_zone = if last == Some(host.zone) { of_zone + 1 } else { 1 };
            last = Some(host.zone);
            of_zone <= TALKERS_OF_ZONE_MAX
        });
        busiest.truncate(TALKERS_MAX);
        self.listed = Listed {
            at: Some(at),
            flows,
            count: std::mem::take(&mut self.count),
            hosts: busiest.into_iter().map(|(host, _)| host).collect(),
            known,
        };
        self.hosts_before = hosts_now;
        self.before = std::mem::take(&mut self.now);
        self.began = Some(at);
    }

    /// The last whole listing.
    pub fn last(&self) -> &Listed {
        &self.listed
    }
}

/// What came since the last listing, then all that it carried.
fn busy(one: &GoingOn) -> (u64, u64) {
    let all = one.connection.sent.bytes.saturating_add(one.connection.received.bytes);
    (one.rate.0.saturating_add(one.rate.1), all)
}
