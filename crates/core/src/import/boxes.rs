//! What a box of packets says of the ends of a rule.

use std::collections::BTreeSet;

use segwall_packetset::{AddrRange, Cube, Family, Field};

use super::classes::own_addresses;
use super::grants::{self, End, Place};
use super::terms::{name, number, numbers, ranges};
use crate::netfilter::Hook;
use crate::ruleset::{Role, Ruleset};

/// A zone, and which of its addresses; `None`: all of them.
type Side = (usize, Option<Vec<AddrRange>>);

/// A box, and what it says of ends.
pub(super) struct BoxOf<'a> {
    pub ruleset: &'a Ruleset,
    pub hook: Hook,
    pub cube: &'a Cube,
    pub families: &'a [Family],
    /// The rule drops: then addresses of the internet mean these addresses everywhere.
    pub drops: bool,
}

impl BoxOf<'_> {
    /// Zones on one side, each with its addresses where these are not all.
    fn zones(&self, side: Field, end: Field) -> Vec<Side> {
        let named = |zone: &usize| {
            let number = name(&self.ruleset.interfaces[*zone].name);
            self.cube
                .get(side)
                .is_none_or(|ranges| ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)))
        };
        let zones = (0..self.ruleset.interfaces.len()).filter(named);
        zones.filter_map(|zone| Some((zone, self.addresses(zone, end)?))).collect()
    }

    /// Outer `None`: no address of the zone is in the box; inner: all of them.
    fn addresses(&self, zone: usize, end: Field) -> Option<Option<Vec<AddrRange>>> {
        let Some(given) = self.cube.get(end) else { return Some(None) };
        let interface = &self.ruleset.interfaces[zone];
        let mut inside = Vec::new();
        let mut whole = true;
        for family in self.families.iter().filter(|family| interface.carries(**family)) {
            let behind = behind(self.ruleset, zone, *family);
            for range in &behind {
                let low = number(range.first());
                let high = number(range.last());
                let cut = given.iter().map(|(first, last)| ((*first).max(low), (*last).min(high)));
                let cut: Vec<(u128, u128)> = cut.filter(|(first, last)| first <= last).collect();
                inside.extend(ranges(*family, &cut));
                // The ranges of a box are apart: all of it is one of them.
                whole &= cut == [(low, high)];
            }
        }
        match (inside.is_empty(), whole) {
            (true, _) => None,
            (false, true) => Some(None),
            (false, false) => Some(Some(AddrRange::merge(inside))),
        }
    }

    /// Pairs of sides that together are the box.
    pub fn ends(&self) -> Vec<(Vec<End>, Vec<End>)> {
        let end = |(zone, addresses): &(usize, Option<Vec<AddrRange>>)| match addresses {
            None => End::Whole(Place::Zone(*zone)),
            Some(list) => End::Part(Place::Zone(*zone), list.clone()),
        };
        match self.hook {
            Hook::Input => {
                let from = self.zones(Field::In, Field::Src);
                if from.is_empty() {
                    return Vec::new();
                }
                let from = self.side(&from, None, &end);
                let to = self.own(Field::Dst);
                // `any` to the gateway is no rule: the segments and the internet are named.
                let from = from.into_iter().flat_map(|word| match word {
                    End::Any => {
                        let uplinks = self.ruleset.interfaces.iter().enumerate();
                        let uplinks = uplinks.filter(|(_, interface)| interface.role == Role::Uplink);
                        std::iter::once(End::Segments)
                            .chain(uplinks.map(|(zone, _)| End::Whole(Place::Zone(zone))))
                            .collect()
                    }
                    other => vec![other],
                });
                vec![(from.collect(), to)]
            }
            Hook::Output => {
                let to = self.zones(Field::Out, Field::Dst);
                if to.is_empty() { Vec::new() } else { vec![(self.own(Field::Src), self.side(&to, None, &end))] }
            }
            _ => self.through(&end),
        }
    }

    fn side(&self, zones: &[Side], but: Option<usize>, end: &dyn Fn(&Side) -> End) -> Vec<End> {
        if zones.iter().all(|(_, addresses)| addresses.is_none()) {
            grants::shortest(self.ruleset, &zones.iter().map(|(zone, _)| *zone).collect(), but)
        } else {
            zones.iter().filter(|(zone, _)| Some(*zone) != but).map(end).collect()
        }
    }

    /// The box, or its addresses that are in the box of packets.
    fn own(&self, field: Field) -> Vec<End> {
        let Some(given) = self.cube.get(field) else { return vec![End::Whole(Place::Gateway)] };
        let mut own = Vec::new();
        for family in self.families {
            for (first, last) in numbers(&own_addresses(self.ruleset), *family) {
                let meets = |(low, high): &(u128, u128)| *low <= last && first <= *high;
                if given.iter().any(meets) {
                    own.extend(ranges(*family, &[(first, last)]));
                }
            }
        }
        let singles = own.into_iter().flat_map(|range| range.to_prefixes()).filter(AddrRange::is_single);
        singles.map(|addr| End::Part(Place::Gateway, vec![addr])).collect()
    }

    /// Through the box: rules that name no zone at both ends unless that is in the promise.
    fn through(&self, end: &dyn Fn(&Side) -> End) -> Vec<(Vec<End>, Vec<End>)> {
        let from = self.zones(Field::In, Field::Src);
        let to = self.zones(Field::Out, Field::Dst);
        if from.is_empty() || to.is_empty() {
            return Vec::new();
        }
        let only = |list: &[Side]| match list {
            [(zone, None)] => Some(*zone),
            _ => None,
        };
        let mut pairs = Vec::new();
        let (words_from, words_to) = (self.side(&from, only(&to), end), self.side(&to, only(&from), end));
        let both: BTreeSet<usize> =
            from.iter().map(|(zone, _)| *zone).filter(|zone| to.iter().any(|(other, _)| other == zone)).collect();
        let direct = |words: &[End]| !words.iter().all(|word| matches!(word, End::Any | End::Segments));
        if both.is_empty() || !direct(&words_from) || !direct(&words_to) {
            pairs.push((words_from, words_to));
        } else {
            // Zone by zone, so that none stands at both ends.
            for one in &from {
                let others: Vec<_> = to.iter().filter(|(zone, _)| *zone != one.0).cloned().collect();
                if !others.is_empty() {
                    pairs.push((vec![end(one)], self.side(&others, Some(one.0), end)));
                }
            }
        }
        // What is routed inside a segment needs a rule of its own.
        for one in from.iter().filter(|(zone, _)| both.contains(zone)) {
            pairs.extend(to.iter().filter(|(zone, _)| *zone == one.0).map(|other| (vec![end(one)], vec![end(other)])));
        }
        pairs
    }

    /// The same places with all of their addresses.
    pub fn widened(&self, ends: &[End]) -> Vec<End> {
        let mut wide: Vec<End> = ends
            .iter()
            .map(|end| match end {
                End::Part(place, _) => End::Whole(*place),
                other => other.clone(),
            })
            .collect();
        wide.dedup();
        wide
    }

    /// Whole zones by their addresses of the box's IP version alone.
    pub fn one_family(&self, ends: &[End]) -> Vec<End> {
        let [family] = self.families else { return ends.to_vec() };
        let narrowed = |zone: usize| {
            let interface = &self.ruleset.interfaces[zone];
            let all = match interface.role {
                Role::Uplink if self.drops => Vec::new(),
                Role::Uplink => vec![AddrRange::all(*family)],
                Role::Segment(_) => {
                    interface.sources.iter().copied().filter(|range| range.family() == *family).collect()
                }
            };
            (!all.is_empty()).then_some(End::Part(Place::Zone(zone), all))
        };
        ends.iter()
            .flat_map(|end| match end {
                End::Whole(Place::Zone(zone)) => narrowed(*zone).into_iter().collect(),
                End::Any | End::Segments => (0..self.ruleset.interfaces.len())
                    .filter(|zone| *end == End::Any || self.ruleset.interfaces[*zone].role != Role::Uplink)
                    .filter_map(narrowed)
                    .collect(),
                other => vec![other.clone()],
            })
            .collect()
    }

    pub fn names_a_segment(&self, ends: &[End]) -> bool {
        ends.iter().all(|end| match end {
            End::Whole(Place::Zone(zone)) | End::Part(Place::Zone(zone), _) => {
                self.ruleset.interfaces[*zone].role != Role::Uplink
            }
            End::Segments => true,
            End::Any | End::Whole(Place::Gateway) | End::Part(Place::Gateway, _) => false,
        })
    }
}

