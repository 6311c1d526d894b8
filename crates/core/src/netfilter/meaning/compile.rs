//! Matches as sets: packets that may match, packets that must.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use segwall_packetset::{Cube, Field, GaveUp, Set, Space, proto};

use super::masks;
use super::view::{Destination, Plan, Variant, View};
use crate::netfilter::{Content, Element, Key, Match, Program, Table, TableFamily, Values};

const MANY: &str = "a mask of too many ranges";
const PORTLESS: &str = "reads bytes that are ports only where the protocol has ports";
const MISSING: &str = "the set is not there";
const FIELDS: &str = "the set has other fields than what is looked up";
const VERDICTS: &str = "the set is a map";

/// What a condition comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cond {
    /// It may hold.
    pub may: Set,
    /// It holds.
    pub must: Set,
    /// Why the two differ.
    pub why: &'static str,
}

impl Cond {
    pub const fn exact(set: Set) -> Self {
        Self { may: set, must: set, why: "" }
    }

    pub const fn unknown(why: &'static str) -> Self {
        Self { may: Set::ALL, must: Set::EMPTY, why }
    }
}

/// Values that fit, and packets whose keys can be loaded at all.
#[derive(Debug, Clone, Copy)]
struct Positive {
    defined: Set,
    cond: Cond,
}

/// A table's sets and chains by name.
#[derive(Debug)]
pub(super) struct TableNames<'p> {
    /// Addresses have 32 bits.
    pub is_v4: bool,
    pub sets: BTreeMap<&'p str, &'p Content>,
    pub chains: BTreeMap<&'p str, usize>,
}

/// The names of every table of every program.
pub(super) fn names<'p>(programs: &[&'p Program]) -> Vec<Vec<TableNames<'p>>> {
    let of = |table: &'p Table| TableNames {
        is_v4: table.family == TableFamily::Ip,
        sets: table.sets.iter().map(|set| (set.name.as_str(), &set.content)).collect(),
        chains: table.chains.iter().enumerate().map(|(at, chain)| (chain.name.as_str(), at)).collect(),
    };
    programs.iter().map(|program| program.tables.iter().map(of).collect()).collect()
}

/// Which set, by which keys, seen how.
type SetKey = ((usize, usize), String, Vec<Key>, View);

/// What named sets come to, for several questions about programs that have the same sets, in the same space.
#[derive(Debug, Clone, Default)]
pub struct Memory(Rc<RefCell<BTreeMap<SetKey, Positive>>>);

/// Compiles matches; what a named set comes to is kept.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    pub sets: Memory,
    ports: Option<Set>,
}

