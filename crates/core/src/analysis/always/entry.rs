//! What enters at one place, as cubes and sets.

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Place, PortRange, Set};

use super::clock::Clock;
use super::{Always, output_number};
use crate::analysis::proof::boxes::{own_addresses, services, source};
use crate::analysis::proof::terms::{family_number, is, number, port, ranges_of};
use crate::policy::Verdict;
use crate::ruleset::{Dst, FlowBox, Path, Rule, Ruleset, Side, Translation};

/// Adds what a box covers of the packets that enter at a place.
pub(super) fn cubes(
    ruleset: &Ruleset,
    clock: &Clock<'_>,
    input: Place,
    rule: &Rule,
    flow_box: &FlowBox,
    list: &mut Vec<Cube>,
) {
    let Some(outputs) = outputs(ruleset, input, flow_box) else { return };
    for family in Family::BOTH {
        let cube = is(Cube::all(), Field::Family, family_number(family)).with_ranges(Field::Out, &outputs);
        let Some(cube) = source(cube, flow_box, family) else { continue };
        let Some(cube) = destination(ruleset, input, flow_box, family, cube) else { continue };
        let cube = match flow_box.translated {
            None => cube,
            Some(at) => match sent(ruleset, &ruleset.translations[at as usize], family, cube) {
                Some(cube) => cube,
                None => continue,
            },
        };
        for cube in services(flow_box, family, cube) {
            list.extend(clock.narrow(rule, &cube));
        }
    }
}

/// Where a box's packets from a place leave; `None` where none enter there.
fn outputs(ruleset: &Ruleset, input: Place, flow_box: &FlowBox) -> Option<Vec<(u128, u128)>> {
    let enters = |side| match (side, input) {
        (_, Place::Gateway | Place::Elsewhere) => false,
        (Side::Any, Place::Interface(_)) => true,
        (Side::Segments, Place::Interface(id)) => ruleset.is_segment(id),
        (Side::One(one), Place::Interface(id)) => one == id,
    };
    let (side, same) = match flow_box.path {
        Path::Input { input: side } => return enters(side).then(|| vec![(0, 0)]),
        Path::Output { output } if input == Place::Gateway => (output, true),
        Path::Forward { input: side, output, same } if enters(side) => (output, same),
        Path::Output { .. } | Path::Forward { .. } => return None,
    };
    let all = ruleset.interfaces.len() as u128;
    let ranges = match side {
        Side::One(id) => vec![(u128::from(id.0) + 1, u128::from(id.0) + 1)],
        Side::Segments => vec![(1, ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id)).count() as u128)],
        Side::Any => vec![(1, all)],
    };
    Some(if same { ranges } else { without(&ranges, output_number(input)) })
}

/// Ranges but for one value.
pub(super) fn without(ranges: &[(u128, u128)], value: u128) -> Vec<(u128, u128)> {
    let mut left = Vec::new();
    for (first, last) in ranges.iter().copied() {
        if !(first..=last).contains(&value) {
            left.push((first, last));
            continue;
        }
        left.extend(value.checked_sub(1).map(|before| (first, before)));
        left.extend(value.checked_add(1).map(|after| (after, last)));
    }
    left.retain(|(first, last)| first <= last);
    left
}

fn destination(ruleset: &Ruleset, input: Place, flow_box: &FlowBox, family: Family, cube: Cube) -> Option<Cube> {
    let ranges = match (&flow_box.dst, input) {
        (Dst::Any, _) => return Some(cube),
        (Dst::Addresses(ranges), _) => ranges_of(ranges, family),
        (Dst::Own, Place::Interface(id)) => own_addresses(&ruleset.interface(id).addresses, family),
        (Dst::Own, Place::Gateway | Place::Elsewhere) => Vec::new(),
    };
    (!ranges.is_empty()).then(|| cube.with_ranges(Field::Dst, &ranges))
}

/// Connections that a translation made.
fn sent(ruleset: &Ruleset, translation: &Translation, family: Family, cube: Cube) -> Option<Cube> {
    let own = own_addresses(&ruleset.interface(translation.uplink).addresses, family);
    let cube = port(is(cube, Field::Translated, 1), Field::SentDport, translation.ports);
    (!own.is_empty()).then(|| cube.with_ranges(Field::SentDst, &own))
}

/// Whether a translation takes what enters at a place.
pub(super) fn takes(ruleset: &Ruleset, translation: &Translation, input: Place) -> bool {
    match input {
        Place::Interface(id) if id == translation.uplink => true,
        Place::Interface(id) => translation.hairpin && ruleset.is_segment(id),
        Place::Gateway | Place::Elsewhere => false,
    }
}

/// Addresses as ranges of one family in a cube of that family; `None` without any.
pub(super) fn addresses(cube: Cube, field: Field, ranges: &[AddrRange], family: Family) -> Option<Cube> {
    let ranges = ranges_of(ranges, family);
    (!ranges.is_empty()).then(|| cube.with_ranges(field, &ranges))
}

