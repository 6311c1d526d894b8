//! Schedules in UTC, and until when they hold.

use jiff::Timestamp;

use super::{At, Rule, Ruleset, WEEK_S, When};
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
    /// On these days, Monday first, as the weekday zone counts them.
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

/// Alternatives, of which at most one holds at any time; hours in UTC, weekdays in the zone by which who is asked counts
/// them. Never asked while the clock is unknown.
pub(crate) fn slots(ruleset: &Ruleset, when: &When, at: At, weekday_zone_s: i32) -> Vec<Slot> {
    let whole = Slot { days: [true; 7], first_s: 0, last_s: DAY_S - 1, until: when.until };
    let (At::Instant(now), Some(windows)) = (at, &when.windows) else { return vec![whole] };
    let offset_s = ruleset.timezone.to_offset(now).seconds();
    let zone_s = weekday_zone_s.rem_euclid(WEEK_S.cast_signed()).cast_unsigned();
    // Each window cut at midnight in both zones, then equal hours of several days together.
    let mut slots: Vec<Slot> = Vec::new();
    for (start, end) in windows.earlier_by(offset_s).intervals() {
        let mut at = *start;
        while at < *end {
            let counted = at + zone_s;
            let day = (counted / DAY_S) % 7;
            let cut = (*end).min((at / DAY_S + 1) * DAY_S).min((counted / DAY_S + 1) * DAY_S - zone_s);
            let first_s = at % DAY_S;
            let last_s = first_s + (cut - 1 - at);
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::policy::{Context, load};
    use crate::ruleset::{Windows, lower};
    use crate::source::Source;

    const POLICY: &str = "[segments.lan]\ninterface = \"eth0\"\nsubnets = [\"10.0.0.0/24\"]\n";

    /// What the kernel makes of the slots at a second of the UTC week, Monday first.
    fn holds(slots: &[Slot], second: u32, zone_s: i32) -> bool {
        let counted = (i64::from(second) + i64::from(zone_s)).rem_euclid(i64::from(WEEK_S));
        let day = usize::try_from(counted / i64::from(DAY_S)).unwrap();
        let of_day = second % DAY_S;
        slots.iter().any(|slot| slot.days[day] && (slot.first_s..=slot.last_s).contains(&of_day))
    }

    #[test]
    fn weekdays_are_those_of_the_kernels_zone_and_hours_utcs() {
        let source = Source::new("segwall.toml", POLICY);
        let context = Context { today: jiff::civil::date(2026, 1, 1), timezone: TimeZone::UTC };
        let ruleset = lower(&load(&source, &context).policy.unwrap(), &source, &TimeZone::UTC);
        let at = At::Instant(Timestamp::UNIX_EPOCH);
        let windows = [
            Windows::single(0, DAY_S),
            Windows::single(6 * DAY_S + 20 * 3600, 10 * 3600),
            Windows::single(3 * DAY_S + 8 * 3600, 2 * DAY_S),
            Windows::single(0, WEEK_S),
        ];
        for windows in windows {
            for zone_s in [0, 3600, -5 * 3600, 13 * 3600, -11 * 3600, 5 * 3600 + 45 * 60] {
                let when = When { windows: Some(windows.clone()), until: None };
                let slots = slots(&ruleset, &when, at, zone_s);
                for second in (0..WEEK_S).step_by(300).chain((0..WEEK_S).step_by(3600).map(|s| s + 3599)) {
                    let wanted = windows.contains(second);
                    assert_eq!(holds(&slots, second, zone_s), wanted, "{windows:?}, zone {zone_s}, second {second}");
                }
                assert!(slots.iter().all(|slot| slot.first_s <= slot.last_s && slot.last_s < DAY_S));
            }
        }
    }
}