impl Compiler {
    /// A match on keys. `at`: which table.
    pub fn among(
        &mut self,
        space: &mut Space,
        (at, table): ((usize, usize), &TableNames<'_>),
        found: (&[Key], bool, &Values),
        view: View,
    ) -> Result<Cond, GaveUp> {
        let (keys, not, values) = found;
        if view.lost {
            return Ok(Cond::unknown(""));
        }
        let keys = &widened(keys, table.is_v4);
        let positive = match values {
            Values::Here(elements) => self.positive(space, keys, &mut elements.iter(), view)?,
            Values::Set(name) => {
                let key = (at, name.clone(), keys.to_vec(), view);
                let known = self.sets.0.borrow().get(&key).copied();
                match known {
                    Some(positive) => positive,
                    None => {
                        let positive = match table.sets.get(name.as_str()) {
                            None => Self::unknown(MISSING),
                            Some(Content::Unknown(why)) => Self::unknown(why),
                            Some(Content::Verdicts(_)) => Self::unknown(VERDICTS),
                            Some(Content::Elements(elements)) => {
                                self.positive(space, keys, &mut elements.iter(), view)?
                            }
                        };
                        self.sets.0.borrow_mut().insert(key, positive);
                        positive
                    }
                }
            }
        };
        let Positive { defined, cond } = positive;
        if not {
            Ok(Cond { may: space.minus(defined, cond.must)?, must: space.minus(defined, cond.may)?, why: cond.why })
        } else {
            Ok(cond)
        }
    }

    /// Elements by themselves: those of a map that say the same.
    pub fn elements(
        &mut self,
        space: &mut Space,
        (keys, is_v4): (&[Key], bool),
        elements: &mut dyn Iterator<Item = &Element>,
        view: View,
    ) -> Result<Cond, GaveUp> {
        if view.lost {
            return Ok(Cond::unknown(""));
        }
        Ok(self.positive(space, &widened(keys, is_v4), elements, view)?.cond)
    }

    const fn unknown(why: &'static str) -> Positive {
        Positive { defined: Set::ALL, cond: Cond::unknown(why) }
    }

    fn positive(
        &mut self,
        space: &mut Space,
        keys: &[Key],
        elements: &mut dyn Iterator<Item = &Element>,
        view: View,
    ) -> Result<Positive, GaveUp> {
        if !keys.iter().any(|key| view.varies(*key)) {
            return self.variant(space, keys, elements, view, None);
        }
        let elements: Vec<&Element> = elements.collect();
        if view.place.destination == Destination::Either {
            let seen = |destination| View { place: super::view::Place { destination, ..view.place }, ..view };
            let sent = self.positive(space, keys, &mut elements.iter().copied(), seen(Destination::Sent))?;
            let delivered = self.positive(space, keys, &mut elements.iter().copied(), seen(Destination::Delivered))?;
            return Ok(Positive {
                defined: space.union(sent.defined, delivered.defined)?,
                cond: Cond {
                    may: space.union(sent.cond.may, delivered.cond.may)?,
                    must: space.intersect(sent.cond.must, delivered.cond.must)?,
                    why: if sent.cond.why.is_empty() { delivered.cond.why } else { sent.cond.why },
                },
            });
        }
        let mut all = Positive { defined: Set::EMPTY, cond: Cond::exact(Set::EMPTY) };
        for variant in Variant::ALL {
            let translated = u128::from(variant.translated);
            let cube = Cube::all().with(Field::Translated, translated, translated).with(
                Field::State,
                variant.states.0,
                variant.states.1,
            );
            let inside = space.cube(&cube)?;
            let part = self.variant(space, keys, &mut elements.iter().copied(), view, Some(variant))?;
            for (sum, part) in [
                (&mut all.defined, part.defined),
                (&mut all.cond.may, part.cond.may),
                (&mut all.cond.must, part.cond.must),
            ] {
                let part = space.intersect(inside, part)?;
                *sum = space.union(*sum, part)?;
            }
            if all.cond.why.is_empty() {
                all.cond.why = part.cond.why;
            }
        }
        Ok(all)
    }

    fn variant(
        &mut self,
        space: &mut Space,
        keys: &[Key],
        elements: &mut dyn Iterator<Item = &Element>,
        view: View,
        variant: Option<Variant>,
    ) -> Result<Positive, GaveUp> {
        let plans: Vec<Plan> = keys.iter().map(|key| view.plan(*key, variant)).collect();
        if plans.contains(&Plan::Undefined) {
            return Ok(Positive { defined: Set::EMPTY, cond: Cond::exact(Set::EMPTY) });
        }
        let (mut sure, mut unsure, mut why) = (Vec::new(), Vec::new(), "");
        for element in elements {
            if element.len() != plans.len() {
                return Ok(Self::unknown(FIELDS));
            }
            match cube(&plans, element) {
                None => {}
                Some((cube, None)) => sure.push(cube),
                Some((cube, Some(reason))) => {
                    unsure.push(cube);
                    why = reason;
                }
            }
        }
        let mut must = space.cubes(&sure)?;
        let mut may = space.cubes(&unsure)?;
        let ports: Vec<Field> = plans.iter().filter_map(|plan| port(*plan)).collect();
        if !ports.is_empty() {
            let with_ports = self.with_ports(space)?;
            let without = space.minus(must, with_ports)?;
            if !without.is_empty() {
                let any = space.exists(without, &ports)?;
                may = space.union(may, any)?;
                why = PORTLESS;
                must = space.intersect(must, with_ports)?;
            }
        }
        may = space.union(may, must)?;
        Ok(Positive { defined: Set::ALL, cond: Cond { may, must, why } })
    }

    fn with_ports(&mut self, space: &mut Space) -> Result<Set, GaveUp> {
        if let Some(known) = self.ports {
            return Ok(known);
        }
        let numbers: Vec<(u128, u128)> = (0..=u8::MAX)
            .filter(|number| proto::has_ports(*number))
            .map(|number| (u128::from(number), u128::from(number)))
            .collect();
        let set = space.ranges(Field::Proto, &numbers)?;
        self.ports = Some(set);
        Ok(set)
    }
}

/// Masks of addresses of 32 bits as masks of the model's 128.
fn widened(keys: &[Key], is_v4: bool) -> Vec<Key> {
    let wide = |key: &Key| match key {
        Key::Masked(field @ (Field::Src | Field::Dst), mask) if is_v4 => {
            Key::Masked(*field, mask | !u128::from(u32::MAX))
        }
        key => *key,
    };
    keys.iter().map(wide).collect()
}

fn port(plan: Plan) -> Option<Field> {
    match plan {
        Plan::Port(field) => Some(field),
        Plan::Field(_)
        | Plan::Masked(..)
        | Plan::Constant(_)
        | Plan::MixedMark { .. }
        | Plan::Free(_)
        | Plan::Undefined => None,
    }
}

/// The box of an element, and why a packet in it need not match; `None`: no packet matches.
fn cube(plans: &[Plan], element: &Element) -> Option<(Cube, Option<&'static str>)> {
    let mut limits: Vec<(Field, Vec<(u128, u128)>)> = Vec::with_capacity(plans.len());
    let mut unsure = None;
    let mut limit = |field: Field, ranges: Vec<(u128, u128)>| match limits.iter_mut().find(|(known, _)| *known == field)
    {
        Some((_, before)) => *before = intersection(before, &ranges),
        None => limits.push((field, ranges)),
    };
    for (plan, (first, last)) in plans.iter().zip(element) {
        match *plan {
            Plan::Field(field) | Plan::Port(field) => limit(field, vec![(*first, *last)]),
            Plan::Masked(field, mask) => match masks::ranges(field.max(), mask, (*first, *last)) {
                Some(ranges) => limit(field, ranges),
                None => unsure = Some(MANY),
            },
            Plan::Constant(value) => {
                if !(*first..=*last).contains(&value) {
                    return None;
                }
            }
            Plan::MixedMark { mask, assigned, value } => {
                if first != last {
                    unsure = Some(MANY);
                } else if *first & !mask != 0 || (*first ^ value) & assigned & mask != 0 {
                    return None;
                } else {
                    let (mask, wanted) = (mask & !assigned, *first & !assigned);
                    match masks::ranges(Field::Mark.max(), mask, (wanted, wanted)) {
                        Some(ranges) => limit(Field::Mark, ranges),
                        None => unsure = Some(MANY),
                    }
                }
            }
            Plan::Free(why) => unsure = Some(why),
            Plan::Undefined => return None,
        }
    }
    let mut cube = Cube::all();
    for (field, ranges) in limits {
        if ranges.is_empty() {
            return None;
        }
        cube = cube.with_ranges(field, &ranges);
    }
    Some((cube, unsure))
}

fn intersection(a: &[(u128, u128)], b: &[(u128, u128)]) -> Vec<(u128, u128)> {
    let both = |(x, y): (&(u128, u128), &(u128, u128))| {
        let range = (x.0.max(y.0), x.1.min(y.1));
        (range.0 <= range.1).then_some(range)
    };
    a.iter().flat_map(|x| b.iter().map(move |y| (x, y))).filter_map(both).collect()
}

/// Whether a match is decided by packets before it, and how.
pub(super) fn is_stateful(found: &Match) -> bool {
    match found {
        Match::Among { .. } => false,
        Match::Rate(_) | Match::Unknown(_) => true,
    }
}
