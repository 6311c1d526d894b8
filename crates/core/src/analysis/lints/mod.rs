//! One file for each lint; its page in `docs/lints/` is its test.

mod any_to_any;
mod covered;
mod end_refused;
mod ends_soon;
mod forward_target;
mod ipv6_gap;
mod limit_useless;
mod management_locked_out;
mod management_open;
mod nat_unused;
mod refused_whole;
mod sample;
mod wider_than_claimed;

use super::always::Always;
use super::domain::Ground;
use super::resolver::{resolvers, time_servers};
use crate::diag::Diagnostic;
use crate::policy::Policy;
use crate::ruleset::{At, Ruleset};

/// More rules than this are not pointed at in one finding.
const LABELS_MAX: usize = 3;

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

/// Runs every lint. Where the space gives up, a lint claims nothing.
pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    management_locked_out::check(context, always, found);
    found.extend(resolvers(context.policy, context.ruleset(), context.at));
    found.extend(time_servers(context.policy, context.ruleset(), context.at));
    refused_whole::check(context, always, found);
    limit_useless::check(context, always, found);
    covered::check(context, always, found);
    end_refused::check(context, always, found);
    any_to_any::check(context, always, found);
    management_open::check(context, always, found);
    ipv6_gap::check(context, always, found);
    wider_than_claimed::check(context, always, found);
    nat_unused::check(context, always, found);
    forward_target::check(context, found);
    ends_soon::check(context, found);
}
