//! Tables, chains and rules, put together as they come.

use std::collections::{BTreeMap, BTreeSet};

use super::node::Node;
use super::rule::{self, Limit, Names};
use super::sets::{Buckets, Collected, Found};
use crate::netfilter::{
    Base, Chain, ChainKind, Content, Hook, Match, Note, NoteKind, Program, Rate, Set, Step, Table, TableFamily, Unknown,
};
use crate::source::Span;

const FILLED: &str = "filled by packets";
const FORGETS: &str = "its set forgets too soon, holds few, or has other limits in it";

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    program: Program,
    tables: BTreeMap<(TableFamily, String), usize>,
    /// By table and name.
    chains: BTreeMap<(usize, String), usize>,
    /// For each table.
    names: Vec<Names>,
    /// Sets that packets are put into.
    filled: BTreeSet<(usize, String)>,
    /// Sets of buckets that something else is done to as well.
    spoiled: BTreeSet<(usize, String)>,
    /// What sets are to the limits that may be kept in them.
    buckets: BTreeMap<(usize, String), Buckets>,
    /// Tables that are switched off.
    dormant: BTreeSet<usize>,
}

impl Reading {
    fn note(&mut self, kind: NoteKind, text: String) {
        self.program.notes.push(Note { kind, text, span: Span::default() });
    }

    fn table(&mut self, family: &str, name: &str) -> Option<usize> {
        let Some(family) = table_family(family) else {
            self.note(NoteKind::NotUnderstood, format!("table {name} has the unknown family {family}"));
            return None;
        };
        let next = self.program.tables.len();
        let at = *self.tables.entry((family, name.to_owned())).or_insert(next);
        if at == next {
            self.program.tables.push(Table { family, name: name.to_owned(), chains: Vec::new(), sets: Vec::new() });
            self.names.push(Names::default());
        }
        Some(at)
    }

    fn table_of(&mut self, node: &Node<'_>) -> Option<usize> {
        self.table(node.text_of("family").unwrap_or("ip"), node.text_of("table").unwrap_or_default())
    }

    /// An object that is no set.
    pub fn object(&mut self, kind: &str, node: &Node<'_>) {
        let name = node.text_of("name").unwrap_or_default();
        match kind {
            "metainfo" => {}
            "table" => {
                let table = self.table(node.text_of("family").unwrap_or("ip"), name);
                if let Some(table) = table {
                    self.flags(table, name, node.get("flags"));
                }
            }
            "chain" => self.chain(node),
            "rule" => self.rule(node),
            "limit" => self.limit(node),
            "element" => self.elements(node),
            "counter" | "quota" | "ct helper" | "ct timeout" | "ct expectation" | "synproxy" | "secmark" | "tunnel" => {
            }
            "flowtable" => {
                let text = format!("flowtable {name}: packets of connections it holds pass no forward chain");
                self.note(NoteKind::NotUnderstood, text);
            }
            "flush" if node.get("ruleset").is_some() => *self = Self::default(),
            _ => self.note(NoteKind::NotUnderstood, format!("`{kind}` is not understood")),
        }
    }

