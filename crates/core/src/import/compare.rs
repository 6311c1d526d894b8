//! What the policy does otherwise than the rules did: inside the promise there must be nothing, outside it is listed.
//!
//! The policy is the one that was read from the written text; nothing here knows how that text was made.

use segwall_packetset::{Family, Field, GaveUp, Point, Set, Space};

use super::class_sets::own_source;
use super::classes::{self, Class, Scope};
use super::forwards;
use super::old::Old;
use super::terms::{name, number, numbers, of_family};
use super::usual::{Usual, telling};
use crate::analysis::proof;
use crate::analysis::sets;
use crate::netfilter::Hook;
use crate::netfilter::meaning::Translations;
use crate::ruleset::{At, Need, Origin, Ruleset};

/// Which packets differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// Of the promise: what import could not say in the policy's language.
    Promised,
    /// A class outside of it.
    Class(Class),
    /// What Segwall accepts without being asked.
    Implied,
    /// Connections that a port forward made.
    Forwarded,
    /// Destinations that are translated: port forwards.
    Destinations,
    /// Port forwards as segments see them.
    Hairpin,
    /// Sources that are translated.
    Sources,
    /// Refused with an answer.
    Answered,
}

/// How they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The rules accepted, the policy drops.
    Closed,
    /// The rules dropped, the policy accepts.
    Opened,
    /// Both treat them otherwise in another way.
    Otherwise,
}

/// Packets that are treated otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub which: Which,
    pub how: How,
    pub hook: Hook,
    /// All of them.
    pub set: Set,
    /// All that were asked: what a reader takes for granted.
    pub among: Set,
    /// One of them.
    pub point: Point,
    /// The rules surely did otherwise; else they may have.
    pub sure: bool,
}

/// Both sides.
pub(super) struct Sides<'a> {
    pub ruleset: &'a Ruleset,
    /// The same policy without rules: what is accepted without being asked.
    pub bare: &'a Ruleset,
    pub scope: &'a Scope,
    /// Port forwards are kept apart from this.
    pub translations: &'a Translations,
    pub followed: &'a [(forwards::Target, Set)],
    /// Masqueraded by the rules; otherwise translated; whether that is certain.
    pub sources: (Set, Set, bool),
}

/// Compares at one hook.
pub(super) fn filter(space: &mut Space, sides: &Sides<'_>, hook: Hook, old: &Old) -> Result<Vec<Found>, GaveUp> {
    let new = proof::intent(space, sides.ruleset, hook, At::ClockUnknown)?;
    // What the box sends is accepted as a whole unless the policy says otherwise: then nothing of it is a need.
    let every = |rule: &crate::ruleset::Rule| rule.origin == Origin::Need(Need::Output);
    let implied = if hook == Hook::Output && sides.bare.rules.iter().any(every) {
        Set::EMPTY
    } else {
        proof::intent(space, sides.bare, hook, At::ClockUnknown)?.accept
    };
    let never = proof::not_local(space, sides.ruleset)?;
    let parts = classes::parts(space, sides.ruleset, hook, sides.scope)?;
    // Needs are about what opens something, and about neighbours; known connections are no need.
    let known = space.range(Field::State, 1, 3)?;
    let implied = space.minus(implied, known)?;
    let first = sets::first_packets(space, hook)?;
    let usual = Usual::of(space, sides.ruleset, hook)?;
    let mut comparison = Comparison {
        space,
        old,
        accept: new.accept,
        never,
        hook,
        implied,
        first,
        usual,
        found: Vec::new(),
        later: Vec::new(),
    };
    comparison.compare(Which::Promised, parts.promised)?;
    for (class, set) in parts.others {
        comparison.compare(Which::Class(class), set)?;
    }
    if hook == Hook::Forward {
        let translated = translated(comparison.space, sides, new.possible)?;
        comparison.compare(Which::Forwarded, translated)?;
    }
    comparison.put_off()?;
    let refused = comparison.space.intersect(old.rejects, parts.promised)?;
    let refused = comparison.space.minus(refused, new.accept)?;
    let silent = comparison.space.minus(refused, new.reject)?;
    comparison.push(Which::Answered, How::Otherwise, silent, (parts.promised, false))?;
    Ok(comparison.found)
}

/// Connections that the policy's port forwards make of what comes from the internet.
fn translated(space: &mut Space, sides: &Sides<'_>, possible: Set) -> Result<Set, GaveUp> {
    let asked = forwards::asked(space, sides.ruleset)?;
    let kept = [Field::Family, Field::In, Field::Src, Field::Proto, Field::Dst, Field::Dport];
    let others: Vec<Field> = Field::ALL.into_iter().filter(|field| !kept.contains(field)).collect();
    let mut all = Set::EMPTY;
    for ((to, port), set) in proof::destinations(space, sides.ruleset)? {
        let set = space.intersect(set, asked)?;
        let set = space.exists(set, &others)?;
        // What was the destination is, behind the translation, where it was sent to.
        let set = space.substitute(set, Field::Dst, Field::SentDst)?;
        let set = space.substitute(set, Field::Dport, Field::SentDport)?;
        let made = of_family(Family::of(to)).with_only(Field::State, 0).with_only(Field::Translated, 1);
        let made = made.with_only(Field::Dst, number(to));
        let made = match port {
            Some(port) => made.with_only(Field::Dport, u128::from(port)),
            None => made,
        };
        let made = space.cube(&made)?;
        let set = space.intersect(set, made)?;
        all = space.union(all, set)?;
    }
    // They leave by the segment that the target lies in.
    let mut cubes = Vec::new();
    for interface in &sides.ruleset.interfaces {
        for family in Family::BOTH {
            let list = numbers(&interface.sources, family);
            if !list.is_empty() {
                let of = of_family(family).with_only(Field::Out, name(&interface.name));
                cubes.push(of.with_ranges(Field::Dst, &list));
            }
        }
    }
    let home = space.cubes(&cubes)?;
    let opening = sets::can_open(space)?;
    let sent = forwards::sent_to_the_uplink(space, sides.ruleset)?;
    let own = own_source(space, sides.ruleset)?;
    let real = sets::possible(space, Hook::Forward)?;
    let all = space.intersect_all(&[all, possible, real, opening, home, sent])?;
    space.minus(all, own)
}

