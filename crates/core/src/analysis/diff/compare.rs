//! The comparison, hook by hook.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use segwall_packetset::{Field, GaveUp, Set, Space};

use super::affected::{affected, bare};
use super::decide::{Decider, choose, decider};
use super::side::{ByWords, Facts, facts, translations};
use super::{BOXES_MAX, Change, Diff, Outcome, PERIODS_MAX, Party, SAMPLES_MAX, Sample, What};
use crate::analysis::proof::not_local;
use crate::analysis::sets::{Shown, UNASKED, first_packets, interfaces_named, readable};
use crate::netfilter::{Hook, Program, Table};
use crate::ruleset::At;

const HOOKS: [Hook; 3] = [Hook::Forward, Hook::Input, Hook::Output];
const TRANSLATING: [Hook; 4] = [Hook::Prerouting, Hook::Output, Hook::Input, Hook::Postrouting];
/// What is said of packets that are not translated, told, or written down.
const NOTHING: &str = "nothing";

/// What changes from `before` to `after`. Policies are compared from the instant on; what expires later is looked at
/// then.
#[must_use]
pub fn diff(space: &mut Space, before: Party<'_>, after: Party<'_>, at: At) -> Diff {
    let mut comparison = Comparison {
        space,
        parties: [before, after],
        changes: Vec::new(),
        doubts: BTreeSet::new(),
        affected: Set::ALL,
        granted: Set::ALL,
        leaving: Set::EMPTY,
        seen: BTreeMap::new(),
    };
    if same_rules(before, after) {
        return Diff { changes: Vec::new(), doubts: Vec::new() };
    }
    if let (Party::Rules(before), Party::Rules(after)) = (before, after) {
        match affected(comparison.space, before, after) {
            Ok(Some(set)) => comparison.affected = set,
            Ok(None) => {}
            // Without the bound the question is larger, and the answer the same.
            Err(_) => {}
        }
    }
    let begins = periods(before, after, at);
    if begins.len() > PERIODS_MAX {
        comparison.doubts.insert(format!("rules expire at more than {PERIODS_MAX} instants"));
    }
    for (number, begin) in begins.iter().take(PERIODS_MAX).enumerate() {
        let at = begin.map_or(at, At::Instant);
        let end = begins.get(number + 1).copied().flatten();
        for hook in HOOKS {
            let period = Period { at, end, from: (number > 0).then_some(*begin).flatten() };
            if let Err(error) = comparison.hook(hook, period) {
                comparison.doubts.insert(format!("{error}, at the {} hook", hook.word()));
            }
        }
    }
    for hook in TRANSLATING {
        if let Err(error) = comparison.translations(hook, at) {
            comparison.doubts.insert(format!("{error}, at the translation of the {} hook", hook.word()));
        }
    }
    Diff { changes: comparison.changes, doubts: comparison.doubts.into_iter().collect() }
}

/// Instants from which on something else may hold: the first one, and when rules expire.
fn periods(before: Party<'_>, after: Party<'_>, at: At) -> Vec<Option<Timestamp>> {
    let At::Instant(now) = at else { return vec![None] };
    let expiries = |party: Party<'_>| -> Vec<Timestamp> {
        match party {
            Party::Policy(ruleset) => ruleset.rules.iter().filter_map(|rule| rule.when.until).collect(),
            Party::Rules(_) => Vec::new(),
        }
    };
    let mut list: BTreeSet<Timestamp> = expiries(before).into_iter().chain(expiries(after)).collect();
    list.retain(|until| *until > now);
    list.insert(now);
    list.into_iter().map(Some).collect()
}

/// Programs that are written alike, wherever they came from, do alike: also where something is not decided.
fn same_rules(before: Party<'_>, after: Party<'_>) -> bool {
    let (Party::Rules(before), Party::Rules(after)) = (before, after) else { return false };
    let bare = |programs: &[&Program]| -> Vec<Table> {
        programs.iter().flat_map(|program| &program.tables).map(bare).collect()
    };
    bare(before) == bare(after)
}

/// Interfaces that a policy names.
fn interfaces(party: Party<'_>) -> Vec<&str> {
    match party {
        Party::Policy(ruleset) => ruleset.interfaces.iter().map(|interface| interface.name.as_str()).collect(),
        Party::Rules(_) => Vec::new(),
    }
}

#[derive(Clone, Copy)]
struct Period {
    at: At,
    /// The next period begins.
    end: Option<Timestamp>,
    /// Said of its changes; `None` for the first one.
    from: Option<Timestamp>,
}

struct Comparison<'a> {
    space: &'a mut Space,
    parties: [Party<'a>; 2],
    changes: Vec<Change>,
    doubts: BTreeSet<String>,
    /// Packets that can be treated otherwise at all.
    affected: Set,
    /// What a reader takes for granted of the packets at hand.
    granted: Set,
    /// Packets that leave on either side.
    leaving: Set,
    /// Packets of changes that were told, whatever the time.
    seen: BTreeMap<(usize, What), Set>,
}

