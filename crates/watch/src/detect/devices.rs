//! Cards in a segment that have no lease, no reservation, and were never seen.

use super::Around;
use super::limits::{CARD_GRACE_S, CARDS_MAX, CARDS_WAITING_MAX, LEARNING_S};
use super::table::Table;
use crate::alert::{Draft, Kind, Subject};
use crate::event::{At, Iface, Mac};
use crate::network::{Network, Zone};

/// Cards that are known, and those that still may get a lease.
#[derive(Debug, Clone)]
pub struct Devices {
    known: Table<Mac, ()>,
    waiting: Table<Mac, (At, Iface)>,
}

impl Default for Devices {
    fn default() -> Self {
        Self { known: Table::new(CARDS_MAX), waiting: Table::new(CARDS_WAITING_MAX) }
    }
}

impl Devices {
    /// The DHCP server knows it.
    pub fn leased(&mut self, mac: Mac) {
        self.waiting.remove(&mac);
        self.know(mac);
    }

    /// It was seen on a link.
    pub fn seen(&mut self, network: &Network, at: At, began: At, iface: Iface, mac: Mac) {
        // A group's address is no card's (IEEE 802, section 8.2), and all zeros is none.
        if mac[0] & 1 == 1 || mac == [0; 6] || self.known.get(&mac).is_some() || self.waiting.get(&mac).is_some() {
            return;
        }
        if !matches!(network.behind(iface), Zone::Segment(_)) {
            return;
        }
        if at.since_s(began) < LEARNING_S || network.is_reserved(mac) {
            self.know(mac);
        } else {
            self.waiting.insert(mac, (at, iface), 0);
        }
    }

    /// Time went by: who has no lease by now is unknown.
    pub fn tick(&mut self, around: &mut Around<'_>) {
        let due: Vec<(Mac, At, Iface)> = self
            .waiting
            .iter()
            .filter(|(_, (since, _))| around.at.since_s(*since) >= CARD_GRACE_S)
            .map(|(mac, (since, iface))| (*mac, *since, *iface))
            .collect();
        for (mac, since, iface) in due {
            self.waiting.remove(&mac);
            self.know(mac);
            let zone = around.network.behind(iface);
            around.raise(Draft::new(Kind::UnknownDevice, Subject::Card(iface, mac), since).within(zone));
        }
    }

    fn know(&mut self, mac: Mac) {
        if self.known.get(&mac).is_none() {
            self.known.insert(mac, (), 0);
        }
    }

    pub fn lost(&self) -> u64 {
        self.known.lost + self.waiting.lost
    }
}
