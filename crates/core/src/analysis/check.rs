//! Everything that is wrong with a policy that reads well.

use segwall_packetset::Space;

use super::always::Always;
use super::domain::Ground;
use super::expect;
use super::lints::{self, Context};
use crate::diag::Diagnostic;
use crate::policy::Policy;
use crate::ruleset::{At, Origin, Ruleset};

/// Decides every claim and runs every lint; findings in the order of their places.
#[must_use]
pub fn check(policy: &Policy, ruleset: &Ruleset, at: At) -> Vec<Diagnostic> {
    check_within(policy, ruleset, at, Space::NODES_MAX)
}

/// What the ruleset is when no segment learns any more.
#[must_use]
pub fn unlearned(policy: &Policy, ruleset: &Ruleset) -> Ruleset {
    let mut after = ruleset.clone();
    after.rules.retain(|rule| match rule.origin {
        Origin::Written(id) => !policy.rules[id.0 as usize].learning,
        Origin::Forward(_) | Origin::Need(_) => true,
    });
    after.reindex();
    after
}

/// As [`check`], with sets of at most so many nodes: what does not fit is undecided.
#[must_use]
pub fn check_within(policy: &Policy, ruleset: &Ruleset, at: At, nodes_max: usize) -> Vec<Diagnostic> {
    let ground = Ground::of(ruleset);
    let mut always = Always::new(&ground, at, nodes_max);
    let mut found = Vec::new();
    // Claims hold of what is: also while a segment learns.
    expect::check(policy, &mut always, at, &mut found);
    if policy.rules.iter().any(|rule| rule.learning) {
        // Whether rules are wide or needless is asked of what stays when the trial is over.
        let after = unlearned(policy, ruleset);
        let ground = Ground::of(&after);
        let mut always = Always::new(&ground, at, nodes_max);
        lints::check(&Context { policy, ground: &ground, at }, &mut always, &mut found);
    } else {
        lints::check(&Context { policy, ground: &ground, at }, &mut always, &mut found);
    }
    found.sort_by_key(|finding| (finding.span, finding.code));
    found
}
