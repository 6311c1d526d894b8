//! A rule: its statements in order, with what nft checks silently written out.

use std::collections::BTreeMap;

use super::actions;
use super::elements::{self, Parsed};
use super::keys::{NOT_MODELLED, Need};
use super::matches;
use super::node::Node;
use super::values::Kind;
use super::words;
use crate::netfilter::{Action, Element, Key, Log, Match, Rate, Rule, Step, TableFamily, Unknown, Verdicts};

const EARLIER: &str = "depends on earlier packets";
/// `continue` goes on behind the lookup, and the model's maps are the end of a rule.
const FOLLOWED: &str = "statements stand behind the map";
const MISSING: &str = "fails where the map has no entry";
const MAP: &str = "a map is not understood";
/// nft's burst where none is printed.
const BURST: u128 = 5;

/// A named limit.
#[derive(Debug, Clone)]
pub(super) enum Limit {
    Packets(Rate),
    Bytes,
}

/// A map to values that are not verdicts.
#[derive(Debug, Clone)]
pub(super) struct DataMap {
    /// What an element stands for, in order.
    pub data: Vec<Kind>,
    pub entries: Vec<(Element, Element)>,
}

/// What rules of a table refer to.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub limits: BTreeMap<String, Limit>,
    pub maps: BTreeMap<String, DataMap>,
}

/// Collects the steps of a rule.
pub(super) struct Builder<'n> {
    family: TableFamily,
    pub names: &'n Names,
    steps: Vec<Step>,
    done: Vec<Need>,
    /// A statement that may fail; it matters only if something stands behind it.
    pending: Vec<Unknown>,
    /// Sets that packets are put into, and whether nothing but a bucket for each element is kept in them.
    pub filled: Vec<(String, bool)>,
    /// Whether statements stand behind the one at hand.
    pub is_followed: bool,
}

impl<'n> Builder<'n> {
    pub fn new(family: TableFamily, names: &'n Names) -> Self {
        Self {
            family,
            names,
            steps: Vec::new(),
            done: Vec::new(),
            pending: Vec::new(),
            filled: Vec::new(),
            is_followed: false,
        }
    }

    pub fn family(&self) -> TableFamily {
        self.family
    }

    pub fn push(&mut self, step: Step) {
        if step != Step::Do(Action::Nothing) {
            self.steps.extend(self.pending.drain(..).map(|unknown| Step::Match(Match::Unknown(unknown))));
        }
        self.steps.push(step);
    }

    /// A silent check, once.
    pub fn need(&mut self, need: Need) {
        if !self.done.contains(&need) {
            self.done.push(need);
            self.push(Step::Match(matches::needed(need)));
        }
    }

    /// A statement without a consequence of its own, which may end the rule.
    fn may_fail(&mut self, statement: &Node<'_>, why: &'static str) {
        self.steps.push(Step::Do(Action::Nothing));
        self.ends_perhaps(statement, why);
    }

    /// The statement that was pushed last may have ended the rule instead.
    pub fn ends_perhaps(&mut self, statement: &Node<'_>, why: &'static str) {
        self.pending.push(Unknown { text: words::statement(statement), why });
    }

    fn unknown_match(&mut self, statement: &Node<'_>, why: &'static str) {
        self.push(Step::Match(Match::Unknown(Unknown { text: words::statement(statement), why })));
    }

    fn unknown_action(&mut self, statement: &Node<'_>) {
        let unknown = Unknown { text: words::statement(statement), why: NOT_MODELLED };
        self.push(Step::Do(Action::Unknown(unknown)));
    }

    fn act(&mut self, action: Action) {
        self.push(Step::Do(action));
    }
}

/// A rule from its object; names of sets that it fills are appended.
pub(super) fn read(family: TableFamily, names: &Names, node: &Node<'_>, filled: &mut Vec<(String, bool)>) -> Rule {
    let mut build = Builder::new(family, names);
    let statements = node.get("expr").and_then(Node::list).unwrap_or_default();
    for (at, node) in statements.iter().enumerate() {
        build.is_followed = at + 1 < statements.len();
        statement(&mut build, node);
    }
    filled.append(&mut build.filled);
    Rule {
        steps: build.steps,
        comment: node.text_of("comment").map(str::to_owned),
        span: None,
        handle: node.number_of("handle").and_then(|handle| u64::try_from(handle).ok()),
    }
}

