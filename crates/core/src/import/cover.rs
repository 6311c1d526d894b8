//! From a set of packets to rules that accept exactly it, as a person would write them: whole zones where the set is
//! whole, few rules, each with the lines it comes from.
//!
//! The set is made simple where nobody asks ([`Space::simplify`]), its widest box becomes a rule, and what that rule
//! covers is asked no more. A rule that would cover a packet outside of the set is never made.

use std::collections::BTreeSet;

use segwall_packetset::{Cube, Family, Field, GaveUp, Set, Space};

use super::boxes::BoxOf;
use super::grants::{self, End, Grant, LineAt};
use super::services::{self, Wanted};
use super::terms::{family_number, within};
use crate::netfilter::Hook;
use crate::policy::{Service, Verdict};
use crate::ruleset::Ruleset;

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
    /// Packets that no drop may speak of, in the promise or not: a drop cancels port forwards, too.
    pub spared: Set,
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

/// Whether its services are few enough to read.
pub(super) fn is_readable(grant: &Grant) -> bool {
    /// More are rather said as what is left out.
    const SERVICES_MAX: usize = 16;
    grant.services.as_ref().is_none_or(|list| list.len() <= SERVICES_MAX)
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
        if self.task.verdict == Verdict::Drop && !space.intersect(set, self.task.spared)?.is_empty() {
            return Ok(false);
        }
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
        let box_of = BoxOf {
            ruleset: self.task.ruleset,
            hook: self.task.hook,
            cube,
            families: &families,
            drops: self.task.verdict == Verdict::Drop,
        };
        for (from, to) in box_of.ends().into_iter().filter(|(from, to)| !from.is_empty() && !to.is_empty()) {
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
        let more = narrow.as_deref().and_then(services::with_both_icmp);
        let lists: Vec<Option<Vec<Service>>> = more.map(Some).into_iter().chain([narrow]).collect();
        let many = matches!(wanted, Wanted::Many(_));
        for (from, to) in &ways {
            let first: &[Option<Vec<Service>>] = if many { &[None] } else { &lists };
            for services in first {
                if self.take(space, grant(from, to, services.clone()))? {
                    return Ok(());
                }
            }
        }
        if !many {
            return Ok(());
        }
        for (from, to) in &ways {
            if self.all_but(space, grant(from, to, None))? {
                return Ok(());
            }
            for services in &lists {
                if self.take(space, grant(from, to, services.clone()))? {
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
        let readable = drops.grants.iter().all(is_readable);
        if !few || !readable || !within(space, not, dropped)? {
            return Ok(false);
        }
        self.grants.extend(drops.grants);
        self.covered = space.union(self.covered, kept)?;
        self.grants.push(grant);
        Ok(true)
    }
}
