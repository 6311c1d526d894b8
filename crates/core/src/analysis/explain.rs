//! Why a flow is accepted or not, and what would change it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use schemars::JsonSchema;
use segwall_packetset::{AddrRange, Cube, Family, Field, Flow, GaveUp, Place, Space};
use serde::Serialize;

use super::always::Always;
use super::classes::{AddrClass, Classes, Question};
use super::domain::{Ground, intersect, places, zone_of};
use super::explain_advice::{Asked, advice, timed_rules};
use super::explain_area::area;
use super::explain_ends::{Misunderstood, read_ends, read_services};
use super::explain_parts::{products, reason_words, way};
use super::explain_sets::{addresses, covering, decided, families, services};
use super::questions::{Claim, each_question};
use super::words::{Words, rule_words};
use crate::policy::{End, Policy, Service, Verdict, Zone};
use crate::ruleset::{At, Decision, Reason, Ruleset};

/// More pairs of places than this are not explained one by one.
const PAIRS_MAX: usize = 400;
/// More combinations of sources, destinations and services than this are not listed: the answer comes from sets, box by
/// box, which are harder to read.
const COMBINATIONS_MAX: usize = 200_000;
/// Boxes beyond those shown are counted up to this number.
const BOXES_MAX: usize = 10_000;
/// More parts than this are counted, not shown.
pub const PARTS_MAX: usize = 40;

/// The answer to `explain FROM TO SERVICE`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    /// As asked.
    pub from: String,
    /// As asked.
    pub to: String,
    /// As asked; `everything` where no service was.
    pub service: String,
    /// `accept`, `drop` or `reject` where all flows share it, `depends` where not.
    pub outcome: &'static str,
    /// Flows that share a verdict and its reason.
    pub parts: Vec<Part>,
    /// Parts beyond those shown.
    pub parts_left_out: usize,
    /// What to know besides.
    pub notes: Vec<String>,
    /// What would change it.
    pub advice: Vec<String>,
}

/// Flows that share a verdict and what decides it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Part {
    /// `accept`, `drop` or `reject`.
    pub verdict: &'static str,
    /// Only within the rule's limit.
    pub limited: bool,
    /// Connections are written down by a rule.
    pub logged: bool,
    /// What decides: `the accept at line 12`, `no rule accepts it`.
    pub reason: String,
    /// The deciding rule's line.
    pub line: Option<u32>,
    /// Every rule that covers it or part of it, in the file's order; what the box accepts unasked comes last, with line 0.
    pub covering: Vec<Covering>,
    /// `IPv4` or `IPv6`, where the other family fares differently.
    pub family: Option<String>,
    /// Which sources; nothing where it is all that were asked about.
    pub sources: Option<String>,
    /// Which destinations.
    pub destinations: Option<String>,
    /// Which services.
    pub services: Option<String>,
    /// The way through the box.
    pub path: Way,
    /// When it is something else.
    pub times: Vec<String>,
    /// One of its flows.
    #[serde(skip)]
    #[schemars(skip)]
    pub flow: Flow,
    /// All of them (of the fields that `always` uses), with where they enter.
    #[serde(skip)]
    #[schemars(skip)]
    pub(super) area: (Place, Vec<Cube>),
}

/// A rule that covers a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Covering {
    /// Its line, 0 for what is accepted unasked.
    pub line: u32,
    /// What it says of the flow.
    pub verdict: &'static str,
    /// What it is called.
    pub rule: String,
    /// It covers some flows of the part and not others.
    pub partly: bool,
}

/// How a flow goes through the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Way {
    /// The interface it enters by; nothing for the box itself.
    pub input: Option<String>,
    /// The interface it leaves by; nothing for the box itself.
    pub output: Option<String>,
    /// Address and port as sent, where a port forward changes them.
    pub sent_to: Option<String>,
    /// Whose address replaces the source.
    pub masqueraded_as: Option<String>,
}

/// What decides one flow of a part: flows of one key are told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Told in one, where both fare alike.
    family: Family,
    verdict: Verdict,
    reason: Reason,
    limited: bool,
    forwarded: bool,
}

/// What a part is about, in words; nothing where it is all that was asked about.
struct Said {
    family: Option<String>,
    sources: Option<String>,
    destinations: Option<String>,
    services: Option<String>,
}

