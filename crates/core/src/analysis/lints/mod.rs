//! One file for each lint; its page in `docs/lints/` is its test.

mod limit_useless;
mod management_locked_out;
mod refused_whole;

use super::domain::Ground;
use super::resolver::resolvers;
use crate::diag::Diagnostic;
use crate::policy::Policy;
use crate::ruleset::{At, Ruleset};

/// What every lint looks at.
pub(super) struct Context<'c> {
    pub policy: &'c Policy,
    pub ground: &'c Ground<'c>,
    pub at: At,
}

impl Context<'_> {
    pub fn ruleset(&self) -> &Ruleset {
        &self.ground.ruleset
    }
}

/// Runs every lint.
pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    management_locked_out::check(context, found);
    found.extend(resolvers(context.policy, context.ruleset(), context.at));
    refused_whole::check(context, found);
    limit_useless::check(context, found);
}
