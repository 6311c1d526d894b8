//! Rules of a chain, in order.

use segwall_packetset::{Field, GaveUp, Set};

use super::compile::{self, Cond};
use super::flows::Flows;
use super::summary::{self, ChainRef, Event, Summary};
use super::view::{TRACKING, Tracked, View};
use super::walk::Walk;
use super::{Options, Rates};
use crate::netfilter::{Action, Chain, Content, Element, Key, Match, Rate, Rule, Step, Unknown, Verdicts};

/// Chains that jump deeper are not followed; the kernel's own stack has 16.
const JUMPS_MAX: usize = 64;
/// Rules that are told of one packet; where much is unknown there are many ways.
const TRAIL_MAX: usize = 10_000;
/// Number of the state of packets that fit no connection.
const INVALID: u128 = 3;

const NO_CHAIN: &str = "the chain is not there";
const CIRCLE: &str = "chains jump in a circle";
const DEEP: &str = "chains jump deeper than is followed";
const NO_MAP: &str = "the map is not there";
const NOT_VERDICTS: &str = "the set has no verdicts";
const NO_NAT: &str = "only nat chains translate";
const PROGRAM: &str = "a program decides";

/// Where packets of a rule go.
pub(super) struct Course<'a> {
    /// The chain.
    pub at: ChainRef,
    /// The rule.
    pub rule: usize,
    /// A rate stood before this in the rule.
    pub limited: bool,
    /// What becomes of packets in the chain.
    pub summary: &'a mut Summary,
    /// Packets that come to the next rule.
    pub next: &'a mut Flows,
}

impl Walk<'_, '_> {
    /// What a chain does to packets of one look.
    pub(super) fn chain(&mut self, at: ChainRef, view: View, entering: Set) -> Result<Summary, GaveUp> {
        let programs = self.programs.clone();
        let chain: &Chain = &programs[at.0].tables[at.1].chains[at.2];
        let mut summary = Summary::new();
        let mut current = Flows::one(view, entering);
        self.in_progress.insert(at);
        for (number, rule) in chain.rules.iter().enumerate() {
            if current.is_empty() {
                break;
            }
            let mut next = Flows::default();
            for (view, set) in current.iter() {
                let mut course = Course { at, rule: number, limited: false, summary: &mut summary, next: &mut next };
                self.rule(&mut course, rule, view, set)?;
            }
            current = next;
        }
        self.in_progress.remove(&at);
        summary.returned.add_all(self.space, &current)?;
        Ok(summary)
    }

    pub(super) fn rule(&mut self, course: &mut Course<'_>, rule: &Rule, view: View, set: Set) -> Result<(), GaveUp> {
        let mut going = Flows::one(view, set);
        let mut at = 0;
        let collect = self.options.collect_rules;
        if collect {
            course.summary.event(course.rule, Event::Reached, set);
        }
        let matching = rule.steps.iter().rposition(|step| !matches!(step, Step::Do(_))).map_or(0, |last| last + 1);
        while at < rule.steps.len() && !going.is_empty() {
            if at >= matching && at == 0 {
                self.all_matched(course, &going)?;
            }
            let run = rule.steps[at..].iter().take_while(|step| matches!(step, Step::Match(_))).count();
            let mut after = Flows::default();
            for (view, set) in going.iter() {
                match &rule.steps[at] {
                    Step::Match(_) => {
                        let cond = self.matches(course, &rule.steps[at..], run, view, set)?;
                        let passed = self.space.intersect(set, cond.may)?;
                        after.add(self.space, view, passed)?;
                        let left = self.space.minus(set, cond.must)?;
                        if collect {
                            course.summary.event(course.rule, Event::Missed, left);
                        }
                        course.next.add(self.space, view, left)?;
                    }
                    Step::Verdicts { keys, entries } => {
                        self.verdicts(course, keys, entries, (view, set), at + 1 == matching, &mut after)?;
                    }
                    Step::Do(action) => self.act(course, action, view, set, &mut after)?,
                }
            }
            going = after;
            at += run.max(1);
            if at == matching && matches!(rule.steps[at - 1], Step::Match(_)) {
                self.all_matched(course, &going)?;
            }
        }
        if rule.steps.is_empty() {
            self.all_matched(course, &going)?;
        }
        course.next.add_all(self.space, &going)
    }

