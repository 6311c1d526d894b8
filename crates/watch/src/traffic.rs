//! What connections carry, while they are open: a pure fold like the state, with bounds.
//!
//! Connection tracking tells its sums when a connection ends, and whenever the table is listed. Each listing adds what came
//! since the last one, so that a download of a day is not seen only in the evening; together they are exactly what the
//! kernel counted (`nf_conntrack_acct`), from when watching began.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use segwall_packetset::Header;

use crate::event::{Connection, Event, Tuple, Volume};
use crate::network::{Network, Zone};

/// Open connections whose sums are remembered; more are counted when they end.
pub const OPEN_MAX: usize = 262_144;
/// Pairs of zones that are counted apart.
pub const PAIRS_MAX: usize = 16_384;
/// Hosts that are counted apart; those that were silent longest make room.
pub const TALKERS_MAX: usize = 16_384;
/// Kinds of traffic between two drains; what is more loses its addresses, not its bytes.
pub const INCREMENTS_MAX: usize = 65_536;
/// The address of those who are not told apart.
pub const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Connections that ended.
    pub ended: u64,
    /// Sent by those who opened; of a host: by it.
    pub sent: Volume,
    /// Sent back; of a host: to it.
    pub received: Volume,
}

/// Whose traffic it is, as it is stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Between {
    /// Who opened.
    pub from: Zone,
    /// Who answered.
    pub to: Zone,
    /// The opener's address; [`OTHERS`] where there were too many.
    pub src: IpAddr,
    /// The answerer's address, after translation; [`OTHERS`] where there were too many.
    pub dst: IpAddr,
    /// IP protocol number.
    pub proto: u8,
    /// The answerer's port; 0 where there is none.
    pub dport: u16,
}

/// A host's sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Talker {
    carried: Carried,
    /// The listing in which it last said something.
    round: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    round: u64,
    sent: Volume,
    received: Volume,
}

/// Sums by pairs of zones and by host.
#[derive(Debug, Default)]
pub struct Traffic {
    /// By tuple and the kernel's number: pings between two hosts have one tuple, and one may follow another at once.
    open: HashMap<(Tuple, u32), Open>,
    round: u64,
    pairs: BTreeMap<(Zone, Zone), Carried>,
    talkers: HashMap<(Zone, IpAddr), Talker>,
    fresh: HashMap<Between, Carried>,
    lost: u64,
}

impl Traffic {
    /// Something happened.
    pub fn event(&mut self, network: &Network, event: &Event) {
        match event {
            // What it carried before we looked is not ours to count.
            Event::Standing(connection) => drop(self.remember(connection)),
            Event::Going(connection) => {
                let before = self.before(connection);
                // One that finds no room is counted when it ends.
                if self.remember(connection) {
                    self.add(network, connection, before, 0);
                }
            }
            Event::Ended(connection) => {
                let before = self.before(connection);
                self.open.remove(&key(connection));
                self.add(network, connection, before, 1);
            }
            Event::Listed => self.listed(),
            Event::Packet(_)
            | Event::Began(_)
            | Event::Counters(_)
            | Event::Neighbour { .. }
            | Event::Lease { .. }
            | Event::Link { .. }
            | Event::OwnAddress { .. }
            | Event::Conntrack { .. }
            | Event::Table { .. }
            | Event::Drift { .. }
            | Event::Lost { .. }
            | Event::DhcpServer { .. }
            | Event::Tick => {}
        }
    }

    fn before(&self, connection: &Connection) -> (Volume, Volume) {
        self.open.get(&key(connection)).map_or_else(Default::default, |open| (open.sent, open.received))
    }

