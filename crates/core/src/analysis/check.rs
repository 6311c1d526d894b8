//! Everything that is wrong with a policy that reads well.

use super::domain::Ground;
use super::expect;
use super::lints::{self, Context};
use crate::diag::Diagnostic;
use crate::policy::Policy;
use crate::ruleset::{At, Ruleset};

/// Decides every claim and runs every lint; findings in the order of their places.
#[must_use]
pub fn check(policy: &Policy, ruleset: &Ruleset, at: At) -> Vec<Diagnostic> {
    let ground = Ground::of(ruleset);
    let mut found = Vec::new();
    expect::check(policy, &ground, at, &mut found);
    lints::check(&Context { policy, ground: &ground, at }, &mut found);
    found.sort_by_key(|finding| (finding.span, finding.code));
    found
}