    /// Packets that may match all of a rule.
    fn all_matched(&mut self, course: &mut Course<'_>, going: &Flows) -> Result<(), GaveUp> {
        if self.options.collect_rules || self.trail.is_some() {
            let set = going.all(self.space)?;
            self.matched(course.at, course.rule, set);
            course.summary.event(course.rule, Event::Matched, set);
        }
        Ok(())
    }

    /// Matches that stand together, as one.
    fn matches(
        &mut self,
        course: &mut Course<'_>,
        steps: &[Step],
        run: usize,
        view: View,
        set: Set,
    ) -> Result<Cond, GaveUp> {
        let mut all = Cond::exact(Set::ALL);
        for (at, step) in steps[..run].iter().enumerate() {
            let Step::Match(found) = step else { continue };
            let cond = match found {
                Match::Among { keys, not, values } => {
                    let names = &self.names[course.at.0][course.at.1];
                    let table = (course.at.0, course.at.1);
                    let cond = self.compiler.among(self.space, (table, names), (keys, *not, values), view)?;
                    if cond.may != cond.must && !view.lost {
                        let unknown = Unknown { text: summary::lookup(keys, *not, Some(values)), why: cond.why };
                        let open = self.space.minus(cond.may, cond.must)?;
                        self.tell_at(course, Event::Unknown(unknown), set, &[all.may, open])?;
                    }
                    cond
                }
                Match::Rate(rate) => {
                    let decides = steps[at..].iter().any(has_consequence);
                    course.limited = true;
                    self.tell_at(course, Event::Rate { rate: rate.clone(), decides }, set, &[all.may])?;
                    rate_cond(self.options, rate)
                }
                Match::Unknown(unknown) => {
                    self.tell_at(course, Event::Unknown(unknown.clone()), set, &[all.may])?;
                    Cond::unknown(unknown.why)
                }
            };
            all.may = self.space.intersect(all.may, cond.may)?;
            all.must = self.space.intersect(all.must, cond.must)?;
        }
        Ok(all)
    }

    /// Tells something about the part of a set that lies in all of the others.
    fn tell_at(&mut self, course: &mut Course<'_>, event: Event, set: Set, inside: &[Set]) -> Result<(), GaveUp> {
        let mut set = set;
        for other in inside {
            set = self.space.intersect(set, *other)?;
        }
        course.summary.event(course.rule, event, set);
        Ok(())
    }