    /// Whether there was room.
    fn remember(&mut self, connection: &Connection) -> bool {
        let key = key(connection);
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&key) {
            return false;
        }
        let Connection { sent, received, .. } = *connection;
        self.open.insert(key, Open { round: self.round, sent, received });
        true
    }

    /// Whoever was in neither of the last two is gone, and its end was lost. One is not enough: an end may wait to
    /// be read while the table is listed.
    fn listed(&mut self) {
        self.round += 1;
        let round = self.round;
        self.open.retain(|_, open| open.round + 3 > round);
    }

    fn add(&mut self, network: &Network, connection: &Connection, before: (Volume, Volume), ended: u64) {
        let carried =
            Carried { ended, sent: less(connection.sent, before.0), received: less(connection.received, before.1) };
        if carried == Carried::default() {
            return;
        }
        let ends = network.ends_of(connection);
        let between = Between {
            from: ends.from,
            to: ends.to,
            src: connection.original.src,
            dst: connection.reply.src,
            proto: connection.original.proto,
            dport: match connection.reply.header {
                Header::Ports { sport, .. } => sport,
                Header::Icmp { .. } | Header::Other => 0,
            },
        };
        let pair = (ends.from, ends.to);
        if self.pairs.len() < PAIRS_MAX || self.pairs.contains_key(&pair) {
            sum(self.pairs.entry(pair).or_default(), carried);
        } else {
            self.lost += 1;
        }
        self.talker((ends.from, between.src), carried);
        self.talker((ends.to, between.dst), Carried { sent: carried.received, received: carried.sent, ..carried });
        let is_known = self.fresh.len() < INCREMENTS_MAX || self.fresh.contains_key(&between);
        let key = if is_known { between } else { Between { src: OTHERS, dst: OTHERS, dport: 0, ..between } };
        sum(self.fresh.entry(key).or_default(), carried);
    }

    fn talker(&mut self, who: (Zone, IpAddr), carried: Carried) {
        // Nobody can measure the hosts of the internet one by one.
        if matches!(who.0, Zone::Internet) {
            return;
        }
        if self.talkers.len() >= TALKERS_MAX && !self.talkers.contains_key(&who) {
            self.forget();
        }
        let talker = self.talkers.entry(who).or_default();
        talker.round = self.round;
        sum(&mut talker.carried, carried);
    }

    /// The half that was silent longest; all at once, so that one more host does not cost a search each time.
    fn forget(&mut self) {
        let mut rounds: Vec<u64> = self.talkers.values().map(|talker| talker.round).collect();
        let middle = rounds.len() / 2;
        let (_, median, _) = rounds.select_nth_unstable(middle);
        let (median, before) = (*median, self.talkers.len());
        // In a flood all may have spoken just now: of those the busiest stay.
        let mut last: Vec<u64> = self.talkers.values().filter(|talker| talker.round == median).map(busy).collect();
        let later = self.talkers.values().filter(|talker| talker.round > median).count();
        let room = (TALKERS_MAX / 2).saturating_sub(later);
        last.sort_unstable_by(|one, other| other.cmp(one));
        let least = last.get(room).copied().unwrap_or(0);
        self.talkers.retain(|_, talker| talker.round > median || (talker.round == median && busy(talker) > least));
        self.lost += (before - self.talkers.len()) as u64;
    }

    /// By zones: who opened, who answered.
    #[must_use]
    pub fn pairs(&self) -> &BTreeMap<(Zone, Zone), Carried> {
        &self.pairs
    }

    /// By host, in no order. The internet's are not among them.
    pub fn talkers(&self) -> impl Iterator<Item = (Zone, IpAddr, Carried)> + '_ {
        self.talkers.iter().map(|((zone, addr), talker)| (*zone, *addr, talker.carried))
    }

    /// What came since this was asked last.
    pub fn drain(&mut self) -> impl Iterator<Item = (Between, Carried)> + '_ {
        self.fresh.drain()
    }

    /// Hosts that had to be forgotten, and additions to pairs that were not counted apart.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Another policy: segments are known by their names again, and those that are gone are forgotten.
    pub fn renamed(&mut self, before: &Network, now: &Network) {
        let old = std::mem::take(&mut self.pairs);
        for ((from, to), carried) in old {
            if let (Some(from), Some(to)) = (now.again(before, from), now.again(before, to)) {
                sum(self.pairs.entry((from, to)).or_default(), carried);
            }
        }
        let old = std::mem::take(&mut self.talkers);
        let again = |((zone, addr), talker)| Some(((now.again(before, zone)?, addr), talker));
        self.talkers = old.into_iter().filter_map(again).collect();
    }
}

fn key(connection: &Connection) -> (Tuple, u32) {
    (connection.original, connection.id)
}

/// All that a host sent and was sent.
fn busy(talker: &Talker) -> u64 {
    talker.carried.sent.bytes.saturating_add(talker.carried.received.bytes)
}

/// Counters only grow; one that does not is another connection's.
fn less(now: Volume, before: Volume) -> Volume {
    match (now.packets.checked_sub(before.packets), now.bytes.checked_sub(before.bytes)) {
        (Some(packets), Some(bytes)) => Volume { packets, bytes },
        _ => now,
    }
}

fn sum(to: &mut Carried, more: Carried) {
    to.ended += more.ended;
    for (to, more) in [(&mut to.sent, more.sent), (&mut to.received, more.received)] {
        to.packets = to.packets.saturating_add(more.packets);
        to.bytes = to.bytes.saturating_add(more.bytes);
    }
}

#[cfg(test)]
mod tests;
