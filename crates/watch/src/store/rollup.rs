//! Sums per minute, hour and day: between zones, of addresses, of ports. Each bucket has a bound: the smallest are put
//! together as "others", so a scan from a million addresses costs no more than an ordinary day.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::flow::Increment;
use crate::event::Volume;
use crate::traffic::OTHERS;

/// The length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s, from midnight UTC.
    Day,
}

impl Step {
    /// Every step, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// When the bucket begins that holds this second.
    #[must_use]
    pub fn begin(self, second: i64) -> i64 {
        second.div_euclid(self.seconds()) * self.seconds()
    }

    /// Rows of each sort that a bucket may have while it is open; a closed one has half as many at most.
    #[must_use]
    pub fn rows_max(self) -> usize {
        match self {
            Self::Minute => 1_024,
            Self::Hour | Self::Day => 2_048,
        }
    }
}

/// A zone's number in the store.
pub type ZoneId = u32;

/// What is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Connections from a zone to a zone.
    Pair(ZoneId, ZoneId),
    /// Pairs that are not told apart.
    OtherPairs,
    /// What an address in a zone sent and received.
    Talker(ZoneId, IpAddr),
    /// Addresses that are not told apart.
    OtherTalkers,
    /// What went to a port, and back.
    Port(u8, u16),
    /// Ports that are not told apart.
    OtherPorts,
}

/// The sort of a key; each is bounded by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// Pairs of zones.
    Pairs,
    /// Addresses.
    Talkers,
    /// Ports.
    Ports,
}

impl Sort {
    const ALL: [Self; 3] = [Self::Pairs, Self::Talkers, Self::Ports];

    /// Its number in the store.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Pairs => 0,
            Self::Talkers => 1,
            Self::Ports => 2,
        }
    }

    fn others(self) -> Key {
        match self {
            Self::Pairs => Key::OtherPairs,
            Self::Talkers => Key::OtherTalkers,
            Self::Ports => Key::OtherPorts,
        }
    }
}

/// The number that stands for "others" where a zone or protocol stands else.
const NOBODY: i64 = -1;

impl Key {
    /// Its sort.
    #[must_use]
    pub fn sort(self) -> Sort {
        match self {
            Self::Pair(..) | Self::OtherPairs => Sort::Pairs,
            Self::Talker(..) | Self::OtherTalkers => Sort::Talkers,
            Self::Port(..) | Self::OtherPorts => Sort::Ports,
        }
    }

    /// As the store has it.
    #[must_use]
    pub fn columns(self) -> (i64, Vec<u8>) {
        match self {
            Self::Pair(from, to) => (i64::from(from), to.to_be_bytes().to_vec()),
            Self::Talker(zone, addr) => (i64::from(zone), octets(addr)),
            Self::Port(proto, port) => (i64::from(proto), port.to_be_bytes().to_vec()),
            Self::OtherPairs | Self::OtherTalkers | Self::OtherPorts => (NOBODY, Vec::new()),
        }
    }

    /// From the store's columns; `None` where they make no sense.
    #[must_use]
    pub fn of_columns(sort: Sort, a: i64, b: &[u8]) -> Option<Self> {
        if a == NOBODY {
            return Some(sort.others());
        }
        Some(match sort {
            Sort::Pairs => Self::Pair(a.try_into().ok()?, u32::from_be_bytes(b.try_into().ok()?)),
            Sort::Talkers => Self::Talker(a.try_into().ok()?, address(b)?),
            Sort::Ports => Self::Port(a.try_into().ok()?, u16::from_be_bytes(b.try_into().ok()?)),
        })
    }
}

/// An address as bytes, four or sixteen.
#[must_use]
pub fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An address of four or sixteen bytes.
#[must_use]
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Connections that ended.
    pub flows: u64,
    /// Sent: by the opener, or by the address.
    pub sent: Volume,
    /// Received.
    pub received: Volume,
}

impl Sums {
    /// Adds; stops at the largest number.
    pub fn add(&mut self, more: &Self) {
        self.flows = self.flows.saturating_add(more.flows);
        for (sum, more) in [(&mut self.sent, more.sent), (&mut self.received, more.received)] {
            sum.packets = sum.packets.saturating_add(more.packets);
            sum.bytes = sum.bytes.saturating_add(more.bytes);
        }
    }

    /// The same, seen from the other end.
    #[must_use]
    pub fn back(&self) -> Self {
        Self { flows: self.flows, sent: self.received, received: self.sent }
    }

    /// What decides who is large: bytes, then flows.
    #[must_use]
    pub fn weight(&self) -> (u64, u64) {
        (self.sent.bytes.saturating_add(self.received.bytes), self.flows)
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    total: Sums,
    unsaved: Sums,
    is_saved: bool,
}

/// The sums of one minute, hour or day.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its length.
    pub step: Step,
    /// The second it begins with.
    pub begin: i64,
    /// What the store has of it was read.
    pub is_loaded: bool,
    cells: BTreeMap<Key, Cell>,
    dropped: Vec<Key>,
}

