//! Base chains in order, and the chains they reach.

use std::collections::{BTreeMap, BTreeSet};

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::compile::{self, Compiler, TableNames};
use super::flows::Flows;
use super::seen::Seen;
use super::summary::{self, ChainRef, Event, Summary};
use super::view::{Place, View};
use super::{Hooked, LogUse, Options, RateUse, RuleAt, UnknownUse};
use crate::netfilter::{Action, Base, ChainKind, Hook, Nat, Program, Reject, Step, TableFamily};

/// Events of a rule, with the packets that reach them.
type Told = BTreeMap<RuleAt, Vec<(Event, Set)>>;

/// A question on its way.
pub(super) struct Walk<'s, 'p> {
    pub space: &'s mut Space,
    pub options: Options,
    pub programs: Vec<&'p Program>,
    pub names: Vec<Vec<TableNames<'p>>>,
    pub compiler: Compiler,
    /// Whether some rule translates.
    pub translates: bool,
    /// Rules that were matched, in order, where they are asked for. Chains are then walked each time they are reached.
    pub trail: Option<Vec<RuleAt>>,
    /// Whether packets are forwarded: they lose a hop behind prerouting.
    pub forwarded: bool,
    /// Whether nat chains are walked.
    pub nat: bool,
    /// Summaries in the order in which they were finished: a chain stands behind those it reaches.
    pub summaries: Vec<(ChainRef, Summary)>,
    pub known: BTreeMap<(ChainRef, View), usize>,
    pub in_progress: BTreeSet<ChainRef>,
    /// Packets that enter each summary's chain.
    entering: Vec<Set>,
    /// Packets on their way between base chains; `None` before the first.
    flows: Option<Flows>,
    /// What was said of base chains.
    told: Told,
    /// What rules see, where it is asked for.
    seen: BTreeMap<RuleAt, Seen>,
    dropped: Set,
    rejected: Vec<(Reject, Set)>,
}

