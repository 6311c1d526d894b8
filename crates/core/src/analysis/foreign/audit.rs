//! The whole question: every lint, in order, and what was not decided.

use std::collections::BTreeMap;

use segwall_packetset::{GaveUp, Space};

use super::view::{HOOKS, Scope, View};
use super::{Interface, Rules, lints};
use crate::diag::{Code, Diagnostic, Severity};
use crate::netfilter::NoteKind;
use crate::netfilter::meaning::{RuleAt, UnknownUse};
use crate::source::Span;

/// More findings of one code are counted, not kept.
pub const FOUND_PER_CODE_MAX: usize = 1_000;

/// A finding and the file that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which of the files.
    pub file: usize,
    /// What is wrong.
    pub diagnostic: Diagnostic,
}

/// Something that may match, or need not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Approximation {
    /// Which of the files.
    pub file: usize,
    /// The rule, where the file is text.
    pub span: Option<Span>,
    /// As it was written.
    pub text: String,
    /// Why it is not decided.
    pub why: &'static str,
}

/// What there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// By file, then by place.
    pub findings: Vec<Found>,
    /// Findings that were too many to keep.
    pub more: BTreeMap<Code, usize>,
    /// What was read as "perhaps", each use once.
    pub approximated: Vec<Approximation>,
    /// Codes that were not looked for to the end, because the sets of packets grew too large.
    pub undecided: Vec<Code>,
}

/// Looks for everything. Files hold at once, as they do when all of them are loaded.
///
/// `interfaces`: which interfaces the box has and which networks are behind them, where someone says so.
#[must_use]
pub fn audit(space: &mut Space, rules: &[Rules<'_>], interfaces: Option<&[Interface]>) -> Audit {
    let mut audit = Audit::default();
    let mut found = Vec::new();
    match View::new(space, rules, interfaces, Scope::First) {
        Ok(mut view) => {
            for (code, lint) in lints::ALL {
                if lint(&mut view, &mut found).is_err() {
                    audit.undecided.push(*code);
                }
            }
            audit.approximated = approximations(&view);
        }
        Err(_) => audit.undecided.extend(lints::ALL.iter().map(|(code, _)| *code)),
    }
    // Each hook has a space of its own.
    let mut spaces: Vec<Space> = HOOKS.iter().map(|_| Space::default()).collect();
    let views: Result<Vec<View<'_>>, GaveUp> = HOOKS
        .iter()
        .zip(&mut spaces)
        .map(|(hook, space)| View::new(space, rules, interfaces, Scope::Whole(*hook)))
        .collect();
    match views {
        Ok(mut views) => {
            for (code, lint) in lints::WHOLE {
                if lint(&mut views, &mut found).is_err() {
                    audit.undecided.push(*code);
                }
            }
            // Of every packet there is more that depends on something.
            audit.approximated = views.iter().flat_map(approximations).collect();
            audit.approximated.sort();
            audit.approximated.dedup();
        }
        Err(_) => audit.undecided.extend(lints::WHOLE.iter().map(|(code, _)| *code)),
    }
    audit.undecided.sort_unstable();
    hedge(rules, &mut found);
    found.sort_by(|a, b| {
        (a.file, a.diagnostic.span, a.diagnostic.code).cmp(&(b.file, b.diagnostic.span, b.diagnostic.code))
    });
    let mut kept: BTreeMap<Code, usize> = BTreeMap::new();
    for one in found {
        let code = one.diagnostic.code;
        let count = kept.entry(code).or_default();
        *count += 1;
        if *count <= FOUND_PER_CODE_MAX {
            audit.findings.push(one);
        } else {
            *audit.more.entry(code).or_default() += 1;
        }
    }
    audit
}

/// Where something was not understood, every finding that follows from the meaning of the rules may be wrong: it is a
/// note, and says so. Where rules from before may stand in front, it says that.
fn hedge(rules: &[Rules<'_>], found: &mut [Found]) {
    let first = |kind: NoteKind| {
        rules.iter().find_map(|rules| {
            let note = rules.program.notes.iter().find(|note| note.kind == kind)?;
            Some(format!("{}:{}", rules.source.name(), rules.source.line(note.span.start)))
        })
    };
    let (unclear, before) = (first(NoteKind::NotUnderstood), first(NoteKind::Before));
    for one in found.iter_mut().filter(|one| lints::follows_from_meaning(one.diagnostic.code)) {
        let diagnostic = &mut one.diagnostic;
        if let Some(place) = &unclear {
            diagnostic.severity = Severity::Note;
            diagnostic.message.push_str(&format!(" (unless {place}, which is not understood, changes it)"));
        } else if let Some(place) = &before {
            diagnostic.message.push_str(&format!(" (unless what was there before changes it: {place})"));
        }
    }
}

fn approximations(view: &View<'_>) -> Vec<Approximation> {
    let mut seen: BTreeMap<(Option<RuleAt>, String), &'static str> = BTreeMap::new();
    for one in view.hooks.iter().flat_map(|one| &one.hooked.unknown) {
        let UnknownUse { text, why, at, .. } = one;
        seen.insert((*at, text.clone()), why);
    }
    for one in view.hooks.iter().flat_map(|one| &one.hooked.rates).filter(|one| one.decides) {
        let text = format!("{} packets in {} s", one.rate.packets, one.rate.per_s);
        seen.insert((Some(one.at), text), "depends on earlier packets");
    }
    let place = |at: Option<RuleAt>| at.and_then(|at| view.rule(at)).and_then(|rule| rule.span);
    let of = |((at, text), why): ((Option<RuleAt>, String), &'static str)| Approximation {
        file: at.map_or(0, |at| at.program),
        span: place(at),
        text,
        why,
    };
    seen.into_iter().map(of).collect()
}
