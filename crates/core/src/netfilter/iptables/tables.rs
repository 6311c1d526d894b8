//! The tables of iptables: which chains they have, where those hang, and which rules they hold while a source is read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Version;
use crate::netfilter::{Base, Chain, ChainKind, Hook, Match, Program, Rule, Set, Step, Table, Values};
use crate::source::Span;

/// Rules that insertions, deletions and comparisons may touch in one source: a hostile one must not cost more.
const RULES_MOVED_MAX: usize = 50_000_000;

/// Rules that lists of addresses may come to in one source, beyond one for each call.
const RULES_EXPANDED_MAX: usize = 1_000_000;

/// A table that every kernel has: its chains with hook and priority (`NF_IP_PRI_*` of `netfilter_ipv4.h`).
struct BuiltIn {
    name: &'static str,
    chains: &'static [(&'static str, ChainKind, Hook, i32)],
}

const TABLES: &[BuiltIn] = &[
    BuiltIn {
        name: "raw",
        chains: &[
            ("PREROUTING", ChainKind::Filter, Hook::Prerouting, -300),
            ("OUTPUT", ChainKind::Filter, Hook::Output, -300),
        ],
    },
    BuiltIn {
        name: "mangle",
        chains: &[
            ("PREROUTING", ChainKind::Filter, Hook::Prerouting, -150),
            ("INPUT", ChainKind::Filter, Hook::Input, -150),
            ("FORWARD", ChainKind::Filter, Hook::Forward, -150),
            ("OUTPUT", ChainKind::Route, Hook::Output, -150),
            ("POSTROUTING", ChainKind::Filter, Hook::Postrouting, -150),
        ],
    },
    BuiltIn {
        name: "nat",
        chains: &[
            ("PREROUTING", ChainKind::Nat, Hook::Prerouting, -100),
            ("INPUT", ChainKind::Nat, Hook::Input, 100),
            ("OUTPUT", ChainKind::Nat, Hook::Output, -100),
            ("POSTROUTING", ChainKind::Nat, Hook::Postrouting, 100),
        ],
    },
    BuiltIn {
        name: "filter",
        chains: &[
            ("INPUT", ChainKind::Filter, Hook::Input, 0),
            ("FORWARD", ChainKind::Filter, Hook::Forward, 0),
            ("OUTPUT", ChainKind::Filter, Hook::Output, 0),
        ],
    },
    BuiltIn {
        name: "security",
        chains: &[
            ("INPUT", ChainKind::Filter, Hook::Input, 50),
            ("FORWARD", ChainKind::Filter, Hook::Forward, 50),
            ("OUTPUT", ChainKind::Filter, Hook::Output, 50),
        ],
    },
];

/// Whether there is a table of this name.
pub(super) fn is_table(name: &str) -> bool {
    TABLES.iter().any(|table| table.name == name)
}

/// A chain while it is read.
#[derive(Debug, Default)]
pub(super) struct ChainState {
    pub base: Option<Base>,
    pub rules: VecDeque<Rule>,
    pub span: Option<Span>,
    /// Whether its policy was ever set.
    pub policy_set: bool,
    /// Whether it was emptied, so that nothing from before is in it.
    pub flushed: bool,
}

/// A table while it is read.
#[derive(Debug, Default)]
pub(super) struct TableState {
    pub name: String,
    chains: Vec<(String, ChainState)>,
    places: BTreeMap<String, usize>,
    /// Where it was first mentioned.
    pub first: Option<Span>,
}

impl TableState {
    /// An empty table of the kernel's.
    fn new(name: &str) -> Self {
        let mut table = Self { name: name.to_owned(), ..Self::default() };
        let chains = TABLES.iter().find(|known| known.name == name).map_or(&[][..], |known| known.chains);
        for (chain, kind, hook, priority) in chains {
            let base = Base { kind: *kind, hook: *hook, priority: *priority, accepts: true };
            table.add(chain, ChainState { base: Some(base), ..ChainState::default() });
        }
        table
    }