impl<'s, 'p> Walk<'s, 'p> {
    pub fn new(space: &'s mut Space, programs: &[&'p Program], options: Options) -> Self {
        Self {
            space,
            options,
            programs: programs.to_vec(),
            names: compile::names(programs),
            compiler: Compiler::default(),
            translates: translates(programs),
            trail: None,
            forwarded: false,
            nat: false,
            summaries: Vec::new(),
            known: BTreeMap::new(),
            in_progress: BTreeSet::new(),
            entering: Vec::new(),
            flows: None,
            told: Told::new(),
            seen: BTreeMap::new(),
            dropped: Set::EMPTY,
            rejected: Vec::new(),
        }
    }

    /// Base chains of some kinds at a hook, in order of their priorities.
    fn bases(&self, hook: Hook, kinds: &[ChainKind]) -> Vec<(Base, ChainRef)> {
        let mut bases = Vec::new();
        for (p, program) in self.programs.iter().enumerate() {
            for (t, table) in program.tables.iter().enumerate() {
                for (c, chain) in table.chains.iter().enumerate() {
                    bases.extend(
                        chain
                            .base
                            .filter(|base| base.hook == hook && kinds.contains(&base.kind))
                            .map(|base| (base, (p, t, c))),
                    );
                }
            }
        }
        bases.sort_by_key(|(base, at)| (base.priority, *at));
        bases
    }

    /// Sends packets (those that the last hook let pass) through the base chains of a hook.
    pub fn hook(&mut self, hook: Hook, kinds: &[ChainKind]) -> Result<(), GaveUp> {
        let entering = self.options.entering;
        self.nat = kinds.contains(&ChainKind::Nat);
        for (base, chain) in self.bases(hook, kinds) {
            let seen = match self.programs[chain.0].tables[chain.1].family {
                TableFamily::Ip => self.space.range(Field::Family, 0, 0)?,
                TableFamily::Ip6 => self.space.range(Field::Family, 1, 1)?,
                TableFamily::Inet => Set::ALL,
                TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => continue,
            };
            let mut place = Place::of(hook, (!self.nat).then_some(base.priority), self.translates);
            place.hops = !(self.forwarded && hook == Hook::Prerouting);
            let flows = self.start(place, entering);
            let mut after = Flows::default();
            for (view, set) in flows.iter() {
                let view = View { place, ..view };
                let outside = self.space.minus(set, seen)?;
                after.add(self.space, view, outside)?;
                let inside = self.space.intersect(set, seen)?;
                if !inside.is_empty() {
                    self.base(base, chain, view, inside, &mut after)?;
                }
            }
            self.flows = Some(after);
        }
        if self.flows.is_none() {
            let place = Place::of(hook, Some(0), self.translates);
            self.flows = Some(self.start(place, entering));
        }
        Ok(())
    }

    fn start(&mut self, place: Place, entering: Set) -> Flows {
        self.flows.take().unwrap_or_else(|| Flows::one(View::new(place), entering))
    }

    fn base(&mut self, base: Base, at: ChainRef, view: View, set: Set, after: &mut Flows) -> Result<(), GaveUp> {
        let summary = self.chain(at, view, set)?;
        let end = self.programs[at.0].tables[at.1].chains[at.2].rules.len();
        let left = summary.returned.all(self.space)?;
        self.matched(at, end, left);
        if self.options.collect_rules {
            self.tell(at, end, Event::Reached, left)?;
            self.tell(at, end, Event::Matched, left)?;
        }
        after.add_all(self.space, &summary.accepted)?;
        if base.accepts {
            after.add_all(self.space, &summary.returned)?;
        } else {
            self.dropped = self.space.union(self.dropped, left)?;
        }
        self.dropped = self.space.union(self.dropped, summary.dropped)?;
        for (how, set) in summary.rejected {
            summary::add(self.space, &mut self.rejected, how, set)?;
        }
        for (callee, set) in summary.jumps {
            self.entering[callee] = self.space.union(self.entering[callee], set)?;
        }
        for (rule, event, set) in summary.events {
            self.tell(at, rule, event, set)?;
        }
        Ok(())
    }

    /// Notes a rule that packets matched.
    pub fn matched(&mut self, (program, table, chain): ChainRef, rule: usize, set: Set) {
        if let (Some(trail), false) = (&mut self.trail, set.is_empty()) {
            trail.push(RuleAt { program, table, chain, rule });
        }
    }

    fn tell(&mut self, at: ChainRef, rule: usize, event: Event, set: Set) -> Result<(), GaveUp> {
        if !self.sees(at, rule, &event, (set, Set::ALL)) {
            let (program, table, chain) = at;
            let events = self.told.entry(RuleAt { program, table, chain, rule }).or_default();
            summary::add(self.space, events, event, set)?;
        }
        Ok(())
    }

    /// Keeps what a rule sees of a set of its chain, of which only the packets that enter the chain are meant.
    fn sees(&mut self, at: ChainRef, rule: usize, event: &Event, (told, entering): (Set, Set)) -> bool {
        let (program, table, chain) = at;
        let is_about_seeing = matches!(event, Event::Reached | Event::Matched | Event::Missed);
        is_about_seeing
            && self.seen.entry(RuleAt { program, table, chain, rule }).or_default().keep(event, told, entering)
    }

    /// Keeps what a chain does to all packets.
    pub fn keep(&mut self, at: ChainRef, view: View, summary: Summary) -> usize {
        let number = self.summaries.len();
        self.summaries.push((at, summary));
        self.entering.push(Set::EMPTY);
        self.known.insert((at, view), number);
        number
    }

    /// Hands what entered each chain on to the chains behind it, callers first.
    fn spread(&mut self) -> Result<(), GaveUp> {
        for number in (0..self.summaries.len()).rev() {
            let entering = std::mem::replace(&mut self.entering[number], Set::EMPTY);
            if entering.is_empty() {
                continue;
            }
            let at = self.summaries[number].0;
            let jumps = self.summaries[number].1.jumps.clone();
            for (callee, set) in jumps {
                let set = self.space.intersect(set, entering)?;
                self.entering[callee] = self.space.union(self.entering[callee], set)?;
            }
            let events = self.summaries[number].1.events.clone();
            for (rule, event, set) in events {
                if self.sees(at, rule, &event, (set, entering)) {
                    continue;
                }
                let set = self.space.intersect(set, entering)?;
                self.tell(at, rule, event, set)?;
            }
        }
        Ok(())
    }

    /// Packets that are still on their way are lost to this set.
    pub fn drop_within(&mut self, set: Set) -> Result<(), GaveUp> {
        self.dropped = self.space.union(self.dropped, set)?;
        Ok(())
    }

    /// Packets outside do not come further.
    pub fn keep_within(&mut self, set: Set) -> Result<(), GaveUp> {
        if let Some(flows) = self.flows.take() {
            self.flows = Some(flows.within(self.space, set)?);
        }
        Ok(())
    }

    /// Packets that passed so far.
    pub fn passed(&mut self) -> Result<Set, GaveUp> {
        match &self.flows {
            Some(flows) => flows.clone().all(self.space),
            None => Ok(self.options.entering),
        }
    }

    /// Translations that were met.
    pub fn translated(&mut self) -> Result<Vec<(Nat, Set)>, GaveUp> {
        self.spread()?;
        let mut list = Vec::new();
        for events in self.told.values() {
            for (event, set) in events {
                if let Event::Translated(nat) = event {
                    summary::add(self.space, &mut list, nat.clone(), *set)?;
                }
            }
        }
        Ok(list)
    }

    /// All that was found.
    pub fn finish(self) -> Result<Hooked, GaveUp> {
        self.finish_seen().map(|(hooked, _)| hooked)
    }

    /// All that was found, and what rules see, not worked out where `collect_rules` asks for it in the first.
    pub fn finish_seen(mut self) -> Result<(Hooked, BTreeMap<RuleAt, Seen>), GaveUp> {
        self.spread()?;
        let may_accept = self.passed()?;
        let mut hooked = Hooked { may_accept, may_drop: self.dropped, may_reject: self.rejected, ..Hooked::nothing() };
        for (at, events) in self.told {
            for (event, reached) in events {
                match event {
                    Event::Rate { rate, decides } => hooked.rates.push(RateUse { rate, at, reached, decides }),
                    Event::Log { log, limited } => hooked.logs.push(LogUse { log, at, reached, limited }),
                    Event::Unknown(unknown) => {
                        let (text, why) = (unknown.text, unknown.why);
                        hooked.unknown.push(UnknownUse { text, why, at: Some(at), reached });
                    }
                    Event::Reached | Event::Matched | Event::Missed | Event::Translated(_) => {}
                }
            }
        }
        Ok((hooked, self.seen))
    }
}

/// Whether any rule translates.
fn translates(programs: &[&Program]) -> bool {
    let acts = |step: &Step| match step {
        Step::Do(Action::Nat(_)) => true,
        Step::Do(_) | Step::Match(_) => false,
        // Entries of a nat chain's map may.
        Step::Verdicts { .. } => false,
    };
    programs.iter().flat_map(|program| &program.tables).flat_map(|table| &table.chains).any(|chain| {
        chain.base.is_some_and(|base| base.kind == ChainKind::Nat) && !chain.rules.is_empty()
            || chain.rules.iter().flat_map(|rule| &rule.steps).any(acts)
    })
}
