//! Which addresses can lie at a place: what questions about a zone range over.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use segwall_packetset::{AddrRange, Family, InterfaceId, Place};

use crate::policy::{SegmentId, Zone};
use crate::ruleset::{Role, Ruleset};

/// Addresses that stand in for those a provider will give: RFC 2544's, which no network uses, and RFC 3849's.
const STAND_INS: [&str; 2] = ["198.18.0.2", "2001:db8:5e9:1::2"];

/// The ruleset with an address on every uplink whose own is not known yet, so that flows to it can be spoken of.
#[must_use]
pub fn with_stand_ins(ruleset: &Ruleset) -> Cow<'_, Ruleset> {
    let mut filled = Cow::Borrowed(ruleset);
    for (id, interface) in ruleset.interface_ids() {
        if interface.role != Role::Uplink || !interface.dynamic {
            continue;
        }
        for text in STAND_INS {
            let addr: IpAddr = text.parse().expect("a constant");
            let family = Family::of(addr);
            if interface.carries(family) && !interface.addresses.iter().any(|own| Family::of(*own) == family) {
                filled.to_mut().interfaces[id.index()].addresses.push(addr);
            }
        }
    }
    filled
}

/// Whether an address is one that [`with_stand_ins`] made up.
#[must_use]
pub fn is_stand_in(addr: IpAddr) -> bool {
    STAND_INS.iter().any(|text| text.parse() == Ok(addr))
}

/// The places of a zone.
pub(super) fn places(ruleset: &Ruleset, zone: Zone) -> Vec<Place> {
    match zone {
        Zone::Segment(id) => vec![Place::Interface(InterfaceId(id.0))],
        Zone::Segments => ruleset
            .interface_ids()
            .filter(|(_, interface)| interface.role != Role::Uplink)
            .map(|(id, _)| Place::Interface(id))
            .collect(),
        Zone::Internet => ruleset.uplink().map(Place::Interface).into_iter().collect(),
        Zone::Gateway => vec![Place::Gateway],
    }
}

/// The zone of a place.
pub(super) fn zone_of(ruleset: &Ruleset, place: Place) -> Option<Zone> {
    match place {
        Place::Gateway => Some(Zone::Gateway),
        Place::Elsewhere => None,
        Place::Interface(id) => Some(match ruleset.interface(id).role {
            Role::Segment(segment) => Zone::Segment(segment),
            Role::Uplink => Zone::Internet,
        }),
    }
}

/// The zone's name in the policy.
pub(super) fn zone_name(ruleset: &Ruleset, zone: Zone) -> &str {
    match zone {
        Zone::Segment(SegmentId(at)) => &ruleset.interfaces[at as usize].zone,
        Zone::Segments => "segments",
        Zone::Internet => "internet",
        Zone::Gateway => "gateway",
    }
}

/// Which addresses lie where, worked out once for a ruleset.
pub(super) struct Ground<'r> {
    pub ruleset: Cow<'r, Ruleset>,
    /// Everything that is not inside, in the families the uplink carries.
    outside: Arc<[AddrRange]>,
    /// Every address of the box.
    own: Arc<[AddrRange]>,
}

impl<'r> Ground<'r> {
    pub fn of(ruleset: &'r Ruleset) -> Self {
        let ruleset = with_stand_ins(ruleset);
        let addresses = ruleset.interfaces.iter().flat_map(|interface| interface.addresses.iter().copied());
        let own = AddrRange::merge(addresses.map(AddrRange::single).collect());
        let outside = ruleset.uplink().map_or_else(Vec::new, |id| {
            let interface = ruleset.interface(id);
            let all: Vec<AddrRange> =
                Family::BOTH.into_iter().filter(|family| interface.carries(*family)).map(AddrRange::all).collect();
            let inside = AddrRange::merge(ruleset.inside.iter().chain(&own).copied().collect());
            subtract(&all, &inside)
        });
        Self { outside: outside.into(), own: own.into(), ruleset }
    }