    /// Flags of a table. Some versions of nft (1.0.6) print the table's name where the flag's should be.
    fn flags(&mut self, table: usize, name: &str, flags: Option<&Node<'_>>) {
        let flags = match flags {
            None => return,
            Some(Node::List(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        for flag in flags {
            match flag.text() {
                Some(flag) if flag != name && matches!(flag, "owner" | "persist") => {}
                Some("dormant") if name != "dormant" => {
                    self.dormant.insert(table);
                    self.note(NoteKind::Aside, format!("table {name} is dormant: it sees no packets"));
                }
                _ => {
                    let text =
                        format!("table {name} has a flag that nft does not name: it may be switched off (dormant)");
                    self.note(NoteKind::NotUnderstood, text);
                }
            }
        }
    }

    fn chain(&mut self, node: &Node<'_>) {
        let Some(table) = self.table_of(node) else { return };
        let name = node.text_of("name").unwrap_or_default().to_owned();
        let base = match base(node) {
            Ok(base) => base,
            Err(text) => {
                self.note(NoteKind::NotUnderstood, format!("chain {name}: {text}"));
                None
            }
        };
        let chains = &mut self.program.tables[table].chains;
        let at = *self.chains.entry((table, name.clone())).or_insert(chains.len());
        if at == chains.len() {
            chains.push(Chain { name, base, rules: Vec::new(), span: None });
        }
    }

    fn rule(&mut self, node: &Node<'_>) {
        let Some(table) = self.table_of(node) else { return };
        let name = node.text_of("chain").unwrap_or_default();
        let Some(chain) = self.chains.get(&(table, name.to_owned())) else {
            return self.note(NoteKind::NotUnderstood, format!("a rule is in chain {name}, which is not there"));
        };
        let mut filled = Vec::new();
        let family = self.program.tables[table].family;
        let rule = rule::read(family, &self.names[table], node, &mut filled);
        self.program.tables[table].chains[*chain].rules.push(rule);
        for (set, keeps_buckets) in filled {
            if !keeps_buckets {
                self.spoiled.insert((table, set.clone()));
            }
            self.filled.insert((table, set));
        }
    }

    fn limit(&mut self, node: &Node<'_>) {
        let Some(table) = self.table_of(node) else { return };
        let name = node.text_of("name").unwrap_or_default().to_owned();
        let Some(limit) = rule::rate(node) else {
            return self.note(NoteKind::NotUnderstood, format!("limit {name} is not understood"));
        };
        let limit = match limit {
            Limit::Packets(rate) => Limit::Packets(Rate { shared: Some(name.clone()), ..rate }),
            Limit::Bytes => Limit::Bytes,
        };
        self.names[table].limits.insert(name, limit);
    }

    /// A set or map with its elements.
    pub fn set(&mut self, mut collected: Collected) {
        let family = if collected.family.is_empty() { "ip" } else { &collected.family };
        let Some(table) = self.table(family, &collected.table) else { return };
        let name = collected.name.clone();
        self.buckets.insert((table, name.clone()), collected.buckets());
        match collected.finish() {
            Found::Set(set) => self.program.tables[table].sets.push(set),
            Found::Data(map) => {
                self.names[table].maps.insert(name, map);
            }
        }
    }

    /// Elements that come after their set, in hand-written JSON: not known what they are.
    fn elements(&mut self, node: &Node<'_>) {
        let Some(table) = self.table_of(node) else { return };
        let name = node.text_of("name").unwrap_or_default();
        if let Some(set) = self.program.tables[table].sets.iter_mut().find(|set| set.name == name) {
            set.content = Content::Unknown("its elements were added apart");
        }
    }

    /// The program.
    pub fn finish(mut self) -> Program {
        for (table, name) in &self.filled {
            let sets = &mut self.program.tables[*table].sets;
            // Listed once each.
            if let Some(set) = sets.iter_mut().find(|set: &&mut Set| set.name == *name) {
                set.content = Content::Unknown(FILLED);
            }
        }
        for (at, table) in self.program.tables.iter_mut().enumerate() {
            for step in table.chains.iter_mut().flat_map(|chain| &mut chain.rules).flat_map(|rule| &mut rule.steps) {
                let Step::Match(Match::Rate(rate)) = step else { continue };
                let Some(name) = rate.shared.clone().filter(|_| !rate.by.is_empty()) else { continue };
                let set = (at, name);
                if self.spoiled.contains(&set) || !self.buckets.get(&set).is_some_and(|set| set.keep(rate)) {
                    let text = format!("limit in @{}", set.1);
                    *step = Step::Match(Match::Unknown(Unknown { text, why: FORGETS }));
                }
            }
        }
        for table in &self.dormant {
            for chain in &mut self.program.tables[*table].chains {
                chain.base = None;
            }
        }
        self.program
    }
}

fn table_family(word: &str) -> Option<TableFamily> {
    Some(match word {
        "ip" => TableFamily::Ip,
        "ip6" => TableFamily::Ip6,
        "inet" => TableFamily::Inet,
        "arp" => TableFamily::Arp,
        "bridge" => TableFamily::Bridge,
        "netdev" => TableFamily::Netdev,
        _ => return None,
    })
}

fn base(node: &Node<'_>) -> Result<Option<Base>, String> {
    let (Some(kind), Some(hook)) = (node.text_of("type"), node.text_of("hook")) else { return Ok(None) };
    let kind = match kind {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => return Err(format!("its type {kind} is unknown")),
    };
    let hook = match hook {
        "prerouting" => Hook::Prerouting,
        "input" => Hook::Input,
        "forward" => Hook::Forward,
        "output" => Hook::Output,
        "postrouting" => Hook::Postrouting,
        "ingress" => Hook::Ingress,
        "egress" => Hook::Egress,
        _ => return Err(format!("its hook {hook} is unknown")),
    };
    let priority = match node.get("prio") {
        Some(Node::Number(number)) => i32::try_from(*number).ok(),
        None => Some(0),
        Some(_) => None,
    };
    let priority = priority.ok_or_else(|| "its priority is not a number".to_owned())?;
    let accepts = node.text_of("policy") != Some("drop");
    Ok(Some(Base { kind, hook, priority, accepts }))
}
