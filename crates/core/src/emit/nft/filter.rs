//! The filter chains, in the oracle's order.

use std::collections::BTreeSet;

use segwall_packetset::Family;

use super::antispoof::antispoof;
use super::drops::{self, Reason};
use super::model::{Action, Base, Chain, Field, Hook, Key, Part, Program, Rule, State};
use super::named_sets::without;
use super::tables::{Builder, Lookup};
use super::treatment::{Stage, Treatment};
use super::{ACCEPT_LOG_GROUP, nat};
use crate::policy::Verdict;
use crate::ruleset::slots::{self as schedule, Slot};
use crate::ruleset::{self, At, Need, Origin, Role, Ruleset, When};

const ACCEPT_PREFIX: &str = "segwall accept ";

/// The table while it is put together.
pub(super) struct Build<'a> {
    pub(super) ruleset: &'a Ruleset,
    at: At,
    pub(super) program: Program,
    tables: Builder<'a>,
    treatments: BTreeSet<(Hook, Treatment)>,
    /// Different schedules, in the order of their first rules.
    whens: Vec<&'a When>,
}

pub(super) fn compile(ruleset: &Ruleset, at: At) -> Program {
    let mut build = Build {
        ruleset,
        at,
        program: Program {
            names: ruleset.interfaces.iter().map(|interface| interface.name.clone()).collect(),
            counters: Vec::new(),
            limits: Vec::new(),
            sets: Vec::new(),
            chains: Vec::new(),
            file: ruleset.file.clone(),
            valid_until: schedule::valid_until(ruleset, at),
        },
        tables: Builder::new(ruleset),
        treatments: BTreeSet::new(),
        whens: Vec::new(),
    };
    build.fill();
    let spoof = antispoof(ruleset);
    build.program.sets.extend(spoof.sets);
    build.quarantine_sets();
    for hook in [Hook::Input, Hook::Forward, Hook::Output] {
        let begin = spoof.rules.get(&hook).cloned().unwrap_or_default();
        build.hook(hook, begin);
    }
    build.program.chains.extend(spoof.chains);
    build.program.sets.extend(nat::sets(ruleset));
    build.program.chains.extend(nat::chains(ruleset));
    drops::add(&mut build.program, ruleset.log_drops);
    build.named_sets();
    build.program
}

/// Matches for a part of a schedule.
fn within(slot: &Slot) -> Vec<Part> {
    let mut parts = Vec::new();
    if !slot.daily() {
        parts.push(Part::Days(slot.days));
    }
    if !slot.whole_day() {
        parts.push(Part::Seconds(slot.first_s, slot.last_s));
    }
    parts.extend(slot.until.map(Part::Before));
    parts
}

