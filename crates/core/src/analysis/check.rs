//! Everything that is wrong with a policy that reads well.

use segwall_packetset::Space;

use super::always::Always;
use super::domain::Ground;
use super::expect;
use super::lints::{self, Context};
use crate::diag::Diagnostic;
use crate::policy::Policy;
use crate::ruleset::{At, Ruleset};

/// Decides every claim and runs every lint; findings in the order of their places.
#[must_use]
pub fn check(policy: &Policy, ruleset: &Ruleset, at: At) -> Vec<Diagnostic> {
    check_within(policy, ruleset, at, Space::NODES_MAX)
}

/// As [`check`], with sets of at most so many nodes: what does not fit is undecided.
#[must_use]
pub fn check_within(policy: &Policy, ruleset: &Ruleset, at: At, nodes_max: usize) -> Vec<Diagnostic> {
    let ground = Ground::of(ruleset);
    let mut always = Always::new(&ground, at, nodes_max);
    let mut found = Vec::new();
    expect::check(policy, &mut always, at, &mut found);
    lints::check(&Context { policy, ground: &ground, at }, &mut always, &mut found);
    found.sort_by_key(|finding| (finding.span, finding.code));
    found
}
