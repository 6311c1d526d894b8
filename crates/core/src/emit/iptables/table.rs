//! Tables and chains as text.

use std::collections::BTreeMap;

/// More combinations than this become one chain for each condition.
const COMBINATIONS_MAX: usize = 24;

/// Chains in the order they were made; rules are what follows `-A CHAIN`.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    chains: Vec<Chain>,
    by_name: BTreeMap<String, usize>,
    /// Chains made for combinations, numbered.
    combined: u32,
}

#[derive(Debug)]
struct Chain {
    name: String,
    /// Built-in chains have one.
    policy: Option<&'static str>,
    rules: Vec<String>,
}

impl Table {
    pub(super) fn new(name: &'static str, built_in: &[(&str, &'static str)]) -> Self {
        let mut table = Self { name, chains: Vec::new(), by_name: BTreeMap::new(), combined: 0 };
        for (chain, policy) in built_in {
            table.make(chain, Some(policy));
        }
        table
    }

    fn make(&mut self, chain: &str, policy: Option<&'static str>) -> usize {
        let at = self.chains.len();
        self.chains.push(Chain { name: chain.to_owned(), policy, rules: Vec::new() });
        self.by_name.insert(chain.to_owned(), at);
        at
    }

    /// Whether there is such a chain.
    pub(super) fn has(&self, chain: &str) -> bool {
        self.by_name.contains_key(chain)
    }

    /// Makes a chain of ours, unless it is there.
    pub(super) fn chain(&mut self, chain: &str) {
        if !self.has(chain) {
            self.make(chain, None);
        }
    }

    /// Appends a rule to a chain, which is made where it is missing.
    pub(super) fn push(&mut self, chain: &str, rule: String) {
        let at = match self.by_name.get(chain) {
            Some(at) => *at,
            None => self.make(chain, None),
        };
        self.chains[at].rules.push(rule);
    }

    /// Rules for every combination of alternatives; an empty list of alternatives asks for nothing.
    pub(super) fn combine(&mut self, chain: &str, always: &str, lists: &[Vec<String>], last: &str) {
        let asked: Vec<&Vec<String>> = lists.iter().filter(|list| !list.is_empty()).collect();
        let product = asked.iter().map(|list| list.len()).fold(1usize, usize::saturating_mul);
        if product > COMBINATIONS_MAX && asked.len() > 1 {
            // One chain for each condition: a sum of rules instead of a product.
            let mut from = chain.to_owned();
            for (step, list) in asked.iter().enumerate() {
                let end = step + 1 == asked.len();
                let next = format!("sw_all{}", self.combined);
                if !end {
                    self.combined += 1;
                    self.chain(&next);
                }
                for words in *list {
                    let first = if step == 0 { always } else { "" };
                    let go = if step == 0 { format!("-j {next}") } else { format!("-g {next}") };
                    let rule = if end { join(&[first, words, last]) } else { join(&[first, words, &go]) };
                    self.push(&from, rule);
                }
                from = next;
            }
            return;
        }
        let mut rules = vec![always.to_owned()];
        for list in asked {
            rules = rules.iter().flat_map(|rule| list.iter().map(move |words| join(&[rule, words]))).collect();
        }
        for rule in rules {
            self.push(chain, join(&[&rule, last]));
        }
    }

    /// Whether any rule is there.
    pub(super) fn is_empty(&self) -> bool {
        self.chains.iter().all(|chain| chain.rules.is_empty())
    }

    /// As text; a table without rules is not touched.
    pub(super) fn write(&self, out: &mut String) {
        if self.is_empty() {
            return;
        }
        out.push('*');
        out.push_str(self.name);
        out.push('\n');
        for chain in &self.chains {
            out.push(':');
            out.push_str(&chain.name);
            out.push(' ');
            out.push_str(chain.policy.unwrap_or("-"));
            out.push_str(" [0:0]\n");
        }
        for chain in &self.chains {
            for rule in &chain.rules {
                out.push_str("-A ");
                out.push_str(&chain.name);
                out.push(' ');
                out.push_str(rule);
                out.push('\n');
            }
        }
        out.push_str("COMMIT\n");
    }
}

/// Joins the words of a rule that are not empty.
pub(super) fn join(words: &[&str]) -> String {
    let mut out = String::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
