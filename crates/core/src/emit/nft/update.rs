//! From one program to the next: only what differs, so that counters, buckets and learned elements live on.

use std::collections::{BTreeMap, BTreeSet};

use super::TABLE;
use super::disjoint;
use super::model::{Chain, Key, Program, Set, SetKind};
use super::script::{add_chain, add_rules, add_set, base_text, elements};
use super::text::{self, put};

impl Program {
    /// The transaction that turns `previous`, as it was loaded, into this program. Empty where nothing differs.
    #[must_use]
    pub fn update_from(&self, previous: &Program) -> String {
        let old_sets: BTreeMap<&str, &Set> = previous.sets.iter().map(|set| (set.name.as_str(), set)).collect();
        let old_chains: BTreeMap<&str, &Chain> =
            previous.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect();
        let like = |set: &Set| old_sets.get(set.name.as_str()).filter(|old| same_kind(old, set)).copied();
        let unlike = self.sets.iter().any(|set| old_sets.contains_key(set.name.as_str()) && like(set).is_none());
        let rebased = self
            .chains
            .iter()
            .any(|chain| old_chains.get(chain.name.as_str()).is_some_and(|old| old.base != chain.base));
        if unlike || rebased {
            // Names carry types, so this is no program of ours; then all is written anew.
            return self.script();
        }

        let mut out = String::new();
        for name in self.counters.iter().filter(|name| !previous.counters.contains(name)) {
            put!(&mut out, "add counter inet {TABLE} {name}\n");
        }
        for limit in self.limits.iter().filter(|limit| !previous.limits.contains(limit)) {
            put!(&mut out, "add limit inet {TABLE} {} {{ ", limit.name);
            text::rate(&mut out, &limit.limit);
            out.push_str("; }\n");
        }
        for set in self.sets.iter().filter(|set| like(set).is_none()) {
            add_set(&mut out, set);
        }
        for chain in self.chains.iter().filter(|chain| !old_chains.contains_key(chain.name.as_str())) {
            add_chain(&mut out, chain);
        }
        let gone: Vec<&Chain> =
            previous.chains.iter().filter(|old| !self.chains.iter().any(|chain| chain.name == old.name)).collect();
        let changed: Vec<&Chain> = self
            .chains
            .iter()
            .filter(|chain| match old_chains.get(chain.name.as_str()) {
                Some(old) => rules_text(self, chain) != rules_text(previous, old),
                None => true,
            })
            .collect();
        // Nothing may be deleted that a rule still names.
        for chain in gone.iter().chain(changed.iter().filter(|chain| old_chains.contains_key(chain.name.as_str()))) {
            put!(&mut out, "flush chain inet {TABLE} {}\n", chain.name);
        }
        let ids = Ids::new(self, previous);
        for set in &self.sets {
            match like(set) {
                Some(old) => self.change_set(&mut out, set, old, &ids),
                None => elements(&mut out, "add", &self.names, &set.name, set.elements()),
            }
        }
        for chain in changed {
            add_rules(&mut out, self, chain);
        }
        for chain in gone {
            let name = chain.base.map_or(chain.name.as_str(), |base| base_text(base).1);
            put!(&mut out, "delete chain inet {TABLE} {name}\n");
        }
        let kept: BTreeSet<&str> = self.sets.iter().map(|set| set.name.as_str()).collect();
        for set in previous.sets.iter().filter(|set| !kept.contains(set.name.as_str())) {
            put!(&mut out, "delete set inet {TABLE} {}\n", set.name);
        }
        for name in previous.counters.iter().filter(|name| !self.counters.contains(name)) {
            put!(&mut out, "delete counter inet {TABLE} {name}\n");
        }
        for limit in previous.limits.iter().filter(|limit| !self.limits.contains(limit)) {
            put!(&mut out, "delete limit inet {TABLE} {}\n", limit.name);
        }
        out
    }

    fn change_set(&self, out: &mut String, set: &Set, old: &Set, ids: &Ids) {
        let interval = match set.kind {
            SetKind::Written { interval, .. } => interval,
            SetKind::Learned { .. } | SetKind::Held { .. } => return,
        };
        let stride = set.types.len();
        let old_keys = ids.translated(old);
        if old_keys == set.keys {
            return;
        }
        // A range that shrinks overlaps its old self, and nft 1.0.6 looks for overlaps itself in sets of one field.
        if interval && stride == 1 {
            put!(out, "flush set inet {TABLE} {}\n", set.name);
            elements(out, "add", &self.names, &set.name, set.elements());
            return;
        }
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let mut new = set.elements().peekable();
        let mut was = old_keys.chunks_exact(stride).peekable();
        loop {
            match (was.peek(), new.peek()) {
                (Some(a), Some(b)) if a == b => {
                    was.next();
                    new.next();
                }
                (Some(a), Some(b)) if a > b => added.extend(new.next()),
                (Some(_), _) => removed.extend(was.next()),
                (None, Some(_)) => added.extend(new.next()),
                (None, None) => break,
            }
        }
        elements(out, "delete", &ids.names, &set.name, removed.into_iter());
        elements(out, "add", &self.names, &set.name, added.into_iter());
    }
}

fn same_kind(old: &Set, new: &Set) -> bool {
    old.types == new.types && old.kind == new.kind
}

fn rules_text(program: &Program, chain: &Chain) -> String {
    let mut out = String::new();
    add_rules(&mut out, program, chain);
    out
}

/// Interfaces of the previous program as the new one numbers them; those it has no more behind all others.
struct Ids {
    /// For each id of the previous program the new one; empty where they are the same.
    map: Vec<u32>,
    /// Names by new id, with those that are gone.
    names: Vec<String>,
}

impl Ids {
    fn new(program: &Program, previous: &Program) -> Self {
        let mut names = program.names.clone();
        if previous.names == program.names {
            return Self { map: Vec::new(), names };
        }
        let known: BTreeMap<&str, usize> =
            program.names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let map = previous
            .names
            .iter()
            .map(|name| {
                let at = known.get(name.as_str()).copied().unwrap_or_else(|| {
                    names.push(name.clone());
                    names.len() - 1
                });
                u32::try_from(at).expect("fewer interfaces than 2^32")
            })
            .collect();
        Self { map, names }
    }

    /// A set's keys with new ids, in order.
    fn translated(&self, set: &Set) -> Vec<Key> {
        if self.map.is_empty() {
            return set.keys.clone();
        }
        let keys = set
            .keys
            .iter()
            .map(|key| match key {
                Key::Name(id) => Key::Name(self.map[*id as usize]),
                Key::V4(..) | Key::V6(..) | Key::Ports(..) | Key::Byte(_) => *key,
            })
            .collect();
        let stride = set.types.len();
        disjoint::normal(keys, vec![0; set.len()], stride, false).0
    }
}
