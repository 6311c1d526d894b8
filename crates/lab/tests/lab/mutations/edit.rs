//! A single fault as an edit of an emitted program.

use segwall_core::emit::nft::{Action, Key, Part, Program, Rule};

/// What is changed. Told by content and not by place, so that the same edit finds its rule in every variant of a
/// ruleset that the lab loads: those differ in hours and rates only.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Another rule, or none, where this one stands.
    Rule {
        /// Its chain.
        chain: String,
        /// As emitted.
        old: Rule,
        /// Instead.
        new: Option<Rule>,
    },
    /// Connection state is looked at before anything else in this chain.
    StatesFirst {
        /// The chain.
        chain: String,
    },
    /// This chain is jumped to at every time.
    Always {
        /// The chain.
        target: String,
    },
    /// The rules of this chain have no limit.
    Unlimited {
        /// The chain.
        chain: String,
    },
    /// Another element, or none, instead of this one.
    Element {
        /// Its set.
        set: String,
        /// As emitted.
        old: Vec<Key>,
        /// Instead.
        new: Option<Vec<Key>>,
    },
    /// One more element.
    Add {
        /// The set.
        set: String,
        /// The element.
        element: Vec<Key>,
    },
}

impl Edit {
    /// Puts the fault in; false when the program has no such place.
    pub fn apply(&self, program: &mut Program) -> bool {
        match self {
            Self::Rule { chain, old, new } => {
                let Some(rules) = rules_of(program, chain) else { return false };
                let Some(at) = rules.iter().position(|rule| rule == old) else { return false };
                match new {
                    Some(new) => rules[at] = new.clone(),
                    None => drop(rules.remove(at)),
                }
                true
            }
            Self::StatesFirst { chain } => {
                let Some(rules) = rules_of(program, chain) else { return false };
                let is_states = |rule: &Rule| rule.parts.iter().any(|part| matches!(part, Part::States(_)));
                let Some(at) = rules.iter().position(is_states) else { return false };
                rules[..=at].rotate_right(1);
                true
            }
            Self::Always { target } => {
                let jump = Part::Do(Action::Jump(target.clone()));
                let mut found = false;
                for rule in program.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
                    if rule.parts.contains(&jump) {
                        let before = rule.parts.len();
                        rule.parts.retain(|part| !matches!(part, Part::Days(_) | Part::Seconds(..)));
                        found |= rule.parts.len() < before;
                    }
                }
                found
            }
            Self::Unlimited { chain } => {
                let Some(rules) = rules_of(program, chain) else { return false };
                let mut found = false;
                for rule in rules {
                    let before = rule.parts.len();
                    rule.parts.retain(|part| !is_limit(part));
                    found |= rule.parts.len() < before;
                }
                found
            }
            Self::Element { set, old, new } => {
                let Some(set) = program.sets.iter_mut().find(|one| one.name == *set) else { return false };
                let width = set.types.len();
                let Some(at) = set.elements().position(|element| element == old.as_slice()) else { return false };
                set.keys.splice(at * width..(at + 1) * width, new.iter().flatten().copied());
                if !set.rules.is_empty() && new.is_none() {
                    set.rules.remove(at);
                }
                true
            }
            Self::Add { set, element } => {
                let Some(set) = program.sets.iter_mut().find(|one| one.name == *set) else { return false };
                if set.elements().any(|one| one == element.as_slice()) {
                    return false;
                }
                set.keys.extend(element);
                if !set.rules.is_empty() {
                    set.rules.push(set.rules[0]);
                }
                true
            }
        }
    }
}

fn rules_of<'a>(program: &'a mut Program, chain: &str) -> Option<&'a mut Vec<Rule>> {
    program.chains.iter_mut().find(|one| one.name == chain).map(|chain| &mut chain.rules)
}

pub fn is_limit(part: &Part) -> bool {
    matches!(part, Part::Rate(_) | Part::SourceRate { .. })
}
