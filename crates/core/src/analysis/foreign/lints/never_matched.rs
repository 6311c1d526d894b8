//! SW0905: a rule that no packet can match: everything it names was decided before, or its conditions exclude each other.

use segwall_packetset::{GaveUp, Set};

use super::at_rule;
use crate::analysis::foreign::rules::End;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{FOUND_PER_CODE_MAX, Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;

/// Rules before a dead one that are looked at for a reason.
const LOOKED_AT_MAX: usize = 500;

pub(super) fn check(views: &mut [View<'_>], found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let mut count = 0;
    for at in views.first().map(View::every_rule).unwrap_or_default() {
        // A hook at which something reaches it, and nothing that matches at any.
        let Some(reached) = views.iter().position(|view| view.is_reached(at)) else { continue };
        if views.iter().any(|view| view.is_matched(at)) {
            continue;
        }
        let view = &mut views[reached];
        count += 1;
        // What is counted only is not explained.
        found.push(if count > FOUND_PER_CODE_MAX {
            at_rule(view, codes::NEVER_MATCHED, Severity::Warning, at, "never matches")
        } else {
            explained(view, 0, at)?
        });
    }
    Ok(())
}

fn explained(view: &mut View<'_>, place: usize, at: RuleAt) -> Result<Found, GaveUp> {
    let alone = view.alone(place, at)?.matched;
    if alone.is_empty() {
        let message = "no packet can match this: its conditions exclude each other";
        return Ok(at_rule(view, codes::NEVER_MATCHED, Severity::Warning, at, message)
            .help("take the rule out, or correct its conditions"));
    }
    let by = deciders(view, place, at, alone)?;
    let opens = view.hooks[place].opens;
    let usual = view.space.intersect(alone, opens)?;
    let packet = view.packet(if usual.is_empty() { alone } else { usual }, &[]);
    let own = view.rule(at).map_or(End::Other, End::of);
    let ends: Vec<End> = by.iter().filter_map(|at| view.rule(*at)).map(End::of).collect();
    let differs =
        own.refuses() && ends.contains(&End::Accept) || own == End::Accept && ends.iter().any(|end| end.refuses());
    let message = match (by.len(), differs) {
        (1, true) => {
            format!("this {} never matches: an earlier rule covers all of it, and decides otherwise", own.word())
        }
        (0, _) => "never matches: all of it is decided before it comes here".to_owned(),
        (_, true) => {
            format!("this {} never matches: earlier rules decide all of it, and not all of them the same", own.word())
        }
        (1, false) => "never matches: an earlier rule covers all of it".to_owned(),
        (_, false) => "never matches: earlier rules together cover all of it".to_owned(),
    };
    let help = if differs {
        "move it in front of the rules that decide, or take it out"
    } else {
        "take it out; or narrow the earlier rule, if this one says what was meant"
    };
    Ok(at_rule(view, codes::NEVER_MATCHED, Severity::Warning, at, message)
        .label("never matched")
        .also(view, &by, "this covers it")
        .shown_by(packet)
        .help(help))
}

fn is_final(end: End) -> bool {
    matches!(end, End::Accept | End::Drop | End::Reject)
}

/// Earlier rules of the chain that together decide what a rule names, as far as they do.
fn deciders(view: &mut View<'_>, place: usize, at: RuleAt, named: Set) -> Result<Vec<RuleAt>, GaveUp> {
    // One that covers all of it by itself is the better reason, even if others come before.
    let earlier = at.rule.saturating_sub(LOOKED_AT_MAX);
    for rule in earlier..at.rule {
        let before = RuleAt { rule, ..at };
        if view.rule(before).map(End::of).is_some_and(is_final) {
            let surely = view.alone(place, before)?.surely;
            if view.space.minus(named, surely)?.is_empty() {
                return Ok(vec![before]);
            }
        }
    }
    let (mut by, mut left) = (Vec::new(), named);
    for rule in earlier..at.rule {
        let before = RuleAt { rule, ..at };
        if !view.rule(before).map(End::of).is_some_and(is_final) {
            continue;
        }
        let surely = view.surely(place, before)?;
        let less = view.space.minus(left, surely)?;
        if less != left {
            by.push(before);
            left = less;
        }
        if left.is_empty() {
            break;
        }
    }
    Ok(by)
}