/// Addresses of one family that lie behind a zone, but for the box's own.
fn behind(ruleset: &Ruleset, zone: usize, family: Family) -> Vec<AddrRange> {
    let interface = &ruleset.interfaces[zone];
    let holes: Vec<AddrRange> = match interface.role {
        Role::Uplink => AddrRange::merge([ruleset.inside.to_vec(), own_addresses(ruleset)].concat()),
        Role::Segment(_) => own_addresses(ruleset),
    };
    let mut pieces: Vec<AddrRange> = match interface.role {
        Role::Uplink => vec![AddrRange::all(family)],
        Role::Segment(_) => interface.sources.iter().copied().filter(|range| range.family() == family).collect(),
    };
    for hole in holes.iter().filter(|hole| hole.family() == family) {
        pieces = pieces
            .into_iter()
            .flat_map(|piece| {
                let Some(cut) = piece.intersection(hole) else { return vec![piece] };
                let below = cut.before().filter(|_| cut.first() > piece.first());
                let above = cut.after().filter(|_| cut.last() < piece.last());
                let below = below.and_then(|last| AddrRange::new(piece.first(), last));
                let above = above.and_then(|first| AddrRange::new(first, piece.last()));
                below.into_iter().chain(above).collect()
            })
            .collect();
    }
    pieces
}
