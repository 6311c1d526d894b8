//! What was counted since the start, for whoever measures: a pure fold like the state, with bounds.

use std::collections::BTreeMap;

use crate::alert::{Alert, Kind, Phase};
use crate::event::{Answer, Connection, Counted, Event, Iface, Reason, Source, Verdict};
use crate::network::{Network, Zone};

/// Pairs of zones or interfaces that are counted apart; what comes later is counted as lost.
pub const PAIRS_MAX: usize = 16_384;

/// Connections between two zones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// That began.
    pub began: u64,
    /// That ended.
    pub ended: u64,
    /// Of these, that nobody answered or that were refused by the other end.
    pub unanswered: u64,
}

/// Everything that is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Refused packets by the interface they came in by and the reason, exact, since the table was loaded.
    pub refused: BTreeMap<(Iface, Reason), u64>,
    /// Refused packets by the interfaces between which, exact, since the table was loaded.
    pub refused_pairs: BTreeMap<(Iface, Iface), u64>,
    /// Packets that were logged, and read here.
    pub logged: u64,
    /// Connections by zones.
    pub connections: BTreeMap<(Zone, Zone), Connections>,
    /// Records that sources lost.
    pub lost: BTreeMap<Source, u64>,
    /// Pairs that were not counted apart.
    pub pairs_lost: u64,
    /// Connections that the kernel follows, and can follow.
    pub conntrack: Option<(u64, u64)>,
    /// Whether Segwall's table is in the kernel.
    pub table: Option<bool>,
    /// Alerts that began, by kind.
    pub alerts: BTreeMap<Kind, u64>,
}

impl Totals {
    /// Something happened.
    pub fn event(&mut self, network: &Network, event: &Event) {
        match event {
            Event::Packet(packet) => {
                let counts = match packet.verdict {
                    Verdict::Accepted | Verdict::Refused(_) | Verdict::Noted => 1,
                };
                self.logged += counts;
            }
            Event::Began(connection) => self.connection(network, connection, |one| one.began += 1),
            Event::Ended(connection) => self.connection(network, connection, |one| {
                one.ended += 1;
                one.unanswered += u64::from(matches!(connection.answer, Answer::None | Answer::Refused));
            }),
            Event::Counters(readings) => {
                // What is not in the kernel any more counts no longer.
                self.refused.clear();
                self.refused_pairs.clear();
                for reading in readings {
                    match reading.counted {
                        Counted::Pair { input, output } if self.refused_pairs.len() < PAIRS_MAX => {
                            self.refused_pairs.insert((input, output), reading.packets);
                        }
                        Counted::Input { input, reason } if self.refused.len() < PAIRS_MAX => {
                            self.refused.insert((input, reason), reading.packets);
                        }
                        Counted::Pair { .. } | Counted::Input { .. } => self.pairs_lost += 1,
                    }
                }
            }
            Event::Conntrack { count, max } => self.conntrack = Some((*count, *max)),
            Event::Table { there } => self.table = Some(*there),
            Event::Lost { source, count } => *self.lost.entry(*source).or_default() += count,
            Event::Standing(_)
            | Event::Going(_)
            | Event::Listed
            | Event::Neighbour { .. }
            | Event::Lease { .. }
            | Event::Link { .. }
            | Event::OwnAddress { .. }
            | Event::Drift { .. }
            | Event::DhcpServer { .. }
            | Event::Tick => {}
        }
    }

    fn connection(&mut self, network: &Network, connection: &Connection, count: impl FnOnce(&mut Connections)) {
        let ends = network.ends_of(connection);
        let pair = (ends.from, ends.to);
        if !self.connections.contains_key(&pair) && self.connections.len() >= PAIRS_MAX {
            self.pairs_lost += 1;
            return;
        }
        count(self.connections.entry(pair).or_default());
    }

    /// Another policy: segments are known by their names again, and those that are gone are forgotten.
    pub fn renamed(&mut self, before: &Network, now: &Network) {
        let old = std::mem::take(&mut self.connections);
        for ((from, to), one) in old {
            if let (Some(from), Some(to)) = (now.again(before, from), now.again(before, to)) {
                self.connections.insert((from, to), one);
            }
        }
    }

    /// Something was told.
    pub fn alert(&mut self, alert: &Alert) {
        if alert.phase == Phase::Open {
            *self.alerts.entry(alert.kind).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Reading;

    #[test]
    fn counters_are_those_of_the_kernel_and_nothing_grows_without_bound() {
        let mut totals = Totals::default();
        let network = Network::unknown();
        let reading = |name: String, packets| Reading {
            counted: Counted::Pair { input: Iface::new(name.as_bytes()), output: Iface::NONE },
            packets,
        };
        let many = (0..PAIRS_MAX + 5).map(|number| reading(format!("e{number}"), 1)).collect();
        totals.event(&network, &Event::Counters(many));
        assert_eq!((totals.refused_pairs.len(), totals.pairs_lost), (PAIRS_MAX, 5));
        totals.event(&network, &Event::Counters(vec![reading("e1".to_owned(), 7)]));
        assert_eq!(totals.refused_pairs.values().collect::<Vec<_>>(), [&7]);
        totals.event(&network, &Event::Lost { source: Source::Packets, count: 3 });
        totals.event(&network, &Event::Lost { source: Source::Packets, count: 4 });
        assert_eq!(totals.lost[&Source::Packets], 7);
    }
}