/// Explains what becomes of connections from one end to another.
///
/// # Errors
/// When an end or a service is not known, or nothing can lie there.
pub fn explain(
    policy: &Policy,
    ruleset: &Ruleset,
    from: &str,
    to: &str,
    service: Option<&str>,
    at: At,
) -> Result<Explanation, Misunderstood> {
    let ground = Ground::of(ruleset);
    let ruleset = &*ground.ruleset;
    let (from_ends, to_ends) = (read_ends(policy, ruleset, from)?, read_ends(policy, ruleset, to)?);
    let services = service.map_or(Ok(None), |words| read_services(policy, words))?;
    let mut explainer = Explainer {
        ground: &ground,
        ruleset,
        words: Words::of(policy),
        at,
        parts: Vec::new(),
        left_out: 0,
        notes: Vec::new(),
    };
    let questions = explainer.questions(&from_ends, &to_ends, services.as_deref());
    if questions.is_empty() {
        return Err(nothing_there(&ground, from, &from_ends, to));
    }
    let outcomes: BTreeSet<Verdict> =
        questions.iter().flat_map(|question| explainer.answer(policy, question)).collect();
    if outcomes.is_empty() {
        explainer
            .notes
            .push("no such packet opens a connection: it passes as part of one, or as an error about one".to_owned());
    }
    let outcome = match outcomes.iter().collect::<Vec<_>>()[..] {
        [one] => one.word(),
        [] => Verdict::Drop.word(),
        _ => "depends",
    };
    let asked = Asked { from, to, service, from_ends: &from_ends, to_ends: &to_ends };
    let advice = advice(policy, ruleset, &asked, &explainer.parts, at);
    Ok(Explanation {
        from: from.to_owned(),
        to: to.to_owned(),
        service: service.unwrap_or(super::words::EVERYTHING).to_owned(),
        outcome,
        parts: explainer.parts,
        parts_left_out: explainer.left_out,
        notes: explainer.notes,
        advice,
    })
}

fn nothing_there(ground: &Ground<'_>, from: &str, from_ends: &[End], to: &str) -> Misunderstood {
    let empty = |end: &End| {
        let at = places(&ground.ruleset, end.zone);
        at.iter()
            .all(|place| end.addresses.as_ref().is_some_and(|list| intersect(&ground.sources(*place), list).is_empty()))
    };
    let (message, help) = if from_ends.iter().all(empty) {
        (format!("no packet can come from `{from}`"), "an address must lie in its zone's subnets or routes")
    } else {
        (format!("nothing at `{to}` can be reached from `{from}` through the box"), "see `segwall matrix` for what can")
    };
    Misunderstood::new(message, help.to_owned())
}

struct Explainer<'r> {
    ground: &'r Ground<'r>,
    ruleset: &'r Ruleset,
    words: Words<'r>,
    at: At,
    parts: Vec<Part>,
    left_out: usize,
    notes: Vec<String>,
}

