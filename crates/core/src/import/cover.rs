//! From a set of packets to rules that accept exactly it, as a person would write them: whole zones where the set is
//! whole, few rules, each with the lines it comes from.
//!
//! The set is made simple where nobody asks ([`Space::simplify`]), its widest box becomes a rule, and what that rule
//! covers is asked no more. A rule that would cover a packet outside of the set is never made.

use std::collections::BTreeSet;

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Set, Space};

use super::classes::own_addresses;
use super::grants::{self, End, Grant, LineAt, Place};
use super::services::{self, Wanted};
use super::terms::{family_number, name, number, numbers, ranges, within};
use crate::netfilter::Hook;
use crate::policy::{Service, Verdict};
use crate::ruleset::{Role, Ruleset};

/// Rules that one line may become; what is left then is not expressed, and said.
const RULES_OF_A_LINE_MAX: usize = 256;
/// Boxes that are looked at for the widest.
const BOXES_LOOKED_AT: usize = 64;
/// Rules that drop what is left out of "everything"; more are written the other way round.
const DROPS_MAX: usize = 12;

/// What is written with which packets.
pub(super) struct Task<'a> {
    /// Zones.
    pub ruleset: &'a Ruleset,
    /// Where.
    pub hook: Hook,
    /// Packets that the promise is about.
    pub promised: Set,
    /// Packets that may be covered: those that have to be, and those that are accepted anyway.
    pub allowed: Set,
    /// What the rules say.
    pub verdict: Verdict,
}

/// Writes each set in turn; `before`: packets that need no rule.
pub(super) fn cover(
    space: &mut Space,
    task: &Task<'_>,
    sets: &[(Option<LineAt>, Set)],
    before: Set,
) -> Result<(Vec<Grant>, Set), GaveUp> {
    let mut work = Work { task, grants: Vec::new(), covered: before };
    for (line, set) in sets {
        let first = work.grants.len();
        work.write(space, *set)?;
        work.grants[first..].iter_mut().for_each(|grant| grant.lines.extend(*line));
    }
    let Work { mut grants, covered, .. } = work;
    for grant in &mut grants {
        let own = grants::set(space, task.ruleset, task.hook, grant)?;
        for (line, set) in sets {
            // A line whose packets are all among them is in it, too.
            if let Some(line) = line
                && within(space, *set, own)?
            {
                grant.lines.insert(*line);
            }
        }
    }
    Ok((grants, covered))
}

struct Work<'a> {
    task: &'a Task<'a>,
    grants: Vec<Grant>,
    covered: Set,
}

