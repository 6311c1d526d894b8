//! The walk along the rules of one base chain.

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::super::model::{Action, Content, Element, Key, Match, Program, Rule, Step, Table, Values, Verdicts};
use super::keys::{self, Known, Truth, Width};
use super::mark::{Flows, Mark};
use super::{Hooked, LogUse, Options, RateUse, Rates, RuleAt, RuleUse, UnknownUse};

/// Chains that are jumped into from each other, at most. (The kernel allows 16.)
const DEPTH_MAX: usize = 64;
/// Rules that are visited, at most; a rule in a chain that is jumped to twice is visited twice.
const VISITS_MAX: u64 = 5_000_000;

/// Where a walk stands, and what it has seen.
pub struct Walk<'a> {
    pub space: &'a mut Space,
    pub programs: &'a [&'a Program],
    pub options: &'a Options,
    pub known: &'a mut Known,
    pub hooked: &'a mut Hooked,
    pub program: usize,
    pub table: usize,
    /// What this base chain accepts.
    pub accepted: Flows,
    /// Translations of this base chain.
    pub translated: Vec<(super::super::model::Nat, Set)>,
    pub visits: u64,
    depth: usize,
}

/// Packets that leave a chain without a verdict: at its end, or by `return`.
type Fell = Flows;

impl<'a> Walk<'a> {
    pub fn new(
        space: &'a mut Space,
        programs: &'a [&'a Program],
        options: &'a Options,
        known: &'a mut Known,
        hooked: &'a mut Hooked,
        (program, table): (usize, usize),
    ) -> Self {
        Self {
            space,
            programs,
            options,
            known,
            hooked,
            program,
            table,
            accepted: Flows::default(),
            translated: Vec::new(),
            visits: 0,
            depth: 0,
        }
    }

    fn table(&self) -> &'a Table {
        &self.programs[self.program].tables[self.table]
    }

    /// Goes through a chain; gives what leaves it without a verdict.
    pub fn chain(&mut self, chain: usize, entering: Flows) -> Result<Fell, GaveUp> {
        let mut fell = Fell::default();
        let mut flows = entering;
        let rules = &self.table().chains[chain].rules;
        for (number, rule) in rules.iter().enumerate() {
            if flows.is_empty() {
                return Ok(fell);
            }
            self.visits += 1;
            if self.visits > VISITS_MAX {
                return Err(GaveUp { nodes: self.space.nodes() });
            }
            let at = RuleAt { program: self.program, table: self.table, chain, rule: number };
            flows = self.rule(at, rule, flows, &mut fell)?;
        }
        fell.add_all(self.space, &flows)?;
        Ok(fell)
    }

    /// One rule; gives what goes on to the next.
    fn rule(&mut self, at: RuleAt, rule: &'a Rule, flows: Flows, returned: &mut Fell) -> Result<Flows, GaveUp> {
        let mut next = Flows::default();
        let mut width = Width::of(self.table().family);
        let collect = self.options.collect_rules;
        let reached = if collect { flows.total(self.space)? } else { Set::EMPTY };
        let mut surely = reached;
        let mut matched = reached;
        let mut limited = false;
        let mut flows = flows;
        for (number, step) in rule.steps.iter().enumerate() {
            if flows.is_empty() {
                matched = Set::EMPTY;
                surely = Set::EMPTY;
                break;
            }
            match step {
                Step::Match(condition) => {
                    limited |= matches!(condition, Match::Rate(_));
                    let decides = rule.steps[number + 1..].iter().any(decides);
                    let (keys, truth) = self.condition(at, condition, &flows, width, decides)?;
                    let (held, missed) = flows.split(self.space, keys, truth)?;
                    next.add_all(self.space, &missed)?;
                    if collect {
                        let missed = missed.total(self.space)?;
                        surely = self.space.minus(surely, missed)?;
                        matched = held.total(self.space)?;
                    }
                    width = width_after(width, condition);
                    flows = held;
                }
                Step::Verdicts { keys, entries } => {
                    // What no entry fits does not match the rule.
                    let (missed, fits) = self.verdicts(at, keys, entries, flows, width, returned, &mut next)?;
                    next.add_all(self.space, &missed)?;
                    if collect {
                        let missed = missed.total(self.space)?;
                        matched = self.space.intersect(matched, fits)?;
                        surely = self.space.minus(surely, missed)?;
                    }
                    flows = Flows::default();
                }
                Step::Do(action) => flows = self.act(at, action, flows, returned, &mut next, limited)?,
            }
        }
        if collect {
            self.hooked.rules.push((at, RuleUse { reached, matched, surely }));
        }
        next.add_all(self.space, &flows)?;
        Ok(next)
    }

    /// What a condition says; what cannot be decided is written down.
    fn condition(
        &mut self,
        at: RuleAt,
        condition: &'a Match,
        flows: &Flows,
        width: Width,
        decides: bool,
    ) -> Result<(&'a [Key], Truth), GaveUp> {
        match condition {
            Match::Among { keys, not, values } => {
                let table = self.table();
                let place = (self.program, self.table);
                let truth = match keys::among(self.space, self.known, place, table, keys, values, width)? {
                    Some(truth) => {
                        self.in_between(at, keys, truth, flows)?;
                        truth
                    }
                    None => {
                        let name = match values {
                            Values::Set(name) => name.as_str(),
                            Values::Here(_) => "",
                        };
                        self.undecided(at, format!("set {name}"), content_unknown(table, name), flows)?;
                        Truth::UNDECIDED
                    }
                };
                Ok((keys, if *not { truth.not(self.space)? } else { truth }))
            }
            Match::Rate(rate) => {
                let reached = flows.total(self.space)?;
                self.hooked.rates.push(RateUse { rate: rate.clone(), at, reached, decides });
                let truth = match (self.options.rates, rate.over) {
                    (Rates::Within, false) | (Rates::Over, true) => Truth::ALWAYS,
                    (Rates::Within, true) | (Rates::Over, false) => Truth::NEVER,
                    (Rates::Unknown, _) => Truth::UNDECIDED,
                };
                Ok((&[], truth))
            }
            Match::Unknown(unknown) => {
                self.undecided(at, unknown.text.clone(), unknown.why, flows)?;
                Ok((&[], Truth::UNDECIDED))
            }
        }
    }

    /// Packets for which keys, or what became of their marks, leave a match open.
    fn in_between(&mut self, at: RuleAt, keys: &[Key], truth: Truth, flows: &Flows) -> Result<(), GaveUp> {
        let reached = flows.open(self.space, keys, truth)?;
        if !reached.is_empty() {
            let text = keys.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>().join(" . ");
            self.hooked.unknown.push(UnknownUse { text, why: "not known of every packet", at: Some(at), reached });
        }
        Ok(())
    }

    fn undecided(&mut self, at: RuleAt, text: String, why: &'static str, flows: &Flows) -> Result<(), GaveUp> {
        let reached = flows.total(self.space)?;
        self.hooked.unknown.push(UnknownUse { text, why, at: Some(at), reached });
        Ok(())
    }

    /// A verdict map; gives what no entry surely fits, and the packets that some entry may fit.
    #[allow(clippy::too_many_arguments, reason = "the rule's state, which no other step shares")]
    fn verdicts(
        &mut self,
        at: RuleAt,
        keys: &'a [Key],
        entries: &'a Verdicts,
        flows: Flows,
        width: Width,
        returned: &mut Fell,
        next: &mut Flows,
    ) -> Result<(Flows, Set), GaveUp> {
        let list: &'a [(Element, Action)] = match entries {
            Verdicts::Here(list) => list,
            Verdicts::Map(name) => {
                let content = self.table().sets.iter().find(|set| set.name == *name).map(|set| &set.content);
                match content {
                    Some(Content::Verdicts(list)) => list,
                    Some(Content::Elements(_) | Content::Unknown(_)) | None => {
                        // Anything may stand in it.
                        let why = content_unknown(self.table(), name);
                        self.undecided(at, format!("map {name}"), why, &flows)?;
                        self.anything(at, &flows)?;
                        return Ok((flows, Set::ALL));
                    }
                }
            }
        };
        // Entries with one verdict are one set. One that fits everything is for what no other fits.
        let mut groups: Vec<(&'a Action, Vec<&'a Element>)> = Vec::new();
        let catches_all = |(element, _): &&'a (Element, Action)| {
            keys.iter().zip(element).all(|(key, (first, last))| *first == 0 && *last >= keys::max(*key))
        };
        let (last, first): (Vec<_>, Vec<_>) = list.iter().partition(catches_all);
        for (element, action) in first {
            match groups.iter_mut().find(|(known, _)| *known == action) {
                Some((_, elements)) => elements.push(element),
                None => groups.push((action, vec![element])),
            }
        }
        groups.extend(last.into_iter().map(|(element, action)| (action, vec![element])));
        let mut rest = flows;
        let mut fits = Set::EMPTY;
        for (action, elements) in groups {
            let truth = keys::elements_of(self.space, keys, elements.into_iter(), width)?;
            self.in_between(at, keys, truth, &rest)?;
            let (held, missed) = rest.split(self.space, keys, truth)?;
            fits = self.space.union(fits, truth.may)?;
            rest = missed;
            let on = self.act(at, action, held, returned, next, false)?;
            next.add_all(self.space, &on)?;
        }
        Ok((rest, fits))
    }

    /// One action; gives what goes on behind it in the rule.
    fn act(
        &mut self,
        at: RuleAt,
        action: &'a Action,
        flows: Flows,
        returned: &mut Fell,
        next: &mut Flows,
        limited: bool,
    ) -> Result<Flows, GaveUp> {
        if flows.is_empty() {
            return Ok(flows);
        }
        match action {
            Action::Accept => self.accept(&flows)?,
            Action::Drop => self.drop(&flows)?,
            Action::Reject(how) => {
                let set = flows.total(self.space)?;
                self.hooked.may_reject.push((*how, set));
                self.drop(&flows)?;
            }
            Action::Return => returned.add_all(self.space, &flows)?,
            Action::Jump(name) => {
                let fell = self.jump(at, name, flows)?;
                next.add_all(self.space, &fell)?;
            }
            Action::Goto(name) => {
                let fell = self.jump(at, name, flows)?;
                returned.add_all(self.space, &fell)?;
            }
            Action::Continue => next.add_all(self.space, &flows)?,
            Action::Queue { bypass } => {
                let text = if *bypass { "queue bypass" } else { "queue" };
                self.undecided(at, text.to_owned(), "a program decides", &flows)?;
                self.accept(&flows)?;
                self.drop(&flows)?;
            }
            Action::Log(log) => {
                let reached = flows.total(self.space)?;
                self.hooked.logs.push(LogUse { log: log.clone(), at, reached, limited });
                return Ok(flows);
            }
            Action::Nothing => return Ok(flows),
            Action::NoTrack => {
                let set = flows.total(self.space)?;
                self.hooked.may_untrack = self.space.union(self.hooked.may_untrack, set)?;
                return Ok(flows);
            }
            Action::ForgetMark => return flows.marked(self.space, |_| Mark::Unknown),
            Action::SetMark { value, mask } => {
                return flows.marked(self.space, |mark| mark.replaced(*value, *mask));
            }
            Action::Nat(nat) => {
                let set = flows.total(self.space)?;
                self.translated.push((nat.clone(), set));
                self.accept(&flows)?;
            }
            Action::Unknown(unknown) => {
                self.undecided(at, unknown.text.clone(), unknown.why, &flows)?;
                self.anything(at, &flows)?;
                return flows.marked(self.space, |_| Mark::Unknown);
            }
        }
        Ok(Flows::default())
    }

    fn accept(&mut self, flows: &Flows) -> Result<(), GaveUp> {
        self.accepted.add_all(self.space, flows)
    }

    fn drop(&mut self, flows: &Flows) -> Result<(), GaveUp> {
        let set = flows.total(self.space)?;
        self.hooked.may_drop = self.space.union(self.hooked.may_drop, set)?;
        Ok(())
    }

    /// Whatever an unknown action does, it may accept or drop.
    fn anything(&mut self, _at: RuleAt, flows: &Flows) -> Result<(), GaveUp> {
        let changed = flows.marked(self.space, |_| Mark::Unknown)?;
        self.accept(&changed)?;
        self.drop(flows)
    }

    fn jump(&mut self, at: RuleAt, name: &str, flows: Flows) -> Result<Flows, GaveUp> {
        let chain = self.table().chains.iter().position(|chain| chain.name == name);
        let Some(chain) = chain.filter(|_| self.depth < DEPTH_MAX) else {
            let why = if chain.is_none() { "no such chain" } else { "chains that jump into each other" };
            self.undecided(at, format!("jump {name}"), why, &flows)?;
            self.anything(at, &flows)?;
            return Ok(flows);
        };
        self.depth += 1;
        let fell = self.chain(chain, flows);
        self.depth -= 1;
        fell
    }
}

