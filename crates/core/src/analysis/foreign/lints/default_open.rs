//! SW0921: what no rule decides is accepted.

use segwall_packetset::{Family, Field, GaveUp};

use super::{at_rule, is_policy_given};
use crate::analysis::foreign::view::{View, is_deciding};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;
use crate::netfilter::{Hook, TableFamily};

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let Some(other) = view.names.other else { return Ok(()) };
    let mut known: Vec<RuleAt> = Vec::new();
    for hook in [Hook::Input, Hook::Forward] {
        let Some(place) = view.place_of(hook) else { continue };
        for family in Family::BOTH {
            let policies = policies(view, hook, family);
            // Where no chain is at the hook there is no policy that could be wrong.
            let Some(last) = policies.iter().copied().rfind(|at| decides(view, *at)) else { continue };
            let number = u128::from(family == Family::V6);
            let own = view.space.range(Field::Family, number, number)?;
            let one = &view.hooks[place];
            let mut left = vec![own, one.accepts, one.opens];
            for at in &policies {
                left.push(view.surely(place, *at)?);
            }
            let left = view.space.intersect_all(&left)?;
            let left = view.through(left, Field::In, other)?;
            if left.is_empty() || known.contains(&last) || !is_policy_given(view, last) {
                continue;
            }
            known.push(last);
            let packet = view.packet(left, &[]);
            let chain = &view.chain(last).name;
            let message =
                format!("{chain} accepts what no rule decides: its policy is ACCEPT, and no last rule drops the rest");
            found.push(
                at_rule(view, codes::DEFAULT_OPEN, Severity::Warning, last, message)
                    .shown_by(packet)
                    .help("set the policy to DROP, and accept what is meant"),
            );
        }
    }
    Ok(())
}

/// The policies of all chains that packets of a family meet at a hook.
fn policies(view: &View<'_>, hook: Hook, family: Family) -> Vec<RuleAt> {
    let mut list = Vec::new();
    for (program, one) in view.programs.iter().enumerate() {
        for (table, tables) in one.tables.iter().enumerate() {
            let sees = match tables.family {
                TableFamily::Ip => family == Family::V4,
                TableFamily::Ip6 => family == Family::V6,
                TableFamily::Inet => true,
                TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => false,
            };
            for (chain, chains) in tables.chains.iter().enumerate().filter(|_| sees) {
                if chains.base.is_some_and(|base| is_deciding(base.kind, base.hook, hook)) {
                    list.push(RuleAt { program, table, chain, rule: chains.rules.len() });
                }
            }
        }
    }
    list
}

/// Whether a chain is there to decide, and not for marks.
fn decides(view: &View<'_>, at: RuleAt) -> bool {
    let table = view.table(at);
    table.family == TableFamily::Inet || !matches!(table.name.as_str(), "mangle" | "raw" | "security")
}