    fn verdicts(
        &mut self,
        course: &mut Course<'_>,
        keys: &[Key],
        entries: &Verdicts,
        (view, set): (View, Set),
        is_last: bool,
        after: &mut Flows,
    ) -> Result<(), GaveUp> {
        let programs = self.programs.clone();
        let list: Result<&[(Element, Action)], &'static str> = match entries {
            Verdicts::Here(list) => Ok(list),
            Verdicts::Map(name) => {
                // The content lives as long as the programs, not as this walk.
                let table = &programs[course.at.0].tables[course.at.1];
                match table.sets.iter().find(|set| set.name == *name).map(|set| &set.content) {
                    Some(Content::Verdicts(list)) => Ok(list),
                    Some(Content::Unknown(why)) => Err(why),
                    Some(Content::Elements(_)) => Err(NOT_VERDICTS),
                    None => Err(NO_MAP),
                }
            }
        };
        let list = match list {
            Ok(list) => list,
            Err(why) => {
                let text = match entries {
                    Verdicts::Map(name) => format!("vmap @{name}"),
                    Verdicts::Here(_) => "vmap".to_owned(),
                };
                course.summary.event(course.rule, Event::Unknown(Unknown { text, why }), set);
                course.summary.anything(self.space, view, set)?;
                // It may match every packet, and need not match any.
                self.all_matched(course, &Flows::one(view, set))?;
                if self.options.collect_rules {
                    course.summary.event(course.rule, Event::Missed, set);
                }
                return course.next.add(self.space, View { lost: true, ..view }, set);
            }
        };
        let mut left = set;
        for (action, elements) in groups(list) {
            if left.is_empty() {
                break;
            }
            let is_v4 = self.names[course.at.0][course.at.1].is_v4;
            let cond = self.compiler.elements(self.space, (keys, is_v4), &mut elements.into_iter(), view)?;
            if cond.may != cond.must && !view.lost {
                let unknown = Unknown { text: summary::lookup(keys, false, None), why: cond.why };
                let open = self.space.minus(cond.may, cond.must)?;
                self.tell_at(course, Event::Unknown(unknown), left, &[open])?;
            }
            let fits = self.space.intersect(left, cond.may)?;
            if is_last {
                self.all_matched(course, &Flows::one(view, fits))?;
            }
            self.act(course, action, view, fits, after)?;
            left = self.space.minus(left, cond.must)?;
        }
        if self.options.collect_rules {
            course.summary.event(course.rule, Event::Missed, left);
        }
        course.next.add(self.space, view, left)
    }

    fn act(
        &mut self,
        course: &mut Course<'_>,
        action: &Action,
        view: View,
        set: Set,
        after: &mut Flows,
    ) -> Result<(), GaveUp> {
        if set.is_empty() {
            return Ok(());
        }
        let rule = course.rule;
        match action {
            Action::Accept => course.summary.accepted.add(self.space, view, set),
            Action::Drop => course.summary.drop(self.space, set),
            Action::Reject(how) => course.summary.reject(self.space, *how, set),
            Action::Return => course.summary.returned.add(self.space, view, set),
            Action::Jump(name) => self.enter(course, name, view, set, false),
            Action::Goto(name) => self.enter(course, name, view, set, true),
            Action::Continue | Action::Nothing => after.add(self.space, view, set),
            Action::Queue { .. } => {
                let unknown = Unknown { text: "queue".to_owned(), why: PROGRAM };
                course.summary.event(rule, Event::Unknown(unknown), set);
                course.summary.accepted.add(self.space, view, set)?;
                course.summary.drop(self.space, set)
            }
            Action::Log(log) => {
                course.summary.event(rule, Event::Log { log: log.clone(), limited: course.limited }, set);
                after.add(self.space, view, set)
            }
            Action::SetMark { value, mask } => after.add(self.space, view.marked(*value, *mask), set),
            Action::ForgetMark => after.add(self.space, view.forgotten(), set),
            Action::NoTrack if view.place.tracked == Tracked::Either => {
                let unknown = Unknown { text: "notrack".to_owned(), why: TRACKING };
                course.summary.event(rule, Event::Unknown(unknown), set);
                after.add(self.space, View { lost: true, ..view }, set)
            }
            Action::NoTrack if view.place.tracked == Tracked::Yes => {
                // Too late for packets that tracking gave a connection.
                let free = self.space.range(Field::State, INVALID, INVALID)?;
                let taken = self.space.intersect(set, free)?;
                after.add(self.space, View { untracked: true, ..view }, taken)?;
                let kept = self.space.minus(set, free)?;
                after.add(self.space, view, kept)
            }
            Action::NoTrack => after.add(self.space, View { untracked: true, ..view }, set),
            Action::Nat(nat) if self.nat => {
                course.summary.event(rule, Event::Translated(nat.clone()), set);
                Ok(())
            }
            Action::Nat(_) => {
                let unknown = Unknown { text: "a translation".to_owned(), why: NO_NAT };
                course.summary.event(rule, Event::Unknown(unknown), set);
                course.summary.anything(self.space, view, set)
            }
            Action::Unknown(unknown) => {
                course.summary.event(rule, Event::Unknown(unknown.clone()), set);
                course.summary.anything(self.space, view, set)?;
                after.add(self.space, View { lost: true, ..view }, set)
            }
        }
    }

    fn enter(&mut self, course: &mut Course<'_>, name: &str, view: View, set: Set, goes: bool) -> Result<(), GaveUp> {
        let (program, table, _) = course.at;
        let chain = self.names[program][table].chains.get(name).map(|chain| (program, table, *chain));
        let why = match chain {
            None => Some(NO_CHAIN),
            Some(at) if self.in_progress.contains(&at) => Some(CIRCLE),
            Some(_) if self.in_progress.len() > JUMPS_MAX => Some(DEEP),
            Some(_) => None,
        };
        let (Some(at), None) = (chain, why) else {
            let unknown = Unknown { text: format!("jump {name}"), why: why.unwrap_or(NO_CHAIN) };
            course.summary.event(course.rule, Event::Unknown(unknown), set);
            course.summary.anything(self.space, view, set)?;
            return course.next.add(self.space, View { lost: true, ..view }, set);
        };
        if self.trail.as_ref().is_some_and(|trail| trail.len() < TRAIL_MAX) {
            let inside = self.chain(at, view, set)?;
            course.summary.accepted.add_all(self.space, &inside.accepted)?;
            course.summary.drop(self.space, inside.dropped)?;
            let onward = if goes { &mut course.summary.returned } else { &mut *course.next };
            return onward.add_all(self.space, &inside.returned);
        }
        let number = match self.known.get(&(at, view)) {
            Some(number) => *number,
            None => {
                // No other packet is on its way in this walk.
                let summary = self.chain(at, view, self.options.entering)?;
                self.keep(at, view, summary)
            }
        };
        course.summary.jumps.push((number, set));
        let inside = &self.summaries[number].1;
        let accepted = inside.accepted.within(self.space, set)?;
        course.summary.accepted.add_all(self.space, &accepted)?;
        let dropped = self.space.intersect(inside.dropped, set)?;
        let rejected = inside.rejected.clone();
        let returned = inside.returned.within(self.space, set)?;
        course.summary.drop(self.space, dropped)?;
        for (how, part) in rejected {
            let part = self.space.intersect(part, set)?;
            summary::add(self.space, &mut course.summary.rejected, how, part)?;
        }
        if goes {
            course.summary.returned.add_all(self.space, &returned)
        } else {
            course.next.add_all(self.space, &returned)
        }
    }
}

