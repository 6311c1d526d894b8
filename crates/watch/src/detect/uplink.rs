//! Packets on an uplink that say they come from the inside or the box.

use std::collections::BTreeMap;

use super::Around;
use super::limits::{SPOOF_WINDOW_S, SPOOFED};
use super::rate::Rate;
use crate::alert::{Draft, Evidence, Kind, Subject};
use crate::event::{Iface, Packet, Reason};
use crate::network::{Ends, Zone};

/// Spoofed packets by uplink: as many rows as the policy has uplinks.
#[derive(Debug, Clone, Default)]
pub struct UplinkSpoofs {
    rates: BTreeMap<Iface, Rate>,
}

impl UplinkSpoofs {
    /// A packet was refused.
    pub fn refused(&mut self, around: &mut Around<'_>, ends: Ends, packet: &Packet, reason: Reason) {
        if ends.from != Zone::Internet || reason != Reason::Spoofed {
            return;
        }
        let now = self.rates.entry(packet.input).or_default().add(around.at, SPOOF_WINDOW_S, 1);
        let subject = Subject::Iface(packet.input);
        let is_open = around.book.has(Kind::UplinkSpoof, subject);
        if now < SPOOFED && !is_open {
            return;
        }
        let mut draft = Draft::new(Kind::UplinkSpoof, subject, around.at).within(ends.from);
        draft.count = if is_open { 1 } else { now };
        draft.towards(packet.dst, Some(super::what_of(packet)));
        draft.show(Evidence::of(around.at, *packet));
        around.raise(draft);
    }
}