fn statement(build: &mut Builder<'_>, node: &Node<'_>) {
    // A word alone, as in hand-written JSON.
    let word;
    let (name, body) = match node {
        Node::Text(text) => {
            word = text.clone();
            (word.as_ref(), &Node::Null)
        }
        _ => match node.tagged() {
            Some(tagged) => tagged,
            None => return build.unknown_action(node),
        },
    };
    if let Some(action) = verdict(name, body) {
        return build.act(action);
    }
    match name {
        "match" => matches::read(build, node, body),
        "vmap" => map_lookup(build, node, body, &|entry| Some(verdict_entry(entry))),
        // Which object it is depends on the packet; without one the rule ends.
        "counter" | "ct helper" | "ct timeout" | "secmark" if body.get("map").is_some() => {
            build.may_fail(node, MISSING)
        }
        // A failed look at the helper changes nothing for the packet.
        "counter" | "last" | "dup" | "ct helper" | "ct timeout" | "secmark" => build.act(Action::Nothing),
        "limit" => limit(build, node, body),
        "quota" | "ct count" => build.unknown_match(node, EARLIER),
        "log" => build.act(Action::Log(log(body))),
        "set" | "map" | "meter" => learn(build, node, body),
        "flow" => build.may_fail(node, "fails where the connection cannot be offloaded"),
        "mangle" => actions::mangle(build, node, body),
        "notrack" => build.act(Action::NoTrack),
        "queue" => {
            let bypass = match body.get("flags") {
                Some(Node::Text(flag)) => flag == "bypass",
                Some(Node::List(flags)) => flags.iter().any(|flag| flag.text() == Some("bypass")),
                _ => false,
            };
            build.act(Action::Queue { bypass });
        }
        "reject" => match actions::reject(build, body) {
            Some(action) => build.act(action),
            None => build.unknown_action(node),
        },
        "dnat" | "snat" | "masquerade" | "redirect" => {
            if !actions::nat(build, name, body) {
                build.unknown_action(node);
            }
        }
        // `ct expectation` (ends the rule for known connections, drops where it cannot expect more, and makes packets of
        // others related), synproxy, tproxy, fwd, xt (what iptables put there) and what comes after nft 1.0.6.
        _ => build.unknown_action(node),
    }
}

pub(super) fn verdict(name: &str, body: &Node<'_>) -> Option<Action> {
    let target = || body.text_of("target").map(str::to_owned);
    Some(match name {
        "accept" => Action::Accept,
        "drop" => Action::Drop,
        "continue" => Action::Continue,
        "return" => Action::Return,
        "jump" => Action::Jump(target()?),
        "goto" => Action::Goto(target()?),
        _ => return None,
    })
}

fn verdict_entry(node: &Node<'_>) -> Option<Action> {
    match node {
        Node::Text(word) => verdict(word, &Node::Null),
        _ => node.tagged().and_then(|(name, body)| verdict(name, body)),
    }
}

/// Entries of a map with verdicts.
pub(super) fn verdict_pair(kinds: &[Kind], pair: &Node<'_>) -> Result<Option<(Element, Action)>, ()> {
    let Some([key, value]) = pair.list() else { return Err(()) };
    let action = verdict_entry(value).ok_or(())?;
    match elements::element(kinds, key) {
        Parsed::Element(element) => Ok(Some((element, action))),
        Parsed::Never => Ok(None),
        Parsed::Not => Err(()),
    }
}