struct Comparison<'a> {
    space: &'a mut Space,
    old: &'a Old,
    accept: Set,
    never: Set,
    hook: Hook,
    /// Accepted without being asked.
    implied: Set,
    /// First packets of connections.
    first: Set,
    usual: Usual,
    found: Vec<Found>,
    /// Told with others of their kind: which, how, all of them, those that are certain.
    later: Vec<(Which, How, Set, Set)>,
}

impl Comparison<'_> {
    fn compare(&mut self, which: Which, among: Set) -> Result<(), GaveUp> {
        let dropped = self.space.minus(among, self.accept)?;
        let closed = self.space.intersect(dropped, self.old.may)?;
        let surely = self.space.intersect(dropped, self.old.sure)?;
        self.closed(which, (closed, surely), among)?;
        let accepted = self.space.intersect(among, self.accept)?;
        let opened = self.space.minus(accepted, self.old.sure)?;
        let surely = self.space.minus(accepted, self.old.may)?;
        // What Segwall accepts by itself is one thing to tell, wherever it goes.
        let needs = self.space.intersect(opened, self.implied)?;
        let sure_needs = self.space.intersect(surely, self.implied)?;
        self.put(Which::Implied, How::Opened, needs, sure_needs)?;
        let mut opened = self.space.minus(opened, self.implied)?;
        let mut surely = self.space.minus(surely, self.implied)?;
        if matches!(which, Which::Class(_)) {
            // Replies that follow by themselves are one thing to tell, too.
            for (state, number) in [(Class::Established, 1), (Class::Related, 2)] {
                let of = self.space.range(Field::State, number, number)?;
                let (some, sure) = (self.space.intersect(opened, of)?, self.space.intersect(surely, of)?);
                self.put(Which::Class(state), How::Opened, some, sure)?;
                opened = self.space.minus(opened, of)?;
                surely = self.space.minus(surely, of)?;
            }
        }
        self.both(which, How::Opened, opened, surely, among)
    }

    /// Of a class by where packets go, those that open nothing are told by their state.
    fn closed(&mut self, which: Which, (closed, surely): (Set, Set), among: Set) -> Result<(), GaveUp> {
        let Which::Class(class) = which else { return self.both(which, How::Closed, closed, surely, among) };
        if !class.is_of_places() {
            return self.put(which, How::Closed, closed, surely);
        }
        for state in Class::STATES {
            let of = match state {
                Class::OpensNothing => {
                    let new = self.space.range(Field::State, 0, 0)?;
                    self.space.minus(new, self.first)?
                }
                other => {
                    let number = match other {
                        Class::Established => 1,
                        Class::Related => 2,
                        Class::Invalid => 3,
                        _ => 4,
                    };
                    self.space.range(Field::State, number, number)?
                }
            };
            let (some, sure) = (self.space.intersect(closed, of)?, self.space.intersect(surely, of)?);
            self.put(Which::Class(state), How::Closed, some, sure)?;
        }
        let (first, sure) = (self.space.intersect(closed, self.first)?, self.space.intersect(surely, self.first)?);
        self.both(which, How::Closed, first, sure, among)
    }

    /// Puts a part off until all of its kind are there.
    fn put(&mut self, which: Which, how: How, all: Set, sure: Set) -> Result<(), GaveUp> {
        if all.is_empty() {
            return Ok(());
        }
        match self.later.iter_mut().find(|(known, direction, _, _)| *known == which && *direction == how) {
            Some((_, _, known, known_sure)) => {
                *known = self.space.union(*known, all)?;
                *known_sure = self.space.union(*known_sure, sure)?;
            }
            None => self.later.push((which, how, all, sure)),
        }
        Ok(())
    }

    fn put_off(&mut self) -> Result<(), GaveUp> {
        for (which, how, all, sure) in std::mem::take(&mut self.later) {
            self.both(which, how, all, sure, all)?;
        }
        Ok(())
    }

    fn both(&mut self, which: Which, how: How, may: Set, surely: Set, among: Set) -> Result<(), GaveUp> {
        let before = self.found.len();
        self.push(which, how, surely, (among, true))?;
        let unsure = self.space.minus(may, surely)?;
        // A class is told once: where some of it is certain, what is not so is left out; the promise is told whole.
        if self.found.len() == before || which == Which::Promised || which == Which::Forwarded {
            self.push(which, how, unsure, (among, false))?;
        }
        Ok(())
    }

    fn push(&mut self, which: Which, how: How, set: Set, (among, sure): (Set, bool)) -> Result<(), GaveUp> {
        if set.is_empty() {
            return Ok(());
        }
        let set = self.space.minus(set, self.never)?;
        if let Some(point) = telling(self.space, set, &self.usual)? {
            self.found.push(Found { which, how, hook: self.hook, set, among, point, sure });
        }
        Ok(())
    }
}
