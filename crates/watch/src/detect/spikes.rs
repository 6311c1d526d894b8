//! Drop spikes of a source, a pair of zones and a zone: above a threshold, and far above the last hours.
//!
//! Counters of the table are the truth for pairs and zones wherever they are read; a log may have been limited or lost.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Around;
use super::limits::{DROPS, DROPS_WITHIN_S, RATES_MAX, READINGS_MAX, USUAL_FACTOR};
use super::rate::Rate;
use super::table::Table;
use crate::alert::{Draft, Evidence, Kind, Subject};
use crate::event::{Counted, Iface, Packet, Reading, Reason};
use crate::network::{Ends, Zone};

/// More than so many within so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// More than this.
    pub more_than: u64,
    /// Within so many seconds.
    pub within_s: u32,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { more_than: DROPS, within_s: DROPS_WITHIN_S }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Whose {
    Source(IpAddr),
    Pair(Zone, Zone),
    Zone(Zone),
}

impl Whose {
    fn alert(self) -> (Kind, Subject) {
        match self {
            Self::Source(addr) => (Kind::DropsSource, Subject::Addr(addr)),
            Self::Pair(from, to) => (Kind::DropsPair, Subject::Pair(from, to)),
            Self::Zone(zone) => (Kind::DropsZone, Subject::Zone(zone)),
        }
    }
}

/// Rates of refused packets.
#[derive(Debug, Clone)]
pub struct Spikes {
    threshold: Threshold,
    rates: Table<Whose, Rate>,
    readings: BTreeMap<Counted, u64>,
    live: bool,
}

impl Spikes {
    /// Another threshold from now on.
    pub fn expect(&mut self, threshold: Threshold) {
        self.threshold = threshold;
    }

    pub fn new(threshold: Threshold) -> Self {
        Self { threshold, rates: Table::new(RATES_MAX), readings: BTreeMap::new(), live: false }
    }

    /// A packet was refused. What one source sends is that source's spike, not its pair's and zone's too.
    pub fn refused(&mut self, around: &mut Around<'_>, ends: Ends, packet: &Packet, reason: Reason) {
        // Answers and rests of connections are nobody's wish: a victim would be accused for answering.
        if !super::scan::is_wanted(packet) {
            return;
        }
        let evidence = Some(Evidence::of(around.at, *packet));
        let believed = reason != Reason::Spoofed && super::scan::may_be_accused(around.network, packet.src);
        if believed && self.count(around, Whose::Source(packet.src), Some(ends.from), 1, evidence) {
            return;
        }
        if !self.live
            && !self.count(around, Whose::Pair(ends.from, ends.to), None, 1, evidence)
            && ends.from != Zone::Gateway
        {
            self.count(around, Whose::Zone(ends.from), None, 1, evidence);
        }
    }

    /// Counters were read.
    pub fn read(&mut self, around: &mut Around<'_>, readings: &[Reading]) {
        let first = !self.live;
        self.live = true;
        let mut pairs: BTreeMap<(Iface, Iface), u64> = BTreeMap::new();
        let mut broadcasts: BTreeMap<Iface, u64> = BTreeMap::new();
        for reading in readings {
            if !self.readings.contains_key(&reading.counted) && self.readings.len() >= READINGS_MAX {
                self.rates.lost += 1;
                continue;
            }
            // A counter that went back was made anew, and counts from nothing.
            let more = match self.readings.insert(reading.counted, reading.packets) {
                Some(before) => reading.packets.checked_sub(before).unwrap_or(reading.packets),
                None if first => 0,
                None => reading.packets,
            };
            match reading.counted {
                Counted::Pair { input, output } => *pairs.entry((input, output)).or_default() += more,
                Counted::Input { input, reason: Reason::Broadcast } => *broadcasts.entry(input).or_default() += more,
                Counted::Input { .. } => {}
            }
        }
        for ((input, output), mut more) in pairs {
            if output.is_none() {
                // Broadcasts end at the box, are counted as a pair too, and are nobody's fault.
                more = more.saturating_sub(broadcasts.get(&input).copied().unwrap_or(0));
            }
            let (from, to) = (around.network.behind(input), around.network.behind(output));
            if more > 0 && !self.count(around, Whose::Pair(from, to), None, more, None) && from != Zone::Gateway {
                self.count(around, Whose::Zone(from), None, more, None);
            }
        }
    }

    /// Counts, and tells. True while it is told of.
    fn count(
        &mut self,
        around: &mut Around<'_>,
        whose: Whose,
        zone: Option<Zone>,
        more: u64,
        evidence: Option<Evidence>,
    ) -> bool {
        let Threshold { more_than, within_s } = self.threshold;
        if self.rates.get(&whose).is_none() {
            self.rates.insert(whose, Rate::default(), 0);
        }
        let rate = self.rates.get_mut(&whose).expect("was put there");
        let now = rate.add(around.at, within_s, more);
        let total = rate.total();
        if total.is_power_of_two() {
            self.rates.rank(&whose, total.ilog2());
        }
        // Twice a threshold's half, so that what wavers around it is one episode.
        if now <= more_than / 2 {
            return false;
        }
        let usual = self.rates.get(&whose).expect("was put there").usual(within_s);
        let (kind, subject) = whose.alert();
        let towards = evidence.map(|evidence| (evidence.packet.dst, Some(super::what_of(&evidence.packet))));
        let is_open = around.book.has(kind, subject);
        if !is_open && (now <= more_than || now <= usual.saturating_mul(USUAL_FACTOR)) {
            return false;
        }
        let mut draft = Draft::new(kind, subject, around.at);
        draft.zone = zone;
        draft.background = zone == Some(Zone::Internet);
        draft.figure = usual;
        draft.count = if is_open { more } else { now };
        if let Some((dst, what)) = towards {
            draft.towards(dst, what);
        }
        if let Some(evidence) = evidence {
            draft.show(evidence);
        }
        around.raise(draft).is_some()
    }

    pub fn lost(&self) -> u64 {
        self.rates.lost
    }

    pub fn size(&self) -> usize {
        self.rates.len()
    }
}