impl Work<'_> {
    fn write(&mut self, space: &mut Space, set: Set) -> Result<(), GaveUp> {
        let mut left = space.minus(set, self.covered)?;
        for _ in 0..RULES_OF_A_LINE_MAX {
            if left.is_empty() {
                return Ok(());
            }
            let care = space.minus(self.task.promised, self.covered)?;
            let simple = space.simplify(left, care)?;
            let widest = space.boxes(simple).take(BOXES_LOOKED_AT).min_by_key(|cube| cube.fields().count());
            let Some(cube) = widest else { return Ok(()) };
            let before = self.covered;
            self.of_box(space, &cube)?;
            if self.covered == before {
                // Not said in the policy's words: the rest may be.
                let lost = space.cube(&cube)?;
                left = space.minus(left, lost)?;
            } else {
                left = space.minus(left, self.covered)?;
            }
        }
        Ok(())
    }

    /// Takes a rule if it covers nothing that it must not.
    fn take(&mut self, space: &mut Space, grant: Grant) -> Result<bool, GaveUp> {
        let set = grants::set(space, self.task.ruleset, self.task.hook, &grant)?;
        let set = space.intersect(set, self.task.promised)?;
        if set.is_empty() || !within(space, set, self.task.allowed)? || within(space, set, self.covered)? {
            return Ok(false);
        }
        self.covered = space.union(self.covered, set)?;
        self.grants.push(grant);
        Ok(true)
    }

    fn of_box(&mut self, space: &mut Space, cube: &Cube) -> Result<(), GaveUp> {
        let families: Vec<Family> = match cube.get(Field::Family) {
            None => Family::BOTH.to_vec(),
            Some(ranges) => {
                let has = |family: &Family| {
                    let number = family_number(*family);
                    ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
                };
                Family::BOTH.into_iter().filter(has).collect()
            }
        };
        let wanted = services::of_box(cube, &families);
        let box_of = BoxOf { ruleset: self.task.ruleset, hook: self.task.hook, cube, families: &families };
        for (from, to) in box_of.ends() {
            self.one(space, from, to, &wanted, &box_of)?;
        }
        Ok(())
    }

    /// A rule for these ends, as wide as it may be.
    fn one(
        &mut self,
        space: &mut Space,
        from: Vec<End>,
        to: Vec<End>,
        wanted: &Wanted,
        of: &BoxOf<'_>,
    ) -> Result<(), GaveUp> {
        let grant = |from: &[End], to: &[End], services: Option<Vec<Service>>| Grant {
            verdict: self.task.verdict,
            from: from.to_vec(),
            to: to.to_vec(),
            services,
            lines: BTreeSet::new(),
            log: false,
        };
        let narrow: Option<Vec<Service>> = match wanted {
            Wanted::Every => None,
            Wanted::These(list) | Wanted::Many(list) => Some(list.clone()),
        };
        if narrow.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let (whole_from, whole_to) = (of.widened(&from), of.widened(&to));
        let narrowed_from = of.one_family(&from);
        let narrowed_to = of.one_family(&to);
        let mut ways: Vec<(&[End], &[End])> = vec![(&whole_from, &whole_to), (&whole_from, &to), (&from, &whole_to)];
        ways.push((&from, &to));
        // IPv4 alone, or IPv6 alone, is said by addresses: rather of a segment than of the internet.
        if of.names_a_segment(&from) {
            ways.extend([(&narrowed_from[..], &to[..]), (&from, &narrowed_to), (&narrowed_from, &narrowed_to)]);
        } else {
            ways.extend([(&from[..], &narrowed_to[..]), (&narrowed_from, &to), (&narrowed_from, &narrowed_to)]);
        }
        let mut lists = vec![narrow.clone()];
        if let Some(more) = narrow.as_deref().and_then(services::with_both_icmp) {
            lists.insert(0, Some(more));
        }
        if matches!(wanted, Wanted::Many(_)) {
            lists.insert(0, None);
        }
        for (from, to) in &ways {
            for services in &lists[..lists.len() - usize::from(matches!(wanted, Wanted::Many(_)))] {
                if self.take(space, grant(from, to, services.clone()))? {
                    return Ok(());
                }
            }
        }
        if matches!(wanted, Wanted::Many(_)) {
            for (from, to) in &ways {
                if self.all_but(space, grant(from, to, None))? || self.take(space, grant(from, to, narrow.clone()))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// "Everything", and rules that drop what is not in the set: only where these are few, and drop nothing else.
    fn all_but(&mut self, space: &mut Space, grant: Grant) -> Result<bool, GaveUp> {
        if self.task.verdict != Verdict::Accept {
            return Ok(false);
        }
        let set = grants::set(space, self.task.ruleset, self.task.hook, &grant)?;
        let set = space.intersect(set, self.task.promised)?;
        let not = space.minus(set, self.task.allowed)?;
        let kept = space.intersect(set, self.task.allowed)?;
        if not.is_empty() || kept.is_empty() || within(space, kept, self.covered)? {
            return Ok(false);
        }
        let may_drop = space.minus(self.task.promised, self.task.allowed)?;
        let task = Task { allowed: may_drop, verdict: Verdict::Drop, ..*self.task };
        let mut drops = Work { task: &task, grants: Vec::new(), covered: Set::EMPTY };
        drops.write(space, not)?;
        let dropped = drops.covered;
        let few = drops.grants.len() <= DROPS_MAX;
        let readable = drops.grants.iter().all(|grant| grant.services.as_ref().is_some_and(|list| list.len() <= 16));
        if !few || !readable || !within(space, not, dropped)? {
            return Ok(false);
        }
        self.grants.extend(drops.grants);
        self.covered = space.union(self.covered, kept)?;
        self.grants.push(grant);
        Ok(true)
    }
}

/// A box, and what it says of ends.
struct BoxOf<'a> {
    ruleset: &'a Ruleset,
    hook: Hook,
    cube: &'a Cube,
    families: &'a [Family],
}

impl BoxOf<'_> {
    /// Zones on one side, each with its addresses where these are not all.
    fn zones(&self, side: Field, end: Field) -> Vec<(usize, Option<Vec<AddrRange>>)> {
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
                let mut next = Some(low);
                for (first, last) in given.iter().map(|(first, last)| ((*first).max(low), (*last).min(high))) {
                    if first > last {
                        continue;
                    }
                    inside.extend(ranges(*family, &[(first, last)]));
                    next = next.filter(|next| *next == first).and(last.checked_add(1));
                }
                whole &= next.is_none_or(|next| next > high);
            }
        }
        match (inside.is_empty(), whole) {
            (true, _) => None,
            (false, true) => Some(None),
            (false, false) => Some(Some(AddrRange::merge(inside))),
        }
    }

    /// Pairs of sides that together are the box.
    fn ends(&self) -> Vec<(Vec<End>, Vec<End>)> {
        let end = |(zone, addresses): &(usize, Option<Vec<AddrRange>>)| match addresses {
            None => End::Whole(Place::Zone(*zone)),
            Some(list) => End::Part(Place::Zone(*zone), list.clone()),
        };
        let gateway = vec![End::Whole(Place::Gateway)];
        match self.hook {
            Hook::Input => {
                let from = self.zones(Field::In, Field::Src);
                if from.is_empty() {
                    return Vec::new();
                }
                let from = self.side(&from, None, &end);
                let to = self.to_the_box();
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
                if to.is_empty() { Vec::new() } else { vec![(gateway, self.side(&to, None, &end))] }
            }
            _ => self.through(&end),
        }
    }

    fn side(
        &self,
        zones: &[(usize, Option<Vec<AddrRange>>)],
        but: Option<usize>,
        end: &dyn Fn(&(usize, Option<Vec<AddrRange>>)) -> End,
    ) -> Vec<End> {
        if zones.iter().all(|(_, addresses)| addresses.is_none()) {
            grants::shortest(self.ruleset, &zones.iter().map(|(zone, _)| *zone).collect(), but)
        } else {
            zones.iter().filter(|(zone, _)| Some(*zone) != but).map(end).collect()
        }
    }

    fn to_the_box(&self) -> Vec<End> {
        let Some(given) = self.cube.get(Field::Dst) else { return vec![End::Whole(Place::Gateway)] };
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
    fn through(&self, end: &dyn Fn(&(usize, Option<Vec<AddrRange>>)) -> End) -> Vec<(Vec<End>, Vec<End>)> {
        let from = self.zones(Field::In, Field::Src);
        let to = self.zones(Field::Out, Field::Dst);
        if from.is_empty() || to.is_empty() {
            return Vec::new();
        }
        let only = |list: &[(usize, Option<Vec<AddrRange>>)]| match list {
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
        pairs.retain(|(from, to)| !from.is_empty() && !to.is_empty());
        pairs
    }

    /// The same zones with all of their addresses.
    fn widened(&self, ends: &[End]) -> Vec<End> {
        ends.iter()
            .map(|end| match end {
                End::Part(Place::Zone(zone), _) => End::Whole(Place::Zone(*zone)),
                other => other.clone(),
            })
            .collect()
    }

    /// Whole zones by their addresses of the box's IP version alone.
    fn one_family(&self, ends: &[End]) -> Vec<End> {
        let [family] = self.families else { return ends.to_vec() };
        let narrowed = |zone: usize| {
            let interface = &self.ruleset.interfaces[zone];
            let all = match interface.role {
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

    fn names_a_segment(&self, ends: &[End]) -> bool {
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