impl Explainer<'_> {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// One question for each pair of places, and for what port forwards make of it.
    fn questions(&mut self, from: &[End], to: &[End], services: Option<&[Service]>) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        let claim = Claim { from, to, services, whole_box: false };
        let all = each_question(
            self.ground,
            claim,
            |_, _| true,
            |question| {
                if questions.len() >= PAIRS_MAX {
                    return ControlFlow::Break(());
                }
                questions.push(question);
                ControlFlow::Continue(())
            },
        );
        if all.is_break() {
            self.note(format!("only the first {PAIRS_MAX} pairs of zones are explained"));
        }
        let uplink = self.ruleset.uplink().map(Place::Interface);
        if questions.iter().any(|question| question.input == question.output && uplink != Some(question.input)) {
            self.note(
                "traffic that stays on the wire inside a segment never passes the box; this is about what the box routes"
                    .to_owned(),
            );
        }
        questions
    }

    /// Adds the parts of a question, and gives the verdicts seen.
    fn answer(&mut self, policy: &Policy, question: &Question) -> BTreeSet<Verdict> {
        let ruleset = self.ruleset;
        let classes = Classes::of(ruleset, question, self.at);
        if classes.src.len().saturating_mul(classes.dst.len()).saturating_mul(classes.services.len()) > COMBINATIONS_MAX
        {
            return self.answer_by_sets(policy, question, &classes).unwrap_or_else(|_| {
                self.note("a pair of zones is too large to explain: ask about fewer addresses or services".to_owned());
                BTreeSet::from([Verdict::Accept, Verdict::Drop])
            });
        }
        let mut told: BTreeMap<Key, Vec<([usize; 3], Flow)>> = BTreeMap::new();
        for combination in classes.combinations(ruleset, question) {
            if classes.services[combination.at[2]].pieces.iter().all(|piece| piece.is_misplaced()) {
                continue;
            }
            for flow in combination.flows() {
                let Decision { verdict, reason, limited, .. } = ruleset.eval(&flow, self.at);
                let key = Key { family: flow.family(), verdict, reason, limited, forwarded: flow.sent.is_some() };
                told.entry(key).or_default().push((combination.at, flow));
            }
        }
        let verdicts = told.keys().map(|key| key.verdict).collect();
        let first = self.parts.len();
        // Accepts first, then in the order of the rules, IPv4 before IPv6.
        let mut told: Vec<_> = told.into_iter().collect();
        told.sort_by_key(|(key, _)| (key.verdict, key.reason, key.limited, key.forwarded, key.family));
        for (key, flows) in &told {
            for product in products(&flows.iter().map(|(at, _)| *at).collect::<Vec<_>>()) {
                if self.parts.len() >= PARTS_MAX {
                    self.left_out += 1;
                    continue;
                }
                let inside = |at: &[usize; 3]| (0..3).all(|side| product[side].contains(&at[side]));
                let example = flows.iter().find(|(at, _)| inside(at)).map(|(_, flow)| *flow);
                let flow = example.expect("a product is made of flows");
                let said = self.said(question, &classes, key, &product);
                let covering = self.covering(flows.iter().filter(|(at, _)| inside(at)).map(|(_, flow)| flow));
                let cubes = area(&classes, &product, key.family, question.output, key.forwarded);
                let part = self.part(policy, &classes.instants, (said, covering), flow, (question.input, cubes));
                match self.parts[first..].iter_mut().find(|known| known.is_twin(&part)) {
                    Some(known) => {
                        known.family = None;
                        known.area.1.extend(part.area.1);
                    }
                    None => self.parts.push(part),
                }
            }
        }
        verdicts
    }

    /// The same where there are very many combinations.
    fn answer_by_sets(
        &mut self,
        policy: &Policy,
        question: &Question,
        classes: &Classes,
    ) -> Result<BTreeSet<Verdict>, GaveUp> {
        let mut always = Always::new(self.ground, self.at, Space::NODES_MAX);
        let parts = decided(&mut always, question)?;
        for part in &parts {
            let boxes: Vec<Cube> = always.space.boxes(part.set).take(BOXES_MAX).collect();
            for cube in boxes {
                if self.parts.len() >= PARTS_MAX {
                    self.left_out += 1;
                    continue;
                }
                let set = always.space.cube(&cube)?;
                let set = always.space.intersect(set, part.set)?;
                let Some((flow, _)) = always.example(question.input, set)? else { continue };
                let family = flow.family();
                let side = |field, place, whole: &[AddrRange]| {
                    let ranges = addresses(&cube, field, family)?;
                    let whole: Vec<AddrRange> = whole.iter().copied().filter(|r| r.family() == family).collect();
                    if ranges == whole {
                        None
                    } else {
                        self.words.addresses(zone_of(self.ruleset, place)?, Some(&ranges))
                    }
                };
                let words = Said {
                    family: (families(&cube).len() == 1).then(|| family.to_string()),
                    sources: side(Field::Src, question.input, &question.src),
                    destinations: side(Field::Dst, question.output, &question.dst),
                    services: services(&cube).map(|list| self.words.services(Some(&list)).join(", ")),
                };
                let covering = covering(&mut always, question, set)?;
                let covering = covering.into_iter().map(|(rule, partly)| self.covering_words(rule, partly)).collect();
                let area = (question.input, vec![cube]);
                self.parts.push(self.part(policy, &classes.instants, (words, covering), flow, area));
            }
        }
        Ok(parts.iter().map(|part| part.verdict).collect())
    }

    fn said(&self, question: &Question, classes: &Classes, key: &Key, product: &[BTreeSet<usize>; 3]) -> Said {
        let ruleset = self.ruleset;
        let both = |list: &[AddrClass]| Family::BOTH.iter().all(|f| list.iter().any(|class| class.family() == *f));
        let side = |chosen: &BTreeSet<usize>, list: &[AddrClass], place| {
            self.address_words(chosen, list, key.family, zone_of(ruleset, place)?)
        };
        let possible: BTreeSet<usize> =
            (0..classes.services.len()).filter(|at| classes.services[*at].is_thinkable(key.family)).collect();
        let services =
            (product[2] != possible && !key.forwarded).then(|| self.service_words(classes, &product[2], &possible));
        Said {
            family: (both(&classes.src) && both(&classes.dst)).then(|| key.family.to_string()),
            sources: side(&product[0], &classes.src, question.input),
            destinations: side(&product[1], &classes.dst, question.output).filter(|_| !key.forwarded),
            services,
        }
    }

    fn part(
        &self,
        policy: &Policy,
        instants: &[At],
        (said, covering): (Said, Vec<Covering>),
        flow: Flow,
        area: (Place, Vec<Cube>),
    ) -> Part {
        let ruleset = self.ruleset;
        let Decision { verdict, reason, log, limited } = ruleset.eval(&flow, self.at);
        let Said { family, sources, destinations, services } = said;
        Part {
            verdict: verdict.word(),
            limited,
            logged: log,
            reason: reason_words(ruleset, &flow, reason),
            line: match reason {
                Reason::Rule(at) => Some(ruleset.rules[at].line).filter(|line| *line > 0),
                _ => None,
            },
            covering,
            family,
            sources,
            destinations,
            services,
            path: way(ruleset, &flow, verdict),
            times: timed_rules(policy, ruleset, &flow, instants, verdict),
            flow,
            area,
        }
    }

    /// The rules that cover flows, and whether not all of them.
    fn covering<'f>(&self, flows: impl Iterator<Item = &'f Flow>) -> Vec<Covering> {
        let mut count: BTreeMap<usize, usize> = BTreeMap::new();
        let mut all = 0;
        for flow in flows {
            all += 1;
            for rule in self.ruleset.covering(flow, false, self.at) {
                *count.entry(rule).or_default() += 1;
            }
        }
        count.into_iter().map(|(rule, of)| self.covering_words(rule, of < all)).collect()
    }

    fn covering_words(&self, at: usize, partly: bool) -> Covering {
        let rule = &self.ruleset.rules[at];
        Covering { line: rule.line, verdict: rule.verdict.word(), rule: rule_words(self.ruleset, at), partly }
    }

    /// The chosen addresses of a family, or all but the others where that is shorter; nothing where it is all.
    fn address_words(
        &self,
        chosen: &BTreeSet<usize>,
        list: &[AddrClass],
        family: Family,
        zone: Zone,
    ) -> Option<String> {
        let of = |wanted: bool| -> Vec<AddrRange> {
            let classes = list.iter().enumerate().filter(|(_, class)| class.family() == family);
            let ranges = classes.filter(|(at, _)| chosen.contains(at) == wanted).flat_map(|(_, class)| &class.ranges);
            AddrRange::merge(ranges.copied().collect())
        };
        let (ours, others) = (of(true), of(false));
        if others.is_empty() {
            return None;
        }
        if others.len() < ours.len() {
            return Some(format!("all but {}", self.words.addresses(zone, Some(&others))?));
        }
        self.words.addresses(zone, Some(&ours))
    }

    /// The chosen services, or all but the others where protocols that nobody names are among them.
    fn service_words(&self, classes: &Classes, chosen: &BTreeSet<usize>, possible: &BTreeSet<usize>) -> String {
        let named = |at: &usize| {
            let known = classes.services[*at].pieces.iter().filter(|piece| !piece.is_misplaced());
            known.map(|piece| piece.service())
        };
        match chosen.iter().flat_map(named).collect::<Option<Vec<_>>>() {
            Some(services) => self.words.services(Some(&services)).join(", "),
            None => {
                let rest: Vec<_> = possible.difference(chosen).flat_map(named).flatten().collect();
                format!("everything but {}", self.words.services(Some(&rest)).join(", "))
            }
        }
    }
}

impl Part {
    /// Whether another part says the same of the other family.
    fn is_twin(&self, other: &Self) -> bool {
        self.family != other.family
            && self.verdict == other.verdict
            && self.reason == other.reason
            && self.limited == other.limited
            && self.covering == other.covering
            && (&self.sources, &self.destinations, &self.services)
                == (&other.sources, &other.destinations, &other.services)
            && self.path.sent_to == other.path.sent_to
            && self.times == other.times
    }
}
