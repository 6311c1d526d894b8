//! Schedules in UTC, and until when they hold.

use jiff::Timestamp;

use super::model::Part;
use crate::policy::Verdict;
use crate::ruleset::{At, Rule, Ruleset, When};

const DAY_S: u32 = 24 * 60 * 60;

/// Whether a rule plays a part at all.
pub(super) fn counts(rule: &Rule, at: At) -> bool {
    match at {
        At::ClockUnknown => rule.when.is_always() || rule.verdict != Verdict::Accept,
        At::Instant(now) => rule.when.until.is_none_or(|until| now < until),
    }
}

/// The rule's schedule as the text must ask for it: none while the clock is unknown (then it counts or it does not).
pub(super) fn asked(rule: &Rule, at: At) -> Option<&When> {
    match at {
        At::ClockUnknown => None,
        At::Instant(_) => (!rule.when.is_always()).then_some(&rule.when),
    }
}

/// Alternatives, of which at most one holds at any time: conditions on day, hour and instant in UTC.
pub(super) fn conditions(ruleset: &Ruleset, when: &When, at: At) -> Vec<Vec<Part>> {
    let At::Instant(now) = at else { return vec![Vec::new()] };
    let until = when.until.map(Part::Before);
    let Some(windows) = &when.windows else { return vec![until.into_iter().collect()] };
    let offset_s = ruleset.timezone.to_offset(now).seconds();
    // Each window cut at midnight, then equal hours of several days together.
    let mut hours: Vec<((u32, u32), [bool; 7])> = Vec::new();
    for (start, end) in windows.earlier_by(offset_s).intervals() {
        let mut at = *start;
        while at < *end {
            let day = at / DAY_S;
            let cut = (*end).min((day + 1) * DAY_S);
            let span = (at - day * DAY_S, cut - 1 - day * DAY_S);
            match hours.iter_mut().find(|(known, _)| *known == span) {
                Some((_, days)) => days[day as usize] = true,
                None => {
                    let mut days = [false; 7];
                    days[day as usize] = true;
                    hours.push((span, days));
                }
            }
            at = cut;
        }
    }
    hours
        .into_iter()
        .map(|((first, last), days)| {
            let mut parts = Vec::new();
            if days != [true; 7] {
                parts.push(Part::Days(days));
            }
            if (first, last) != (0, DAY_S - 1) {
                parts.push(Part::Seconds(first, last));
            }
            parts.extend(until.clone());
            parts
        })
        .collect()
}

/// The first instant at which the text would have to be another.
pub(super) fn valid_until(ruleset: &Ruleset, at: At) -> Option<Timestamp> {
    let At::Instant(now) = at else { return None };
    let live = || ruleset.rules.iter().filter(|rule| counts(rule, at));
    let expiry = live().filter_map(|rule| rule.when.until).min();
    let scheduled = live().any(|rule| rule.when.windows.is_some());
    let change = scheduled.then(|| ruleset.timezone.following(now).next()).flatten().map(|change| change.timestamp());
    expiry.into_iter().chain(change).min()
}
