//! How far an intruder gets: what is reached from a zone or host, directly and from there on.
//!
//! The worst case, and no worse: whoever reaches a host of a segment with more than a ping has taken it, and with it the
//! segment, because hosts on one wire reach each other and may take each other's addresses without the box. What is
//! accepted at any time from now on counts. Neither the box nor the internet is a step on the way: who takes the box has
//! everything, and what the internet reaches is a question of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemars::JsonSchema;
use segwall_packetset::{AddrRange, Cube, Field, GaveUp, Place, Set, Space, proto};
use serde::Serialize;

use super::always::clock::{EPOCH, WEEK};
use super::always::{Always, output_number};
use super::blast_ways::{Inroad, ways};
use super::domain::{Ground, intersect, places, zone_name, zone_of};
use super::explain_ends::{Misunderstood, read_ends};
use super::matrix::{Matrix, matrix};
use crate::policy::{End, Policy, Zone};
use crate::ruleset::{At, Ruleset};

/// The answer to `blast FROM`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Blast {
    /// As asked.
    pub from: String,
    /// The zone it lies in.
    pub zone: String,
    /// What is reached, by hops, then by who reaches it, then by zone.
    pub steps: Vec<Step>,
    /// Zones that nothing but a ping reaches, or nothing at all. The zone itself is not among them.
    pub not_reached: Vec<String>,
    /// Zones whose reach was not followed any further because of `--hops`.
    pub not_followed: Vec<String>,
}

/// What one zone adds to what is reached in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// How many connections one after the other it takes: 1 is direct.
    pub hop: u32,
    /// The zones on the way: where it begins, what is taken in between, and the zone reached.
    pub path: Vec<String>,
    /// The zone reached.
    pub to: String,
    /// By which rules. Only what no earlier step reached; a segment that was taken is not told again.
    pub ways: Vec<Inroad>,
    /// Hosts there only answer: no way to take them.
    pub only_icmp: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoBlast {
    /// The question was not understood.
    Misunderstood(Misunderstood),
    /// The sets would have been too large.
    GaveUp(GaveUp),
}

/// What an intruder at `from` (a zone, a host, a set or `ZONE/ADDRESS`) reaches within so many hops; `None`: all.
///
/// # Errors
/// When the word is no such end, or the sets become too large.
pub fn blast(policy: &Policy, ruleset: &Ruleset, from: &str, hops_max: Option<u32>, at: At) -> Result<Blast, NoBlast> {
    let ground = Ground::of(ruleset);
    let table = matrix(policy, ruleset, at);
    let (start, addresses) = read_start(policy, &ground, from).map_err(NoBlast::Misunderstood)?;
    let mut walk = Walk {
        always: Always::new(&ground, at, Space::NODES_MAX),
        table: &table,
        reached: Set::EMPTY,
        taken: BTreeMap::new(),
        steps: Vec::new(),
    };
    let not_followed = walk.run(start, addresses.as_deref(), hops_max).map_err(NoBlast::GaveUp)?;
    let name = |place| zone_of(&ground.ruleset, place).map(|zone| zone_name(&ground.ruleset, zone).to_owned());
    let zone = name(start).unwrap_or_default();
    let steps = walk.steps;
    let got: BTreeSet<&str> = steps.iter().filter(|step| !step.only_icmp).map(|step| step.to.as_str()).collect();
    let not_reached =
        table.zones.iter().filter(|other| **other != zone && !got.contains(other.as_str())).cloned().collect();
    Ok(Blast {
        from: from.to_owned(),
        zone,
        not_reached,
        not_followed: not_followed.into_iter().filter_map(name).collect(),
        steps,
    })
}

/// The one place that a word means, and the addresses there; `None`: all of them.
fn read_start(
    policy: &Policy,
    ground: &Ground<'_>,
    word: &str,
) -> Result<(Place, Option<Vec<AddrRange>>), Misunderstood> {
    let ruleset = &*ground.ruleset;
    let ends = read_ends(policy, ruleset, word)?;
    let one_place = |message: String| {
        Misunderstood::new(message, "name one segment, host or set, ZONE/ADDRESS, internet or gateway".to_owned())
    };
    let zones: BTreeSet<Zone> = ends.iter().map(|end| end.zone).collect();
    let place = match zones.into_iter().map(|zone| places(ruleset, zone)).collect::<Vec<_>>().concat()[..] {
        [place] => place,
        [] => return Err(one_place(format!("nothing can come from `{word}`: the policy has no uplink"))),
        _ => return Err(one_place(format!("`{word}` is more than one zone"))),
    };
    if ends.iter().any(|end: &End| end.addresses.is_none()) {
        return Ok((place, None));
    }
    let asked = AddrRange::merge(ends.into_iter().filter_map(|end| end.addresses).flatten().collect());
    let addresses = intersect(&ground.sources(place), &asked);
    if addresses.is_empty() {
        return Err(Misunderstood::new(
            format!("no packet can come from `{word}`"),
            "an address must lie in its zone's subnets or routes".to_owned(),
        ));
    }
    Ok((place, Some(addresses)))
}