impl Build<'_> {
    /// Sorts the rules' boxes into lookup tables.
    fn fill(&mut self) {
        for (rule_at, rule) in (0u32..).zip(&self.ruleset.rules) {
            if nat::is_forward(rule.origin) || !schedule::counts(rule, self.at) {
                continue;
            }
            let when = schedule::asked(rule, self.at).map(|when| {
                let at = self.whens.iter().position(|known| *known == when).unwrap_or_else(|| {
                    self.whens.push(when);
                    self.whens.len() - 1
                });
                u32::try_from(at).expect("fewer schedules than bytes of policy")
            });
            let stage = match (rule.verdict, rule.untracked, rule.firm) {
                (Verdict::Accept, true, true) => Stage::FirmUntracked,
                (Verdict::Accept, false, true) => Stage::Firm,
                (Verdict::Accept, true, false) => Stage::AcceptUntracked,
                (Verdict::Accept, false, false) => Stage::Accept,
                (Verdict::Drop, _, _) => Stage::Drop,
                (Verdict::Reject, _, _) => Stage::Reject,
            };
            let treatment = Treatment {
                stage,
                when,
                limit: rule.limit.is_some().then_some(rule_at),
                quiet: !rule.log,
                hop_limit: None,
            };
            for flow_box in &rule.boxes {
                let hook = match flow_box.path {
                    ruleset::Path::Input { .. } => Hook::Input,
                    ruleset::Path::Forward { .. } => Hook::Forward,
                    ruleset::Path::Output { .. } => Hook::Output,
                };
                // What the protocols demand of packets to the box: they never crossed a router.
                let hop_limit = match (rule.origin, hook) {
                    (Origin::Need(Need::NeighbourDiscovery | Need::RouterAdvertisement), Hook::Input) => Some(255),
                    (Origin::Need(Need::Mld), Hook::Input) => Some(1),
                    _ => None,
                };
                let treatment = Treatment { hop_limit, ..treatment };
                self.treatments.insert((hook, treatment));
                self.tables.add_box(treatment, rule_at, rule, flow_box);
            }
        }
    }

    fn hook(&mut self, hook: Hook, begin: Vec<Rule>) {
        let mut rules = Vec::new();
        let word = hook.word();
        match hook {
            Hook::Input => rules.push(Rule::new([self.on_loopback(Field::In), Part::Do(Action::Accept)])),
            Hook::Output => rules.push(Rule::new([self.on_loopback(Field::Out), Part::Do(Action::Accept)])),
            Hook::Forward => {}
        }
        rules.extend(begin);
        rules.extend(self.quarantine(hook));
        let refuse = self.refusals(hook);
        let untracked = self.untracked(hook, refuse.as_deref());
        rules.extend(self.states(hook, untracked));
        rules.push(
            Rule::new([Part::NotBareSyn, Part::Do(Reason::NotSyn.goto())])
                .note("TCP without a connection, no bare SYN"),
        );
        rules.extend(self.family_rules(hook));
        rules.extend(self.lookups(hook, Stage::Firm));
        if let Some(chain) = refuse {
            rules.push(Rule::new([Part::Do(Action::Jump(chain))]));
        }
        // A flow is written down once if any rule that covers it does so: those come first.
        let logged = |treatment: &Treatment| treatment.limit.is_none() && !treatment.quiet;
        rules.extend(self.port_forwards(hook, true));
        rules.extend(self.lookups_of(hook, Stage::Accept, &logged));
        rules.extend(self.port_forwards(hook, false));
        rules.extend(self.lookups_of(hook, Stage::Accept, &|treatment| !logged(treatment)));
        if hook == Hook::Input {
            rules.push(Rule::new([Part::Broadcast, Part::Do(Reason::Broadcast.goto())]));
        }
        rules.push(Rule::new([Part::Do(Reason::Unnamed.goto())]));
        self.program.chains.push(Chain { name: word.to_owned(), base: Some(Base::Filter(hook)), rules });
    }

    /// The loopback interface, which the policy never names.
    fn on_loopback(&mut self, field: Field) -> Part {
        const LOOPBACK: &str = "lo";
        let at = self.program.names.iter().position(|name| name == LOOPBACK).unwrap_or_else(|| {
            self.program.names.push(LOOPBACK.to_owned());
            self.program.names.len() - 1
        });
        let id = u32::try_from(at).expect("fewer interfaces than 2^32");
        Part::Among { field, not: false, keys: vec![Key::Name(id)] }
    }

    fn states(&mut self, hook: Hook, untracked: Action) -> Vec<Rule> {
        const RELATED: &str = "related";
        let related = match hook {
            Hook::Input | Hook::Forward => Action::Jump(RELATED.to_owned()),
            Hook::Output => Action::Accept,
        };
        if hook == Hook::Input {
            // Errors about connections; what a helper expects is a new connection like any other.
            self.program.chains.push(Chain {
                name: RELATED.to_owned(),
                base: None,
                rules: vec![
                    Rule::new([Part::Icmp, Part::Do(Action::Accept)]).note("errors about accepted connections"),
                ],
            });
        }
        vec![Rule::new([Part::States(vec![
            (State::Established, Action::Accept),
            (State::Related, related),
            (State::Invalid, Reason::Invalid.goto()),
            (State::Untracked, untracked),
        ])])]
    }

    /// Drops packets of a family that one of their interfaces does not carry.
    fn family_rules(&self, hook: Hook) -> Vec<Rule> {
        let mut rules = Vec::new();
        for family in Family::BOTH {
            // Anti-spoofing already drops what a segment without sources of the family sends.
            let names = |wanted: &dyn Fn(&ruleset::Interface) -> bool| -> Vec<Key> {
                self.ruleset
                    .interface_ids()
                    .filter(|(_, interface)| !interface.carries(family) && wanted(interface))
                    .map(|(id, _)| Key::Name(id.0))
                    .collect()
            };
            let inputs = names(&|interface| {
                interface.role == Role::Uplink || interface.sources.iter().any(|range| range.family() == family)
            });
            let outputs = names(&|_| true);
            let mut drop = |parts: Vec<Part>| {
                let parts: Vec<Part> = std::iter::once(Part::Family(family))
                    .chain(parts)
                    .chain([Part::Do(Reason::Family.goto())])
                    .collect();
                rules.push(Rule::new(parts).note("a family that the interface does not carry"));
            };
            let nobody = outputs.len() == self.ruleset.interfaces.len();
            match hook {
                Hook::Output => {}
                Hook::Input | Hook::Forward if nobody => drop(Vec::new()),
                Hook::Input | Hook::Forward => {
                    if !inputs.is_empty() {
                        drop(vec![Part::Among { field: Field::In, not: false, keys: inputs }]);
                    }
                    if hook == Hook::Forward && !outputs.is_empty() {
                        drop(vec![Part::Lookup {
                            fields: vec![Field::Out],
                            not: false,
                            set: without(family).to_owned(),
                        }]);
                    }
                }
            }
        }
        rules
    }

    /// The chain of drops and rejects of a hook, if there are any.
    fn refusals(&mut self, hook: Hook) -> Option<String> {
        let mut rules = self.lookups(hook, Stage::Drop);
        rules.extend(self.lookups(hook, Stage::Reject));
        if rules.is_empty() {
            return None;
        }
        let name = format!("refuse_{}", hook.word());
        self.program.chains.push(Chain { name: name.clone(), base: None, rules });
        Some(name)
    }

    /// Where untracked packets go.
    fn untracked(&mut self, hook: Hook, refuse: Option<&str>) -> Action {
        let mut rules = self.family_rules(hook);
        rules.extend(self.lookups(hook, Stage::FirmUntracked));
        rules.extend(refuse.map(|chain| Rule::new([Part::Do(Action::Jump(chain.to_owned()))])));
        rules.extend(self.lookups(hook, Stage::AcceptUntracked));
        if rules.is_empty() {
            return Reason::Untracked.goto();
        }
        let name = format!("untracked_{}", hook.word());
        rules.push(Rule::new([Part::Do(Reason::Untracked.goto())]));
        self.program.chains.push(Chain { name: name.clone(), base: None, rules });
        Action::Goto(name)
    }

    /// Lookups of a stage: first what is always on, then what is scheduled; limited last; logged before quiet.
    fn lookups(&mut self, hook: Hook, stage: Stage) -> Vec<Rule> {
        self.lookups_of(hook, stage, &|_| true)
    }

    fn lookups_of(&mut self, hook: Hook, stage: Stage, wanted: &dyn Fn(&Treatment) -> bool) -> Vec<Rule> {
        let mut treatments: Vec<Treatment> = self
            .treatments
            .iter()
            .filter(|(of, treatment)| *of == hook && treatment.stage == stage && wanted(treatment))
            .map(|(_, treatment)| *treatment)
            .collect();
        treatments.sort_by_key(|t| (t.limit, t.quiet, t.when, t.hop_limit));
        let mut rules = Vec::new();
        for treatment in treatments {
            let counter = stage == Stage::Accept;
            let lookups = self.tables.finish(hook, treatment, counter);
            let (before, done) = self.decision(treatment);
            let own: Vec<Rule> = lookups.into_iter().map(|lookup| self.lookup(lookup, &before, done.clone())).collect();
            if own.is_empty() {
                continue;
            }
            match treatment.when {
                None => rules.extend(own),
                Some(when) => {
                    let when = self.whens[when as usize];
                    let name = format!("{}_{}", treatment.prefix(), hook.word());
                    for slot in schedule::slots(self.ruleset, when, self.at, self.ruleset.weekday_zone_s) {
                        let mut parts = within(&slot);
                        parts.push(Part::Do(Action::Jump(name.clone())));
                        rules.push(Rule::new(parts));
                    }
                    self.program.chains.push(Chain { name, base: None, rules: own });
                }
            }
        }
        rules
    }

    fn lookup(&mut self, lookup: Lookup, before: &[Part], done: Vec<Part>) -> Rule {
        let mut parts = lookup.shape.before();
        if let Some(set) = lookup.set {
            parts.push(Part::Lookup { fields: lookup.shape.fields(), not: false, set: set.name.clone() });
            self.program.sets.push(set);
        }
        parts.extend(before.iter().cloned());
        parts.extend(done);
        let mut lines: Vec<u32> =
            lookup.rules.iter().map(|at| self.ruleset.rules[*at as usize].line).filter(|line| *line > 0).collect();
        lines.dedup();
        let note = match lookup.rules.first().map(|at| self.ruleset.rules[*at as usize].origin) {
            Some(Origin::Need(need)) if lines.is_empty() => need.describe(),
            _ => "",
        };
        Rule::new(parts).lines(lines).note(note)
    }

    /// What is matched and done for flows that a treatment's lookups cover.
    fn decision(&mut self, treatment: Treatment) -> (Vec<Part>, Vec<Part>) {
        let before = treatment.hop_limit.map(Part::HopLimit).into_iter().collect();
        let log = Part::Log { prefix: ACCEPT_PREFIX, group: ACCEPT_LOG_GROUP };
        let accept = |log_it: bool| -> Vec<Part> {
            log_it.then_some(log.clone()).into_iter().chain([Part::Do(Action::Accept)]).collect()
        };
        let done = match treatment.stage {
            Stage::Drop if treatment.quiet => vec![Part::Do(Reason::Rule.goto())],
            Stage::Drop => vec![Part::Do(Reason::RuleLogged.goto())],
            Stage::Reject if treatment.quiet => vec![Part::Do(Reason::Reject.goto())],
            Stage::Reject => vec![Part::Do(Reason::RejectLogged.goto())],
            Stage::FirmUntracked | Stage::Firm | Stage::AcceptUntracked | Stage::Accept => {
                match treatment.limit.map(|at| (at, &self.ruleset.rules[at as usize])) {
                    None => accept(!treatment.quiet),
                    Some((at, rule)) => {
                        let limit = rule.limit.expect("treatments have limits where their rules have");
                        let chain = self.limit_chain(at, limit, rule.line, accept(!treatment.quiet));
                        vec![Part::Do(Action::Jump(chain))]
                    }
                }
            }
        };
        (before, done)
    }

    /// Accepts exactly what port forwards translated: those that are written down, or the others.
    fn port_forwards(&mut self, hook: Hook, log: bool) -> Vec<Rule> {
        if hook != Hook::Forward {
            return Vec::new();
        }
        let mut list = Vec::new();
        for rule in self.ruleset.rules.iter().filter(|rule| nat::is_forward(rule.origin) && rule.log == log) {
            for at in rule.boxes.iter().filter_map(|flow_box| flow_box.translated) {
                let Some(mut parts) = nat::translated(self.ruleset, &self.ruleset.translations[at as usize]) else {
                    continue;
                };
                if log {
                    parts.push(Part::Log { prefix: ACCEPT_PREFIX, group: ACCEPT_LOG_GROUP });
                }
                parts.push(Part::Do(Action::Accept));
                list.push(Rule::new(parts).lines(vec![rule.line]));
            }
        }
        if list.is_empty() {
            return Vec::new();
        }
        let name = if log { "port_forwards_log" } else { "port_forwards" };
        self.program.chains.push(Chain { name: name.to_owned(), base: None, rules: list });
        vec![Rule::new([Part::Translated, Part::Do(Action::Jump(name.to_owned()))])]
    }
}
