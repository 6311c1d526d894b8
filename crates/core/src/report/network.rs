//! What the pages and drawings of a network are made from.

use jiff::Timestamp;

use super::reach::{Reach, reach};
use crate::analysis::{Matrix, check, codes, flow_words, matrix, with_stand_ins};
use crate::diag::{Diagnostic, Witness};
use crate::policy::{Expect, Policy, Verdict};
use crate::ruleset::{At, Rule, Ruleset};
use crate::source::Source;

/// A policy with what it comes to, worked out once for all pages and drawings.
#[derive(Debug, Clone)]
pub struct Network<'n> {
    /// The checked policy.
    pub policy: &'n Policy,
    /// What it was lowered to.
    pub ruleset: &'n Ruleset,
    /// Its text, for line numbers.
    pub source: &'n Source,
    /// Rules whose last day lies before this have ended. It is printed nowhere.
    pub now: Timestamp,
    /// Who may open what towards whom.
    pub reach: Reach,
    /// The policy's expectations, in the file's order.
    pub claims: Vec<Claim>,
    pub(super) matrix: Matrix,
}

/// What became of one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It holds for every flow, at every time.
    Holds,
    /// A flow breaks it at some time.
    Fails {
        /// The flow, and what becomes of it.
        how: String,
        /// Rules that do so, whenever they are in force.
        lines: Vec<u32>,
    },
    /// It is too large to decide.
    Undecided,
}

impl Network<'_> {
    /// Who is accepted towards the box without a rule, and what: zones with the same needs together.
    pub(super) fn unasked(&self) -> Vec<(String, String)> {
        let mut found: Vec<(Vec<&str>, &[&'static str])> = Vec::new();
        for line in &self.matrix.needs {
            let zone = if line.zone == "segments" { "every segment" } else { line.zone.as_str() };
            match found.iter_mut().find(|(_, needs)| *needs == line.needs.as_slice()) {
                Some((zones, _)) => zones.push(zone),
                None => found.push((vec![zone], &line.needs)),
            }
        }
        found.into_iter().map(|(zones, needs)| (zones.join(", "), needs.join(", "))).collect()
    }
}

/// Works out what pages and drawings show.
#[must_use]
pub fn network<'n>(policy: &'n Policy, ruleset: &'n Ruleset, source: &'n Source, now: Timestamp) -> Network<'n> {
    let at = At::Instant(now);
    let matrix = matrix(policy, ruleset, at);
    let findings = check(policy, ruleset, at);
    let claims = policy
        .expects
        .iter()
        .map(|expect| {
            let of = |code| findings.iter().find(|finding| finding.code == code && finding.span == expect.span);
            match (of(codes::EXPECT_FAILED), of(codes::UNDECIDED)) {
                (Some(finding), _) => failed(ruleset, now, expect, finding),
                (None, Some(_)) => Claim::Undecided,
                (None, None) => Claim::Holds,
            }
        })
        .collect();
    Network { policy, ruleset, source, now, reach: reach(&matrix), claims, matrix }
}

/// The finding without its instant: a page has no date.
fn failed(ruleset: &Ruleset, now: Timestamp, expect: &Expect, finding: &Diagnostic) -> Claim {
    let Some(Witness::Flow(flow)) = &finding.witness else {
        return Claim::Fails { how: finding.message.clone(), lines: Vec::new() };
    };
    let wants_accept = expect.verdict == Verdict::Accept;
    let became = if wants_accept { "is not always accepted" } else { "is accepted" };
    let ruleset = with_stand_ins(ruleset);
    let breaks = |rule: &&Rule| {
        rule.line > 0
            && (rule.verdict == Verdict::Accept) != wants_accept
            && rule.when.until.is_none_or(|until| until > now)
            && rule.boxes.iter().any(|flow_box| ruleset.box_covers(flow_box, flow))
    };
    let lines = ruleset.rules.iter().filter(breaks).map(|rule| rule.line).collect();
    Claim::Fails { how: format!("{} {became}", flow_words(&ruleset, flow)), lines }
}
