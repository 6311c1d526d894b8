//! What the pages and drawings of a network are made from.

use jiff::Timestamp;

use super::reach::{Reach, reach};
use crate::analysis::{Matrix, check, codes, flow_words, matrix};
use crate::diag::Diagnostic;
use crate::policy::{Expect, Policy, Verdict};
use crate::ruleset::{At, Ruleset};
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
        /// The rule that decides so, where one does.
        line: Option<u32>,
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
                (Some(finding), _) => failed(ruleset, source, expect, finding),
                (None, Some(_)) => Claim::Undecided,
                (None, None) => Claim::Holds,
            }
        })
        .collect();
    Network { policy, ruleset, source, now, reach: reach(&matrix), claims, matrix }
}

/// The finding without its instant: a page has no date.
fn failed(ruleset: &Ruleset, source: &Source, expect: &Expect, finding: &Diagnostic) -> Claim {
    let became = if expect.verdict == Verdict::Accept { "is not always accepted" } else { "is accepted" };
    let how = match &finding.witness {
        Some(flow) => format!("{} {became}", flow_words(ruleset, flow)),
        None => finding.message.clone(),
    };
    Claim::Fails { how, line: finding.labels.first().map(|label| source.line(label.span.start)) }
}
