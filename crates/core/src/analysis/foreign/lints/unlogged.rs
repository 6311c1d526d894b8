//! SW0904: drops that stand before the rule that writes drops down.

use std::collections::BTreeMap;

use segwall_packetset::{Field, GaveUp, Set};

use super::at_rule;
use crate::analysis::foreign::rules::{End, asks, has_unknown, logs};
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;

/// Drops by the log rule that stands behind them: each with what is lost, and whether it names both ends.
type Lost = BTreeMap<RuleAt, Vec<(RuleAt, Set, bool)>>;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for place in 0..view.hooks.len() {
        let logged: Vec<Set> = view.hooks[place].hooked.logs.iter().map(|log| log.reached).collect();
        let logged = view.space.union_all(&logged)?;
        let mut lost = Lost::new();
        let drops = view.deciding(place, |end| end == End::Drop);
        let behind = log_rules(view, place)?;
        for at in drops {
            let rule = view.rule(at);
            if rule.is_some_and(logs) {
                continue;
            }
            let one = &view.hooks[place];
            let opens = one.opens;
            let surely = view.surely(place, at)?;
            let dropped = view.space.intersect(surely, opens)?;
            // Nothing of it may be logged: else the rule may be right.
            if !view.space.is_disjoint(dropped, logged) {
                continue;
            }
            let key = RuleAt { rule: 0, ..at };
            for (log, wanted) in behind.get(&key).into_iter().flatten().filter(|(log, _)| log.rule > at.rule) {
                let missing = view.space.intersect(dropped, *wanted)?;
                if !missing.is_empty() {
                    let both = rule.is_some_and(|rule| asks(rule, Field::Src) && asks(rule, Field::Dst));
                    lost.entry(*log).or_default().push((at, missing, both));
                    break;
                }
            }
        }
        for (log, list) in lost {
            let (at, missing, _) = list[0];
            let severity = if list.iter().any(|(_, _, both)| *both) { Severity::Warning } else { Severity::Note };
            let packet = view.packet(missing, &[]);
            let others: Vec<RuleAt> = list[1..].iter().map(|(at, ..)| *at).collect();
            let message = "what this drops is never logged: the log stands behind it";
            found.push(
                at_rule(view, codes::UNLOGGED, severity, at, message)
                    .also(view, &others, "nor what this drops")
                    .also(view, &[log], "this would have logged it")
                    .shown_by(packet)
                    .help("move the log in front of the drops, or let a chain of its own log and drop"),
            );
        }
    }
    Ok(())
}

/// Rules that log, by chain (its rule 0), with the packets that each would log if they came to it.
fn log_rules(view: &mut View<'_>, place: usize) -> Result<BTreeMap<RuleAt, Vec<(RuleAt, Set)>>, GaveUp> {
    let mut list: BTreeMap<RuleAt, Vec<(RuleAt, Set)>> = BTreeMap::new();
    for at in view.deciding(place, |end| end == End::Passes) {
        if view.rule(at).is_some_and(logs) {
            let alone = view.alone(place, at)?;
            // Within a limit it would have been logged, too; what else is unknown need not match.
            let unknown = view.rule(at).is_some_and(has_unknown);
            let wanted = if unknown { alone.surely } else { alone.matched };
            list.entry(RuleAt { rule: 0, ..at }).or_default().push((at, wanted));
        }
    }
    Ok(list)
}