/// Whether a verdict can come of it.
fn decides(step: &Step) -> bool {
    match step {
        Step::Match(_) => false,
        Step::Verdicts { .. } => true,
        Step::Do(action) => match action {
            Action::Continue | Action::Log(_) | Action::Nothing => false,
            Action::Accept
            | Action::Drop
            | Action::Reject(_)
            | Action::Return
            | Action::Jump(_)
            | Action::Goto(_)
            | Action::Queue { .. }
            | Action::SetMark { .. }
            | Action::ForgetMark
            | Action::NoTrack
            | Action::Nat(_)
            | Action::Unknown(_) => true,
        },
    }
}

/// After a match on the family, how wide addresses are.
fn width_after(width: Width, condition: &Match) -> Width {
    match condition {
        Match::Among { keys, not: false, values: Values::Here(elements) } => match (&keys[..], &elements[..]) {
            ([Key::Field(Field::Family)], [element]) => match element[..] {
                [(0, 0)] => Width::Bits32,
                [(1, 1)] => Width::Bits128,
                _ => width,
            },
            _ => width,
        },
        _ => width,
    }
}

fn content_unknown(table: &Table, name: &str) -> &'static str {
    match table.sets.iter().find(|set| set.name == name).map(|set| &set.content) {
        Some(Content::Unknown(why)) => why,
        Some(Content::Elements(_) | Content::Verdicts(_)) | None => "nobody knows what is in it",
    }
}