/// What an entry of a map does; `Some(None)`: not understood; `None`: this map has to be a named one of verdicts.
type EntryAction<'f> = &'f dyn Fn(&Node<'_>) -> Option<Option<Action>>;

fn map_lookup(build: &mut Builder<'_>, node: &Node<'_>, body: &Node<'_>, action: EntryAction<'_>) {
    let (Some(key), Some(data)) = (body.get("key"), body.get("data")) else { return build.unknown_action(node) };
    let loaded = match matches::keys(build, key) {
        Ok(loaded) => loaded,
        Err(why) => return unknown_lookup(build, node, why),
    };
    if let Some(why) = loaded.unsure {
        return unknown_lookup(build, node, why);
    }
    let kinds: Vec<Kind> = loaded.keys.iter().map(|(_, kind)| *kind).collect();
    let keys: Vec<Key> = loaded.keys.iter().map(|(key, _)| *key).collect();
    if let Some(name) = data.text().and_then(|text| text.strip_prefix('@')) {
        if build.is_followed {
            return unknown_lookup(build, node, FOLLOWED);
        }
        return build.push(Step::Verdicts { keys, entries: Verdicts::Map(name.to_owned()) });
    }
    let mut entries = Vec::new();
    for pair in data.get("set").and_then(Node::list).unwrap_or_default() {
        let entry = match pair.list() {
            Some([key, value]) => match (elements::element(&kinds, key), action(value).flatten()) {
                (Parsed::Never, Some(_)) => continue,
                (Parsed::Element(element), Some(action)) => Some((element, action)),
                _ => None,
            },
            _ => None,
        };
        match entry {
            Some(entry) => entries.push(entry),
            None => return unknown_lookup(build, node, MAP),
        }
    }
    if build.is_followed && entries.iter().any(|(_, action)| *action == Action::Continue) {
        return unknown_lookup(build, node, FOLLOWED);
    }
    sort_catch_all(&mut entries, &kinds);
    build.push(Step::Verdicts { keys, entries: Verdicts::Here(entries) });
}

/// A map that cannot be read may give any verdict.
fn unknown_lookup(build: &mut Builder<'_>, node: &Node<'_>, why: &'static str) {
    build.push(Step::Do(Action::Unknown(Unknown { text: words::statement(node), why })));
}

/// What fits everything fits only what nothing else does: to the end with it.
pub(super) fn sort_catch_all<T>(entries: &mut [(Element, T)], kinds: &[Kind]) {
    let Parsed::Element(all) = elements::element(kinds, &Node::Text("*".into())) else { return };
    entries.sort_by_key(|(element, _)| *element == all);
}

fn limit(build: &mut Builder<'_>, node: &Node<'_>, body: &Node<'_>) {
    let found = match body {
        Node::Text(name) => build.names.limits.get(name.as_ref()).cloned(),
        _ => rate(body),
    };
    match found {
        Some(Limit::Packets(rate)) => build.push(Step::Match(Match::Rate(rate))),
        Some(Limit::Bytes) | None => build.unknown_match(node, EARLIER),
    }
}

/// A limit from its object.
pub(super) fn rate(node: &Node<'_>) -> Option<Limit> {
    let per_s = match node.text_of("per")? {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    };
    let is_bytes = |unit: &str| node.text_of(unit).is_some_and(|unit| unit != "packets");
    if is_bytes("rate_unit") || is_bytes("unit") {
        return Some(Limit::Bytes);
    }
    let packets = u64::try_from(node.number_of("rate")?).ok()?;
    let burst = u64::try_from(node.number_of("burst").unwrap_or(BURST)).ok()?;
    let over = node.get("inv") == Some(&Node::Bool(true));
    Some(Limit::Packets(Rate { packets, per_s, burst, over, shared: None, by: Vec::new() }))
}

fn log(body: &Node<'_>) -> Log {
    Log {
        prefix: body.text_of("prefix").map(str::to_owned),
        group: body.number_of("group").and_then(|group| u16::try_from(group).ok()),
    }
}

/// `add @set { … }`: packets that fill a set, perhaps with a limit for each element.
fn learn(build: &mut Builder<'_>, node: &Node<'_>, body: &Node<'_>) {
    let name = ["set", "map", "name"].iter().find_map(|member| body.text_of(member)).unwrap_or_default();
    let name = name.strip_prefix('@').unwrap_or(name).to_owned();
    let own_timeout =
        body.get("elem").and_then(|elem| elem.get("elem")).is_some_and(|elem| elem.get("timeout").is_some());
    let filling = build.filled.len();
    build.filled.push((name.clone(), false));
    let elem = body.get("elem").or_else(|| body.get("key"));
    let elem = elem.map(|elem| elem.get("elem").and_then(|inner| inner.get("val")).unwrap_or(elem));
    let loaded = elem.map_or(Err(NOT_MODELLED), |elem| matches::keys(build, elem));
    if body.text_of("op") == Some("delete") {
        return build.act(Action::Nothing);
    }
    let mut decides = Vec::new();
    match body.get("stmt") {
        Some(Node::List(list)) => decides.extend(list.iter()),
        Some(one) => decides.push(one),
        None => {}
    }
    decides.retain(|statement| !matches!(statement.tagged(), Some(("counter" | "last", _))));
    let fields = loaded.ok().and_then(|loaded| {
        let field = |(key, _): &(Key, Kind)| match key {
            Key::Field(field) => Some(*field),
            _ => None,
        };
        loaded.keys.iter().map(field).collect::<Option<Vec<_>>>()
    });
    match (decides.as_slice(), fields) {
        ([], _) => build.may_fail(node, "fails when the set is full"),
        ([one], Some(by)) => match one.tagged().filter(|(name, _)| *name == "limit").and_then(|(_, body)| rate(body)) {
            Some(Limit::Packets(rate)) => {
                // `add` lets a bucket be forgotten while it is used.
                build.filled[filling].1 = body.text_of("op") == Some("update") && !own_timeout;
                build.push(Step::Match(Match::Rate(Rate { shared: Some(name), by, ..rate })));
            }
            _ => build.unknown_match(node, EARLIER),
        },
        _ => build.unknown_match(node, EARLIER),
    }
}

impl Builder<'_> {
    /// A look into a map of values: each entry has its own action. Whether it was understood.
    pub fn mapped(&mut self, map: &Node<'_>, data: &[Kind], action: &dyn Fn(&Element) -> Option<Action>) -> bool {
        let (Some(key), Some(source)) = (map.get("key"), map.get("data")) else { return false };
        let Ok(loaded) = matches::keys(self, key) else { return false };
        if loaded.unsure.is_some() {
            return false;
        }
        let kinds: Vec<Kind> = loaded.keys.iter().map(|(_, kind)| *kind).collect();
        let pairs = match source.text().and_then(|text| text.strip_prefix('@')) {
            Some(name) => self.names.maps.get(name).filter(|map| map.data == data).map(|map| map.entries.clone()),
            None => source.get("set").and_then(Node::list).and_then(|pairs| data_pairs(&kinds, data, pairs)),
        };
        let Some(pairs) = pairs else { return false };
        let Some(mut entries) = pairs
            .into_iter()
            .map(|(element, value)| Some((element, action(&value)?)))
            .collect::<Option<Vec<(Element, Action)>>>()
        else {
            return false;
        };
        sort_catch_all(&mut entries, &kinds);
        let keys = loaded.keys.iter().map(|(key, _)| *key).collect();
        self.push(Step::Verdicts { keys, entries: Verdicts::Here(entries) });
        true
    }
}

/// Entries of a map to values.
pub(super) fn data_pairs(kinds: &[Kind], data: &[Kind], pairs: &[Node<'_>]) -> Option<Vec<(Element, Element)>> {
    pairs.iter().map(|pair| data_pair(kinds, data, pair)).collect()
}

/// One entry of a map to values.
pub(super) fn data_pair(kinds: &[Kind], data: &[Kind], pair: &Node<'_>) -> Option<(Element, Element)> {
    let [key, value] = pair.list()? else { return None };
    match (elements::element(kinds, key), elements::element(data, value)) {
        (Parsed::Element(key), Parsed::Element(value)) => Some((key, value)),
        _ => None,
    }
}
