//! Schedules in UTC, and until when they hold.

use jiff::Timestamp;

use super::{At, Rule, Ruleset, When};
use crate::policy::Verdict;

const DAY_S: u32 = 24 * 60 * 60;

/// Whether a rule plays a part at all.
pub(crate) fn counts(rule: &Rule, at: At) -> bool {
    match at {
        At::ClockUnknown => rule.when.is_always() || rule.verdict != Verdict::Accept,
        At::Instant(now) => rule.when.until.is_none_or(|until| now < until),
    }
}

/// The rule's schedule as the text must ask for it: none while the clock is unknown (then it counts or it does not).
pub(crate) fn asked(rule: &Rule, at: At) -> Option<&When> {
    match at {
        At::ClockUnknown => None,
        At::Instant(_) => (!rule.when.is_always()).then_some(&rule.when),
    }
}

/// A part of a schedule in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// On these days, Monday first.
    pub days: [bool; 7],
    /// From this second of the day.
    pub first_s: u32,
    /// Up to and with this one.
    pub last_s: u32,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

impl Slot {
    /// Whether it is on every day.
    pub fn daily(&self) -> bool {
        self.days == [true; 7]
    }

    /// Whether it is on all day.
    pub fn whole_day(&self) -> bool {
        (self.first_s, self.last_s) == (0, DAY_S - 1)
    }
}

/// Alternatives, of which at most one holds at any time. Never asked while the clock is unknown.
pub(crate) fn slots(ruleset: &Ruleset, when: &When, at: At) -> Vec<Slot> {
    let whole = Slot { days: [true; 7], first_s: 0, last_s: DAY_S - 1, until: when.until };
    let (At::Instant(now), Some(windows)) = (at, &when.windows) else { return vec![whole] };
    let offset_s = ruleset.timezone.to_offset(now).seconds();
    // Each window cut at midnight, then equal hours of several days together.
    let mut slots: Vec<Slot> = Vec::new();
    for (start, end) in windows.earlier_by(offset_s).intervals() {
        let mut at = *start;
        while at < *end {
            let day = at / DAY_S;
            let cut = (*end).min((day + 1) * DAY_S);
            let (first_s, last_s) = (at - day * DAY_S, cut - 1 - day * DAY_S);
            let known = slots.iter().position(|slot| (slot.first_s, slot.last_s) == (first_s, last_s));
            let place = known.unwrap_or_else(|| {
                slots.push(Slot { days: [false; 7], first_s, last_s, ..whole });
                slots.len() - 1
            });
            slots[place].days[day as usize] = true;
            at = cut;
        }
    }
    slots
}

/// The first instant at which the text would have to be another.
pub(crate) fn valid_until(ruleset: &Ruleset, at: At) -> Option<Timestamp> {
    let At::Instant(now) = at else { return None };
    let live = || ruleset.rules.iter().filter(|rule| counts(rule, at));
    let expiry = live().filter_map(|rule| rule.when.until).min();
    let scheduled = live().any(|rule| rule.when.windows.is_some());
    let change = scheduled.then(|| ruleset.timezone.following(now).next()).flatten().map(|change| change.timestamp());
    expiry.into_iter().chain(change).min()
}