fn rate_cond(options: Options, rate: &Rate) -> Cond {
    match (options.rates, rate.over) {
        (Rates::Unknown, _) => Cond::unknown("depends on earlier packets"),
        (Rates::Within, false) | (Rates::Over, true) => Cond::exact(Set::ALL),
        (Rates::Within, true) | (Rates::Over, false) => Cond::exact(Set::EMPTY),
    }
}

/// Whether more than logging and counting is done.
fn has_consequence(step: &Step) -> bool {
    match step {
        Step::Match(found) => compile::is_stateful(found) && !matches!(found, Match::Rate(_)),
        Step::Verdicts { .. } => true,
        Step::Do(action) => !matches!(action, Action::Log(_) | Action::Nothing | Action::Continue),
    }
}

/// Entries by what they say, in order; the last one by itself: it may be the one that fits everything.
fn groups(entries: &[(Element, Action)]) -> Vec<(&Action, Vec<&Element>)> {
    let Some(((last, last_action), rest)) = entries.split_last() else { return Vec::new() };
    let mut groups: Vec<(&Action, Vec<&Element>)> = Vec::new();
    let mut chains: std::collections::BTreeMap<(bool, &str), usize> = std::collections::BTreeMap::new();
    for (element, action) in rest {
        let known = match action {
            Action::Jump(name) => chains.get(&(true, name.as_str())).copied(),
            Action::Goto(name) => chains.get(&(false, name.as_str())).copied(),
            _ => groups.iter().position(|(known, _)| *known == action),
        };
        match known {
            Some(at) => groups[at].1.push(element),
            None => {
                match action {
                    Action::Jump(name) => drop(chains.insert((true, name), groups.len())),
                    Action::Goto(name) => drop(chains.insert((false, name), groups.len())),
                    _ => {}
                }
                groups.push((action, vec![element]));
            }
        }
    }
    groups.push((last_action, vec![last]));
    groups
}