impl Comparison<'_> {
    fn hook(&mut self, hook: Hook, period: Period) -> Result<(), GaveUp> {
        let mut among = first_packets(self.space, hook)?;
        if let At::Instant(now) = period.at
            && self.parties.iter().any(|party| matches!(party, Party::Policy(_)))
        {
            let nanoseconds = |at: Timestamp| u128::try_from(at.as_nanosecond()).unwrap_or(0);
            let mut last = period.end.map_or(Field::Time.max(), |end| nanoseconds(end) - 1);
            for party in self.parties {
                if let Party::Policy(ruleset) = party
                    && let Some(until) = crate::ruleset::slots::valid_until(ruleset, period.at)
                {
                    last = last.min(nanoseconds(until) - 1);
                }
            }
            let time = self.space.range(Field::Time, nanoseconds(now), last)?;
            among = self.space.intersect(among, time)?;
        }
        self.granted = among;
        among = self.space.intersect(among, self.affected)?;
        let [before, after] = self.parties;
        let before = facts(self.space, before, hook, period.at, among)?;
        let after = facts(self.space, after, hook, period.at, among)?;
        self.verdicts(hook, period, among, &before, &after)?;
        if hook != Hook::Input {
            for one in [&before, &after] {
                let open = [self.leaving, one.accept, one.limited, one.undecided];
                let open = self.space.union_all(&open)?;
                self.leaving = self.space.exists(open, &[Field::Time])?;
            }
        }
        let refused = self.refused_by_both(among, &before, &after)?;
        self.by_words(hook, period, refused, (&before.answers, &after.answers), &What::Answer)?;
        let limited = self.space.intersect(before.limited, after.limited)?;
        self.by_words(hook, period, limited, (&before.limits, &after.limits), &What::Limit)?;
        if matches!(self.parties, [Party::Policy(_), Party::Policy(_)] | [Party::Rules(_), Party::Rules(_)]) {
            self.by_words(hook, period, among, (&before.messages, &after.messages), &What::Message)?;
        }
        Ok(())
    }

    fn verdicts(
        &mut self,
        hook: Hook,
        period: Period,
        among: Set,
        before: &Facts,
        after: &Facts,
    ) -> Result<(), GaveUp> {
        let (before_sets, after_sets) = (self.outcomes(among, before)?, self.outcomes(among, after)?);
        for (from, set) in before_sets {
            for (to, other) in after_sets {
                let both = self.space.intersect(set, other)?;
                if both.is_empty() || from == to && from != Outcome::May {
                    continue;
                }
                if from == Outcome::May || to == Outcome::May {
                    for (why, reached) in before.unknown.iter().chain(&after.unknown) {
                        if !self.space.intersect(both, *reached)?.is_empty() {
                            self.doubts.insert(why.clone());
                        }
                    }
                    if before.unknown.is_empty() && after.unknown.is_empty() {
                        self.doubts
                            .insert("several limits decide together, or one that accepts what is beyond it".to_owned());
                    }
                }
                if from != to {
                    self.change(hook, period, What::Verdict(from, to), both)?;
                }
            }
        }
        Ok(())
    }

    fn outcomes(&mut self, among: Set, facts: &Facts) -> Result<[(Outcome, Set); 4], GaveUp> {
        let open = self.space.union_all(&[facts.accept, facts.limited, facts.undecided])?;
        Ok([
            (Outcome::Drop, self.space.minus(among, open)?),
            (Outcome::May, facts.undecided),
            (Outcome::Limited, facts.limited),
            (Outcome::Accept, facts.accept),
        ])
    }

    fn refused_by_both(&mut self, among: Set, before: &Facts, after: &Facts) -> Result<Set, GaveUp> {
        let sets = [before, after].map(|one| [one.accept, one.limited, one.undecided]);
        let open = self.space.union_all(&sets.concat())?;
        self.space.minus(among, open)
    }

    /// What is said of packets in words, where the words differ.
    fn by_words(
        &mut self,
        hook: Hook,
        period: Period,
        among: Set,
        (before, after): (&ByWords, &ByWords),
        what: &dyn Fn(String, String) -> What,
    ) -> Result<(), GaveUp> {
        if among.is_empty() || before == after {
            return Ok(());
        }
        let mut sides = Vec::new();
        for list in [before, after] {
            let mut left = among;
            let mut parts: Vec<(String, Set)> = Vec::new();
            for (words, set) in list {
                let set = self.space.intersect(*set, among)?;
                left = self.space.minus(left, set)?;
                parts.push((words.clone(), set));
            }
            parts.push((NOTHING.to_owned(), left));
            sides.push(parts);
        }
        for (from, set) in &sides[0] {
            // What the other side says of them as well is no change.
            let same = sides[1].iter().find(|(to, _)| to == from).map_or(Set::EMPTY, |(_, other)| *other);
            let gone = self.space.minus(*set, same)?;
            for (to, other) in &sides[1] {
                let already = sides[0].iter().find(|(from, _)| from == to).map_or(Set::EMPTY, |(_, set)| *set);
                let come = self.space.minus(*other, already)?;
                let both = self.space.intersect(gone, come)?;
                if !both.is_empty() {
                    self.change(hook, period, what(from.clone(), to.clone()), both)?;
                }
            }
        }
        Ok(())
    }

    fn translations(&mut self, hook: Hook, at: At) -> Result<(), GaveUp> {
        let new = self.space.range(Field::State, 0, 0)?;
        let mut among = self.space.wellformed()?;
        among = self.space.intersect(among, new)?;
        if hook == Hook::Prerouting || hook == Hook::Output {
            // Nothing is translated yet.
            let plain = self.space.range(Field::Translated, 0, 0)?;
            among = self.space.intersect(among, plain)?;
        }
        if hook == Hook::Prerouting {
            let nowhere = self.space.range(Field::Out, 0, 0)?;
            let named = self.space.range(Field::In, 1, u128::MAX)?;
            among = self.space.intersect_all(&[among, nowhere, named])?;
            // What comes by an interface that no policy names goes nowhere, wherever it is sent.
            let names: Vec<&str> = self.parties.iter().flat_map(|party| interfaces(*party)).collect();
            if !names.is_empty() {
                let known = interfaces_named(self.space, Field::In, names)?;
                among = self.space.intersect(among, known)?;
            }
        }
        self.granted = among;
        among = self.space.intersect(among, self.affected)?;
        if hook == Hook::Postrouting {
            // Of what is refused on both sides nothing leaves.
            among = self.space.intersect(among, self.leaving)?;
        }
        let [before, after] = self.parties;
        let (before, unknown) = translations(self.space, before, hook)?;
        let (after, more) = translations(self.space, after, hook)?;
        for (why, reached) in unknown.into_iter().chain(more) {
            if !self.space.intersect(reached, among)?.is_empty() {
                self.doubts.insert(why);
            }
        }
        let period = Period { at, end: None, from: None };
        self.by_words(hook, period, among, (&before, &after), &What::Translation)
    }

    /// The part of a difference that packets can show: what a policy gives to the box is local to a kernel that runs rules
    /// made for it.
    fn real(&mut self, set: Set) -> Result<Set, GaveUp> {
        match self.parties {
            [Party::Policy(ruleset), Party::Rules(_)] | [Party::Rules(_), Party::Policy(ruleset)] => {
                let never = not_local(self.space, ruleset)?;
                self.space.minus(set, never)
            }
            [Party::Policy(_), Party::Policy(_)] | [Party::Rules(_), Party::Rules(_)] => Ok(set),
        }
    }

    /// Notes a change, unless an earlier period told it.
    fn change(&mut self, hook: Hook, period: Period, what: What, set: Set) -> Result<(), GaveUp> {
        let whole = set;
        let set = self.real(whole)?;
        let timeless = self.space.exists(set, &[Field::Time])?;
        let key = (hook as usize, what.clone());
        let known = self.seen.get(&key).copied().unwrap_or(Set::EMPTY);
        let fresh = self.space.minus(timeless, known)?;
        let set = self.space.intersect(set, fresh)?;
        let all = self.space.union(known, timeless)?;
        self.seen.insert(key, all);
        if set.is_empty() {
            return Ok(());
        }
        let now = match period.at {
            At::Instant(now) => Some(now),
            At::ClockUnknown => None,
        };
        // Boxes are easier to read with the packets that cannot be; those of nothing else are left out.
        let told = if period.from.is_none() { whole } else { set };
        let mut shown = readable(self.space, told, self.granted, &UNASKED, BOXES_MAX)?;
        let mut boxes = Vec::with_capacity(shown.boxes.len());
        for cube in shown.boxes {
            let inside = self.space.cube(&cube)?;
            if !self.space.intersect(set, inside)?.is_empty() {
                boxes.push(cube);
            }
        }
        shown.boxes = boxes;
        let mut samples = Vec::new();
        for cube in shown.boxes.iter().take(SAMPLES_MAX) {
            let inside = self.space.cube(cube)?;
            let inside = self.space.intersect(set, inside)?;
            let inside = if inside.is_empty() { set } else { inside };
            let Some(point) = choose(self.space, inside, cube, now) else { break };
            let mut decided = Vec::with_capacity(2);
            for party in self.parties {
                decided.push(match what {
                    What::Translation(..) => Decider::Default(""),
                    _ => decider(self.space, party, hook, period.at, &point)?,
                });
            }
            let decided = <[Decider; 2]>::try_from(decided).expect("two parties");
            samples.push(Sample { packet: Shown::of(&point), decided });
        }
        self.changes.push(Change { hook, what, from: period.from, set, shown, samples });
        Ok(())
    }
}
