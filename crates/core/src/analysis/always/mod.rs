//! First packets of connections from one place, at every time, as sets: what claims and lints are decided by.
//!
//! For each place where packets enter, one space holds what can be sent, and what of it is accepted. The output is a
//! field ([`output_number`]), time is two ([`clock`]); everything else is as in `proof`. The sets say for all packets
//! and instants at once what [`Ruleset::eval`] says for one.

pub mod clock;
mod entry;
mod example;
pub mod targets;

use std::collections::BTreeMap;

use segwall_packetset::{Cube, Field, GaveUp, InterfaceId, Place, Set, Space, proto};

use self::clock::Clock;
use super::domain::Ground;
use super::proof::terms::is;
use super::service_classes::{ICMP_OPENS, ICMPV6_OPENS};
use crate::ruleset::{At, Rule, Ruleset};

/// Fields that a port forward sets.
pub const TRANSLATION: [Field; 3] = [Field::Translated, Field::SentDst, Field::SentDport];

/// What the policy says of what enters at a place.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// First packets that can be: sources that belong there, port forwards that exist, times that come.
    pub possible: Set,
    /// Those of them that are accepted, within a limit or without.
    pub accepted: Set,
}

/// Sets of a policy, made as they are asked for.
pub struct Always<'g> {
    pub space: Space,
    pub clock: Clock<'g>,
    pub ground: &'g Ground<'g>,
    entries: BTreeMap<Place, Entry>,
    honest: BTreeMap<Place, Set>,
    opening: Option<Set>,
    times: Option<Set>,
}

impl<'g> Always<'g> {
    /// Nothing is made yet. `nodes_max` bounds the space.
    pub fn new(ground: &'g Ground<'g>, at: At, nodes_max: usize) -> Self {
        Self {
            space: Space::new(nodes_max),
            clock: Clock::new(&ground.ruleset, at),
            ground,
            entries: BTreeMap::new(),
            honest: BTreeMap::new(),
            opening: None,
            times: None,
        }
    }

    pub fn ruleset(&self) -> &'g Ruleset {
        &self.ground.ruleset
    }

    /// What enters at a place, and what is accepted of it.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn entry(&mut self, input: Place) -> Result<Entry, GaveUp> {
        if let Some(known) = self.entries.get(&input) {
            return Ok(*known);
        }
        let possible = self.possible(input)?;
        let accepted = self.verdicts(input)?;
        let accepted = self.space.intersect(accepted, possible)?;
        let entry = Entry { possible, accepted };
        self.entries.insert(input, entry);
        Ok(entry)
    }

    /// First packets that connection tracking calls new: of ICMP only requests.
    fn opening(&mut self) -> Result<Set, GaveUp> {
        if let Some(known) = self.opening {
            return Ok(known);
        }
        let of = |family, protocol: u8, opens: &[u8]| {
            let kinds: Vec<(u128, u128)> = (0..=u8::MAX)
                .filter(|kind| !opens.contains(kind))
                .map(|kind| (u128::from(kind), u128::from(kind)))
                .collect();
            is(is(Cube::all(), Field::Family, family), Field::Proto, u128::from(protocol))
                .with_ranges(Field::IcmpType, &kinds)
        };
        let closed = self.space.cubes(&[of(0, proto::ICMP, &ICMP_OPENS), of(1, proto::ICMPV6, &ICMPV6_OPENS)])?;
        let opening = self.space.complement(closed)?;
        self.opening = Some(opening);
        Ok(opening)
    }

    /// The times that come.
    fn times(&mut self) -> Result<Set, GaveUp> {
        if let Some(known) = self.times {
            return Ok(known);
        }
        let times = self.clock.possible(&mut self.space)?;
        self.times = Some(times);
        Ok(times)
    }

    /// Every packet from a place that a rule covers at some time, whatever else covers it.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn covered(&mut self, input: Place, rule: &Rule) -> Result<Set, GaveUp> {
        let ruleset = self.ruleset();
        let mut cubes = Vec::new();
        for flow_box in &rule.boxes {
            entry::cubes(ruleset, &self.clock, input, rule, flow_box, &mut cubes);
        }
        let set = self.space.cubes(&cubes)?;
        let times = self.times()?;
        self.space.intersect(set, times)
    }
}

/// The number of an output in [`Field::Out`]: 0 is the box itself. Segments come first, then uplinks.
pub fn output_number(place: Place) -> u128 {
    match place {
        Place::Gateway | Place::Elsewhere => 0,
        Place::Interface(id) => u128::from(id.0) + 1,
    }
}

/// The place of a number.
pub fn output_place(number: u128) -> Place {
    match u32::try_from(number).ok().and_then(|number| number.checked_sub(1)) {
        Some(id) => Place::Interface(InterfaceId(id)),
        None => Place::Gateway,
    }
}