/// Who is taken, and what was found on the way.
struct Walk<'a, 'g> {
    always: Always<'g>,
    table: &'a Matrix,
    /// What was reached so far: destinations and services, whoever reaches them.
    reached: Set,
    /// For each place that was taken, the places on the way to it, itself last.
    taken: BTreeMap<Place, Vec<Place>>,
    steps: Vec<Step>,
}

/// Fields by which it does not matter who reaches something, or when.
const WHOEVER: [Field; 6] = [Field::Src, Field::Translated, Field::SentDst, Field::SentDport, WEEK, EPOCH];

/// Protocols by which hosts answer, and no program of theirs is spoken to.
const HARMLESS: [u8; 3] = [proto::ICMP, proto::ICMPV6, proto::IGMP];

impl Walk<'_, '_> {
    /// Follows what is reached; gives the places from which nothing was followed for want of hops.
    fn run(
        &mut self,
        start: Place,
        addresses: Option<&[AddrRange]>,
        hops_max: Option<u32>,
    ) -> Result<Vec<Place>, GaveUp> {
        let mut open = VecDeque::from([(1, start)]);
        self.taken.insert(start, vec![start]);
        if let (Some(addresses), Place::Interface(id)) = (addresses, start) {
            // First with its own address; from then on with those of its neighbours on the wire.
            let next = self.look(1, start, Some(addresses))?;
            open = next.into_iter().map(|place| (2, place)).collect();
            if self.always.ruleset().is_segment(id) {
                open.push_front((2, start));
            }
        }
        let mut left = Vec::new();
        while let Some((hop, place)) = open.pop_front() {
            if hops_max.is_some_and(|max| hop > max) {
                left.push(place);
                continue;
            }
            let next = self.look(hop, place, None)?;
            open.extend(next.into_iter().map(|place| (hop + 1, place)));
        }
        Ok(left)
    }

    /// Adds what is reached from a place; gives the segments that are taken by it for the first time.
    fn look(&mut self, hop: u32, from: Place, addresses: Option<&[AddrRange]>) -> Result<Vec<Place>, GaveUp> {
        let accepted = self.accepted(from, addresses)?;
        let space = &mut self.always.space;
        // The box is one, whichever of its addresses is used.
        let to_box = space.range(Field::Out, 0, 0)?;
        let beyond = space.minus(accepted, to_box)?;
        let to_box = space.intersect(accepted, to_box)?;
        let to_box = space.exists(to_box, &[&WHOEVER[..], &[Field::Dst]].concat())?;
        let beyond = space.exists(beyond, &WHOEVER)?;
        let seen = space.union(beyond, to_box)?;
        let fresh = space.minus(seen, self.reached)?;
        let icmp = HARMLESS.map(|number| (u128::from(number), u128::from(number)));
        let icmp = space.ranges(Field::Proto, &icmp)?;
        self.reached = space.union(self.reached, seen)?;
        let mut next = Vec::new();
        for to in self.outputs() {
            // What is taken, or on the same wire, is no news.
            if to == from || self.taken.contains_key(&to) {
                continue;
            }
            let there = self.always.space.cube(&Cube::all().with_only(Field::Out, output_number(to)))?;
            let fresh = self.always.space.intersect(fresh, there)?;
            if fresh.is_empty() {
                continue;
            }
            let only_icmp = self.always.space.minus(fresh, icmp)?.is_empty();
            let known = self.is_reached(to);
            if only_icmp && known {
                continue;
            }
            let shown = self.always.space.intersect(accepted, fresh)?;
            let ways = ways(&mut self.always, self.table, (from, to), shown)?;
            let mut path = self.taken[&from].clone();
            path.push(to);
            let ruleset = self.always.ruleset();
            let name = |place: &Place| zone_of(ruleset, *place).map(|zone| zone_name(ruleset, zone).to_owned());
            let names: Vec<String> = path.iter().filter_map(name).collect();
            self.steps.push(Step { hop, to: names.last().cloned().unwrap_or_default(), path: names, ways, only_icmp });
            let segment = matches!(to, Place::Interface(id) if ruleset.is_segment(id));
            if segment && !only_icmp && !self.taken.contains_key(&to) {
                self.taken.insert(to, path);
                next.push(to);
            }
        }
        Ok(next)
    }

    fn accepted(&mut self, from: Place, addresses: Option<&[AddrRange]>) -> Result<Set, GaveUp> {
        let accepted = self.always.entry(from)?.accepted;
        let zone = zone_of(self.always.ruleset(), from);
        let (Some(addresses), Some(zone)) = (addresses, zone) else { return Ok(accepted) };
        let end = End { zone, addresses: Some(addresses.to_vec()), direct: true, span: crate::source::Span::default() };
        let own = self.always.sources(from, &end)?;
        self.always.space.intersect(accepted, own)
    }

    /// Whether an earlier step reached it with more than a ping.
    fn is_reached(&self, place: Place) -> bool {
        let ruleset = self.always.ruleset();
        let name = zone_of(ruleset, place).map(|zone| zone_name(ruleset, zone));
        self.steps.iter().any(|step| !step.only_icmp && Some(step.to.as_str()) == name)
    }

    /// Every place, in the order of the matrix.
    fn outputs(&self) -> Vec<Place> {
        let all = self.always.ruleset().interface_ids().map(|(id, _)| Place::Interface(id));
        all.chain([Place::Gateway]).collect()
    }
}
