//! Programs as text for `nft -f`. Always loaded with `TZ=UTC`: nft reads hours in the loader's time zone.

use super::super::comment;
use super::TABLE;
use super::model::{Base, Chain, Hook, Key, Program, Set, SetKind};
use super::text::{self, put};

/// Bytes of text an element takes, roughly; only to reserve memory.
const ELEMENT_BYTES: usize = 64;

/// Names of sets that let packets pass anti-spoofing begin so.
pub(super) const SOURCES: &str = "source";
/// Names of sets that accept begin so.
pub(super) const ACCEPTS: &str = "accept";

/// How much a set opens: what drops or only names interfaces first, what anti-spoofing lets pass last.
fn openness(name: &str) -> u8 {
    if name.starts_with(SOURCES) { 2 } else { u8::from(name.starts_with(ACCEPTS)) }
}

/// What an element counts for where a transaction is limited: a range in a set of one field is sent as two.
#[must_use]
pub fn element_weight(kind: SetKind) -> usize {
    match kind {
        SetKind::Written { interval: true, .. } => 2,
        SetKind::Written { .. } | SetKind::Learned { .. } | SetKind::Held { .. } => 1,
    }
}

pub(super) fn base_text(base: Base) -> (&'static str, &'static str, &'static str, &'static str) {
    match base {
        Base::Filter(Hook::Input) => ("filter", "input", "filter", "drop"),
        Base::Filter(Hook::Forward) => ("filter", "forward", "filter", "drop"),
        Base::Filter(Hook::Output) => ("filter", "output", "filter", "drop"),
        Base::Prerouting => ("nat", "prerouting", "dstnat", "accept"),
        Base::Postrouting => ("nat", "postrouting", "srcnat", "accept"),
    }
}

pub(super) fn add_set(out: &mut String, set: &Set) {
    put!(out, "add set inet {TABLE} {} {{ type ", set.name);
    for (at, field) in set.types.iter().enumerate() {
        out.push_str(if at > 0 { " . " } else { "" });
        out.push_str(text::type_word(*field));
    }
    out.push(';');
    match set.kind {
        SetKind::Written { interval, counter } => {
            if interval {
                out.push_str(" flags interval;");
            }
            if counter {
                out.push_str(" counter;");
            }
        }
        SetKind::Learned { size_max, timeout_s } => {
            put!(out, " size {size_max};");
            match timeout_s {
                Some(timeout_s) => put!(out, " flags dynamic,timeout; timeout {timeout_s}s;"),
                None => out.push_str(" flags dynamic;"),
            }
        }
        SetKind::Held { size_max } => put!(out, " size {size_max}; flags timeout;"),
    }
    out.push_str(" }\n");
}

pub(super) fn add_chain(out: &mut String, chain: &Chain) {
    put!(out, "add chain inet {TABLE} {}", chain.name);
    if let Some(base) = chain.base {
        let (kind, hook, priority, policy) = base_text(base);
        put!(out, " {{ type {kind} hook {hook} priority {priority}; policy {policy}; }}");
    }
    out.push('\n');
}

pub(super) fn add_rules(out: &mut String, program: &Program, chain: &Chain) {
    let file = comment::safe_file(&program.file);
    for rule in &chain.rules {
        put!(out, "add rule inet {TABLE} {} ", chain.name);
        text::rule(out, &program.names, &file, rule);
        out.push('\n');
    }
}

/// `add` or `delete` for elements `from..to` of a set.
pub(super) fn elements<'a>(
    out: &mut String,
    verb: &str,
    names: &[String],
    set: &str,
    list: impl Iterator<Item = &'a [Key]>,
) {
    let mark = out.len();
    put!(out, "{verb} element inet {TABLE} {set} {{ ");
    let begin = out.len();
    for element in list {
        if out.len() > begin {
            out.push_str(",\n");
        }
        text::element(out, names, element);
    }
    if out.len() == begin {
        out.truncate(mark);
    } else {
        out.push_str(" }\n");
    }
}

impl Program {
    /// The whole table as one transaction: on an empty box, or over an older generation of ours, whose named counters,
    /// learned sets and quarantine live on. Nobody else's rules are touched.
    #[must_use]
    pub fn script(&self) -> String {
        let elements_len: usize = self.sets.iter().map(Set::len).sum();
        let mut out = String::with_capacity(16 * 1024 + elements_len * ELEMENT_BYTES);
        self.base(&mut out);
        for set in &self.sets {
            elements(&mut out, "add", &self.names, &set.name, set.elements());
        }
        out
    }

    /// Everything but the elements: a table that accepts nothing from outside, for [`Program::pieces`] to open.
    #[must_use]
    pub fn closed_base(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        self.base(&mut out);
        out
    }

    /// The elements that [`Program::closed_base`] lacks, in transactions of at most `elements_max` each, never more open
    /// than the whole: what drops comes first, what lets packets pass anti-spoofing last.
    #[must_use]
    pub fn pieces(&self, elements_max: usize) -> Vec<String> {
        let mut sets: Vec<&Set> = self.sets.iter().filter(|set| !set.is_empty()).collect();
        sets.sort_by_key(|set| openness(&set.name));
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut room = elements_max;
        for set in sets {
            let weight = element_weight(set.kind);
            let mut at = 0;
            while at < set.len() {
                let take = (room / weight).min(set.len() - at);
                if take == 0 {
                    pieces.push(std::mem::take(&mut piece));
                    room = elements_max.max(weight);
                    continue;
                }
                elements(&mut piece, "add", &self.names, &set.name, set.elements().skip(at).take(take));
                at += take;
                room -= take * weight;
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    fn base(&self, out: &mut String) {
        put!(out, "add table inet {TABLE}\n");
        for name in &self.counters {
            put!(out, "add counter inet {TABLE} {name}\n");
        }
        for limit in &self.limits {
            put!(out, "add limit inet {TABLE} {} {{ ", limit.name);
            text::rate(out, &limit.limit);
            out.push_str("; }\n");
        }
        for set in &self.sets {
            add_set(out, set);
        }
        for chain in &self.chains {
            add_chain(out, chain);
        }
        // An older generation may have translated addresses; only a delete takes the hook away.
        for base in [Base::Prerouting, Base::Postrouting] {
            if !self.chains.iter().any(|chain| chain.base == Some(base)) {
                let name = base_text(base).1;
                add_chain(out, &Chain { name: name.to_owned(), base: Some(base), rules: Vec::new() });
                put!(out, "flush chain inet {TABLE} {name}\ndelete chain inet {TABLE} {name}\n");
            }
        }
        for chain in &self.chains {
            put!(out, "flush chain inet {TABLE} {}\n", chain.name);
        }
        for set in &self.sets {
            match set.kind {
                SetKind::Written { .. } => put!(out, "flush set inet {TABLE} {}\n", set.name),
                SetKind::Learned { .. } | SetKind::Held { .. } => {}
            }
        }
        for chain in &self.chains {
            add_rules(out, self, chain);
        }
    }
}
