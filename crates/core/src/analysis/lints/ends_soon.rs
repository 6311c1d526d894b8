//! SW0813: a rule whose last valid day is near.

use jiff::ToSpan;

use super::Context;
use super::sample::sample;
use crate::analysis::codes;
use crate::diag::{Diagnostic, Severity};
use crate::ruleset::{At, Origin};

/// So many days ahead a rule's end is told: time to ask whoever wanted it.
const DAYS_AHEAD: i64 = 30;
const HOURS_A_DAY: i64 = 24;

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let At::Instant(now) = context.at else { return };
    let ruleset = context.ruleset();
    let horizon = now.checked_add((DAYS_AHEAD * HOURS_A_DAY).hours()).unwrap_or(jiff::Timestamp::MAX);
    for rule in &ruleset.rules {
        let (Some(until), Origin::Written(id), Some(span)) = (rule.when.until, rule.origin, rule.span) else {
            continue;
        };
        let Some(day) = context.policy.rules[id.0 as usize].expires else { continue };
        // What is over has a finding of its own.
        if until <= now || until > horizon {
            continue;
        }
        let today = ruleset.timezone.to_datetime(now).date();
        let left = today.until(day).map_or(0, |span| span.get_days());
        let when = match left {
            0 => "ends today".to_owned(),
            1 => "ends tomorrow".to_owned(),
            days => format!("ends in {days} days"),
        };
        let message = format!("this {} {when}: {day} is its last day", rule.verdict.word());
        let finding = Diagnostic::new(codes::ENDS_SOON, Severity::Note, span, message)
            .help("ask whoever needs it: write a later day, take `expires` out, or let it end");
        found.push(match rule.boxes.iter().find_map(|flow_box| sample(context, flow_box)) {
            Some(flow) => finding.witness(flow),
            None => finding,
        });
    }
}