impl Always<'_> {
    /// Packets from sources that belong to the place where they enter.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn honest(&mut self, input: Place) -> Result<Set, GaveUp> {
        if let Some(known) = self.honest.get(&input) {
            return Ok(*known);
        }
        let sources = self.ground.sources(input);
        let from = Family::BOTH.into_iter().filter_map(|family| {
            addresses(is(Cube::all(), Field::Family, family_number(family)), Field::Src, &sources, family)
        });
        let honest = self.space.cubes(&from.collect::<Vec<_>>())?;
        self.honest.insert(input, honest);
        Ok(honest)
    }

    /// First packets that can enter at a place.
    pub(super) fn possible(&mut self, input: Place) -> Result<Set, GaveUp> {
        let from = self.honest(input)?;
        let opening = self.opening()?;
        let times = self.times()?;
        let translations = self.translated(input)?;
        self.space.intersect_all(&[from, opening, times, translations])
    }

    /// Packets as port forwards leave them: what they take is delivered elsewhere, and nothing else is translated.
    fn translated(&mut self, input: Place) -> Result<Set, GaveUp> {
        let ruleset = self.ruleset();
        let mut taken = Set::EMPTY;
        let mut made = Set::EMPTY;
        let mut direct = Vec::new();
        for translation in ruleset.translations.iter().filter(|translation| takes(ruleset, translation, input)) {
            let Some(cubes) = translation_cubes(ruleset, translation, input) else { continue };
            let asked = self.space.cube(&cubes.asked)?;
            let delivered = self.space.cube(&cubes.delivered)?;
            let delivered = self.space.minus(delivered, taken)?;
            taken = self.space.union(taken, asked)?;
            made = self.space.union(made, delivered)?;
            direct.push(cubes.direct);
        }
        let untranslated = is(is(is(Cube::all(), Field::Translated, 0), Field::SentDst, 0), Field::SentDport, 0);
        let untranslated = self.space.cube(&untranslated)?;
        let direct = self.space.cubes(&direct)?;
        let untranslated = self.space.minus(untranslated, direct)?;
        self.space.union(untranslated, made)
    }

    /// What rules accept of what enters at a place.
    pub(super) fn verdicts(&mut self, input: Place) -> Result<Set, GaveUp> {
        let ruleset = self.ruleset();
        let (mut firm, mut refused, mut accept) = (Vec::new(), Vec::new(), Vec::new());
        for (at, flow_box) in ruleset.boxes_from(input) {
            let rule = &ruleset.rules[at];
            if rule.untracked {
                continue;
            }
            let list = match rule.verdict {
                _ if rule.firm => &mut firm,
                Verdict::Accept => &mut accept,
                Verdict::Drop | Verdict::Reject => &mut refused,
            };
            cubes(ruleset, &self.clock, input, rule, flow_box, list);
        }
        let accept = self.space.cubes(&accept)?;
        let refused = self.space.cubes(&refused)?;
        let accept = self.space.minus(accept, refused)?;
        let firm = self.space.cubes(&firm)?;
        self.space.union(accept, firm)
    }
}

/// A translation of what enters at a place.
struct TranslationCubes {
    /// What it takes, by the fields that keep what was sent.
    asked: Cube,
    /// What it makes of it.
    delivered: Cube,
    /// What never reaches the box itself because it was taken.
    direct: Cube,
}

fn translation_cubes(ruleset: &Ruleset, translation: &Translation, input: Place) -> Option<TranslationCubes> {
    let family = Family::of(translation.to);
    let cube = is(Cube::all(), Field::Family, family_number(family));
    let cube = is(cube, Field::Proto, u128::from(translation.proto));
    let from_uplink = input == Place::Interface(translation.uplink);
    let cube = match &translation.from {
        Some(from) if from_uplink => addresses(cube, Field::Src, from, family)?,
        _ => cube,
    };
    let asked = sent(ruleset, translation, family, cube.clone())?;
    let segment = output_number(Place::Interface(translation.segment));
    let delivered = is(is(asked.clone(), Field::Out, segment), Field::Dst, number(translation.to));
    let delivered = port(delivered, Field::Dport, translation.delivered_ports());
    let own = own_addresses(&ruleset.interface(translation.uplink).addresses, family);
    let direct = is(port(cube, Field::Dport, translation.ports), Field::Out, 0).with_ranges(Field::Dst, &own);
    Some(TranslationCubes { asked, delivered, direct: is(direct, Field::Translated, 0) })
}

/// The ports two ranges share.
pub(super) fn common(one: PortRange, other: PortRange) -> Option<PortRange> {
    PortRange::new(one.first.max(other.first), one.last.min(other.last))
}