    pub fn chain(&mut self, name: &str) -> Option<&mut ChainState> {
        self.places.get(name).map(|at| &mut self.chains[*at].1)
    }

    pub fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// A new chain, which has no namesake.
    pub fn add(&mut self, name: &str, chain: ChainState) {
        self.places.insert(name.to_owned(), self.chains.len());
        self.chains.push((name.to_owned(), chain));
    }

    pub fn chains(&mut self) -> impl Iterator<Item = (&str, &mut ChainState)> {
        self.chains.iter_mut().map(|(name, chain)| (name.as_str(), chain))
    }

    /// Takes away the chains that are not wanted.
    pub fn keep(&mut self, wanted: impl Fn(&str, &ChainState) -> bool) {
        self.chains.retain(|(name, chain)| wanted(name, chain));
        self.number();
    }

    /// Gives a chain another name.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(at) = self.places.remove(from) {
            to.clone_into(&mut self.chains[at].0);
            self.places.insert(to.to_owned(), at);
        }
    }

    /// Sets of ipset that its rules ask.
    fn sets(&self) -> BTreeSet<&str> {
        let steps = self.chains.iter().flat_map(|(_, chain)| &chain.rules).flat_map(|rule| &rule.steps);
        steps
            .filter_map(|step| match step {
                Step::Match(Match::Among { values: Values::Set(name), .. }) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Every rule.
    pub fn rules(&mut self) -> impl Iterator<Item = &mut Rule> {
        self.chains.iter_mut().flat_map(|(_, chain)| &mut chain.rules)
    }

    fn number(&mut self) {
        self.places = self.chains.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
    }
}

/// The tables of both programs while a source is read.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: BTreeMap<Version, Vec<TableState>>,
    moved: usize,
    expanded: usize,
}

impl Tables {
    /// A table of the kernel's, made where it was not mentioned before.
    pub fn table(&mut self, version: Version, name: &str) -> &mut TableState {
        let tables = self.tables.entry(version).or_default();
        let at = tables.iter().position(|table| table.name == name).unwrap_or_else(|| {
            tables.push(TableState::new(name));
            tables.len() - 1
        });
        &mut tables[at]
    }

    /// Every table.
    pub fn all(&mut self) -> impl Iterator<Item = (Version, &mut TableState)> {
        self.tables.iter_mut().flat_map(|(version, tables)| tables.iter_mut().map(|table| (*version, table)))
    }

    /// Empties a table and forgets its chains.
    pub fn reset(&mut self, version: Version, name: &str) -> &mut TableState {
        let table = self.table(version, name);
        *table = TableState::new(name);
        table
    }

    /// Accounts for rules that are moved or compared; `false` once a source asked for too much.
    pub fn afford(&mut self, rules: usize) -> bool {
        self.moved = self.moved.saturating_add(rules);
        !self.exhausted()
    }

    /// Accounts for the rules that a call becomes beyond the first; `false` once there are too many.
    pub fn expand(&mut self, rules: usize) -> bool {
        self.expanded = self.expanded.saturating_add(rules.saturating_sub(1));
        self.expanded <= RULES_EXPANDED_MAX
    }

    /// Whether a source has asked for too much.
    pub fn exhausted(&self) -> bool {
        self.moved > RULES_MOVED_MAX
    }

    /// As the model has them; `contents` knows the sets of ipset.
    pub fn finish(self, program: &mut Program, contents: impl Fn(Version, &str) -> Set) {
        for (version, tables) in self.tables {
            for table in tables {
                program.tables.push(Table {
                    family: version.family(),
                    sets: table.sets().into_iter().map(|name| contents(version, name)).collect(),
                    name: table.name,
                    chains: table
                        .chains
                        .into_iter()
                        .map(|(name, chain)| Chain {
                            name,
                            base: chain.base,
                            rules: chain.rules.into(),
                            span: chain.span,
                        })
                        .collect(),
                });
            }
        }
    }
}