impl Bucket {
    fn new(step: Step, begin: i64) -> Self {
        Self { step, begin, is_loaded: false, cells: BTreeMap::new(), dropped: Vec::new() }
    }

    fn add(&mut self, key: Key, more: &Sums) {
        let cell = self.cells.entry(key).or_default();
        cell.total.add(more);
        cell.unsaved.add(more);
        // Twice the bound before anything is put together: sorting is rare.
        if self.cells.len() > 2 * Sort::ALL.len() * self.step.rows_max() {
            self.bound();
        }
    }

    /// What the store has already, from before a restart.
    pub fn load(&mut self, key: Key, saved: &Sums) {
        let cell = self.cells.entry(key).or_default();
        cell.total.add(saved);
        cell.is_saved = true;
    }

    /// Keeps what an open bucket may have; then half of it, so that whoever is next does not begin it again at once.
    pub fn bound(&mut self) {
        self.keep(self.step.rows_max(), self.step.rows_max() / 2);
    }

    /// Keeps the largest of each sort, and puts the others together.
    fn keep(&mut self, rows_max: usize, left: usize) {
        for sort in Sort::ALL {
            let mut keys: Vec<(Key, (u64, u64))> = self
                .cells
                .iter()
                .filter(|(key, _)| key.sort() == sort && **key != sort.others())
                .map(|(key, cell)| (*key, cell.total.weight()))
                .collect();
            if keys.len() <= rows_max {
                continue;
            }
            keys.sort_unstable_by_key(|(key, weight)| (std::cmp::Reverse(*weight), *key));
            let mut others = Sums::default();
            for (key, _) in keys.drain(left..) {
                let Some(cell) = self.cells.remove(&key) else { continue };
                others.add(&cell.total);
                if cell.is_saved {
                    self.dropped.push(key);
                }
            }
            let cell = self.cells.entry(sort.others()).or_default();
            cell.total.add(&others);
            cell.unsaved.add(&others);
        }
    }

    /// Rows that must go, since others hold what they held. They go before what is unsaved is added.
    #[must_use]
    pub fn dropped(&self) -> &[Key] {
        &self.dropped
    }

    /// What the store has not yet.
    pub fn unsaved(&self) -> impl Iterator<Item = (Key, &Sums)> {
        self.cells.iter().filter(|(_, cell)| !cell.unsaved.is_nothing()).map(|(key, cell)| (*key, &cell.unsaved))
    }

    fn saved(&mut self) {
        self.dropped.clear();
        for cell in self.cells.values_mut().filter(|cell| !cell.unsaved.is_nothing()) {
            (cell.unsaved, cell.is_saved) = (Sums::default(), true);
        }
    }

    /// Rows in memory.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.len()
    }
}

/// Closed buckets that wait for a disk; more are lost.
const WAITING_MAX: usize = 16;

/// The open buckets, and those that are closed and not yet saved.
#[derive(Debug, Clone, Default)]
pub struct Rollups {
    open: BTreeMap<Step, Bucket>,
    closed: Vec<Bucket>,
    /// Connections whose sums never reached the store.
    pub lost: u64,
}

impl Rollups {
    /// Adds what went, between zones of these numbers.
    pub fn add(&mut self, from: ZoneId, to: ZoneId, increment: &Increment) {
        let Increment { at, between, carried } = *increment;
        let sums = Sums { flows: carried.ended, sent: carried.sent, received: carried.received };
        let talker = |zone, addr| if addr == OTHERS { Key::OtherTalkers } else { Key::Talker(zone, addr) };
        let port = (between.dport != 0).then_some(Key::Port(between.proto, between.dport));
        for step in Step::ALL {
            let begin = step.begin(at.second());
            let bucket = self.open.entry(step).or_insert_with(|| Bucket::new(step, begin));
            if bucket.begin != begin {
                // The clock went on, or was set: each instant has its own bucket either way.
                let mut done = std::mem::replace(bucket, Bucket::new(step, begin));
                done.keep(step.rows_max() / 2, step.rows_max() / 2);
                if self.closed.len() >= WAITING_MAX {
                    let oldest = self.closed.remove(0);
                    let of_pairs = oldest.unsaved().filter(|(key, _)| key.sort() == Sort::Pairs);
                    self.lost = self.lost.saturating_add(of_pairs.map(|(_, sums)| sums.flows).sum());
                }
                self.closed.push(done);
            }
            bucket.add(Key::Pair(from, to), &sums);
            bucket.add(talker(from, between.src), &sums);
            bucket.add(talker(to, between.dst), &sums.back());
            port.into_iter().for_each(|port| bucket.add(port, &sums));
        }
    }

    /// Every bucket with something to save.
    pub fn buckets(&mut self) -> impl Iterator<Item = &mut Bucket> {
        self.closed.iter_mut().chain(self.open.values_mut())
    }

    /// All of it reached the store.
    pub fn saved(&mut self) {
        self.closed.clear();
        self.open.values_mut().for_each(Bucket::saved);
    }

    /// The store is another one: nothing that was read of the old one holds.
    pub fn begin_anew(&mut self) {
        self.closed.clear();
        self.open.clear();
    }
}