    /// Sources that may come from a place: sorted, merged.
    pub fn sources(&self, from: Place) -> Arc<[AddrRange]> {
        match from {
            // The box may speak with any of its addresses, wherever the packet leaves.
            Place::Gateway => self.own.clone(),
            Place::Interface(id) => self.beyond(id),
            Place::Elsewhere => Arc::new([]),
        }
    }

    /// Destinations that lie at a place for packets from another. `whole_box`: every address of the box instead of the
    /// one that `gateway` means there.
    pub fn destinations(&self, from: Place, to: Place, whole_box: bool) -> Arc<[AddrRange]> {
        match (from, to) {
            (_, Place::Interface(id)) if self.ruleset.is_segment(id) => {
                subtract(&self.beyond(id), &self.own_on(id)).into()
            }
            (_, Place::Interface(id)) => self.beyond(id),
            (Place::Interface(id), Place::Gateway) if !whole_box => self.own_on(id).into(),
            (_, Place::Gateway) => self.own.clone(),
            (_, Place::Elsewhere) => Arc::new([]),
        }
    }

    /// What lies behind an interface: a segment's networks, or everything that is not inside.
    fn beyond(&self, id: InterfaceId) -> Arc<[AddrRange]> {
        let interface = self.ruleset.interface(id);
        match interface.role {
            Role::Segment(_) => interface.sources.clone(),
            Role::Uplink => self.outside.clone(),
        }
    }

    fn own_on(&self, id: InterfaceId) -> Vec<AddrRange> {
        AddrRange::merge(self.ruleset.interface(id).addresses.iter().copied().map(AddrRange::single).collect())
    }
}

/// Sorted ranges without those of another sorted list.
pub(super) fn subtract(ranges: &[AddrRange], without: &[AddrRange]) -> Vec<AddrRange> {
    let mut left = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut rest = Some(*range);
        let near = without.partition_point(|hole| hole.last() < range.first());
        for hole in &without[near..] {
            let Some(current) = rest else { break };
            if hole.first() > current.last() {
                break;
            }
            if !hole.overlaps(&current) {
                continue;
            }
            if let Some(end) = hole.before()
                && let Some(part) = AddrRange::new(current.first(), end)
            {
                left.push(part);
            }
            rest = hole.after().and_then(|start| AddrRange::new(start, current.last()));
        }
        left.extend(rest);
    }
    left
}

/// The addresses in both of two sorted lists.
pub(super) fn intersect(left: &[AddrRange], right: &[AddrRange]) -> Vec<AddrRange> {
    let mut found = Vec::new();
    for range in left {
        let near = right.partition_point(|other| other.last() < range.first());
        found.extend(
            right[near..]
                .iter()
                .take_while(|other| other.first() <= range.last())
                .filter_map(|o| range.intersection(o)),
        );
    }
    found
}

/// Whether two sorted lists share an address.
pub(super) fn meet(left: &[AddrRange], right: &[AddrRange]) -> bool {
    let (few, many) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    few.iter().any(|range| {
        let near = many.partition_point(|other| other.last() < range.first());
        many.get(near).is_some_and(|other| range.overlaps(other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> Vec<AddrRange> {
        AddrRange::merge(texts.iter().map(|text| text.parse().expect("a range")).collect())
    }

    #[test]
    fn subtracting_cuts_holes_and_keeps_the_rest() {
        let all = ranges(&["0.0.0.0/0", "::/0"]);
        let inside = ranges(&["10.0.0.0/8", "10.1.0.0/16", "255.255.255.255", "::1"]);
        let left = subtract(&all, &inside);
        assert_eq!(
            left,
            ranges(&[
                "0.0.0.0-9.255.255.255",
                "11.0.0.0-255.255.255.254",
                "::",
                "::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
            ])
        );
        assert!(intersect(&left, &inside).is_empty());
        assert!(!meet(&left, &inside));
        assert_eq!(AddrRange::merge(left.into_iter().chain(inside).collect()), all);
    }

    #[test]
    fn meeting_is_sharing_an_address() {
        assert!(meet(&ranges(&["10.0.0.0/24"]), &ranges(&["9.0.0.0/8", "10.0.0.255"])));
        assert!(!meet(&ranges(&["10.0.0.0/24"]), &ranges(&["::/0", "10.0.1.0"])));
    }
}
