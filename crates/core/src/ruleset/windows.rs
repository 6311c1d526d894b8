//! Schedules as seconds of the week, and the instant a verdict is asked for.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::policy::Schedule;

/// Seconds in a week.
pub const WEEK_S: u32 = 7 * DAY_S;
const DAY_S: u32 = 24 * 60 * 60;

/// When a verdict is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// At this instant.
    Instant(Timestamp),
    /// Before the clock is known to be right: scheduled and expiring accepts are off, scheduled drops and rejects on.
    ClockUnknown,
}

/// Seconds of the week, from Monday 00:00, as half-open intervals: sorted, apart, none over the week's end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Windows(Vec<(u32, u32)>);

impl Windows {
    /// The windows of a schedule, in its own time zone.
    #[must_use]
    pub fn of(schedule: &Schedule) -> Self {
        let from = u32::from(schedule.from_minute) * 60;
        let to = u32::from(schedule.to_minute) * 60;
        let len = if to > from { to - from } else { to + DAY_S - from };
        let starts = (0u32..7).zip(schedule.days).filter(|(_, on)| *on).map(|(day, _)| day * DAY_S + from);
        Self::normal(starts.map(|start| (start, len)))
    }

    /// One window of `len_s` seconds that begins at second `start_s` of the week.
    #[must_use]
    pub fn single(start_s: u32, len_s: u32) -> Self {
        Self::normal(std::iter::once((start_s % WEEK_S, len_s.min(WEEK_S))))
    }

    /// Starts below a week with lengths of at most a week: cut at the week's end, sorted, joined.
    fn normal(parts: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut pieces = Vec::new();
        for (start, len) in parts {
            let end = start + len;
            pieces.push((start, end.min(WEEK_S)));
            if end > WEEK_S {
                pieces.push((0, end - WEEK_S));
            }
        }
        pieces.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(pieces.len());
        for (start, end) in pieces {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        Self(joined)
    }

    /// The intervals.
    #[must_use]
    pub fn intervals(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// The same windows on a clock that is `offset_s` seconds behind: local time to UTC with the zone's offset.
    #[must_use]
    pub fn earlier_by(&self, offset_s: i32) -> Self {
        let week = i64::from(WEEK_S);
        Self::normal(self.0.iter().map(|(start, end)| {
            let shifted = (i64::from(*start) - i64::from(offset_s)).rem_euclid(week);
            (u32::try_from(shifted).expect("below a week"), end - start)
        }))
    }

    /// Whether a second of the week lies inside.
    #[must_use]
    pub fn contains(&self, second: u32) -> bool {
        self.0.iter().any(|(start, end)| *start <= second && second < *end)
    }
}

/// Second of the week in a time zone.
#[must_use]
pub(crate) fn week_second(instant: Timestamp, zone: &TimeZone) -> u32 {
    let local = zone.to_datetime(instant);
    let day = u32::try_from(local.weekday().to_monday_zero_offset()).expect("0 to 6");
    let part = |value: i8| u32::try_from(value).expect("civil times are not negative");
    day * DAY_S + part(local.hour()) * 3600 + part(local.minute()) * 60 + part(local.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(days: &[usize], from: u16, to: u16) -> Schedule {
        let mut on = [false; 7];
        for day in days {
            on[*day] = true;
        }
        Schedule { days: on, from_minute: from, to_minute: to }
    }

    #[test]
    fn a_night_that_begins_on_sunday_ends_on_monday() {
        let windows = Windows::of(&schedule(&[6], 22 * 60, 6 * 60));
        assert_eq!(windows.intervals(), [(0, 6 * 3600), (6 * DAY_S + 22 * 3600, WEEK_S)]);
    }

    #[test]
    fn whole_days_join() {
        let windows = Windows::of(&schedule(&[0, 1, 2, 3, 4, 5, 6], 0, 1440));
        assert_eq!(windows.intervals(), [(0, WEEK_S)]);
        assert_eq!(windows.earlier_by(7200), windows);
    }

    #[test]
    fn utc_is_earlier_east_of_greenwich() {
        let windows = Windows::of(&schedule(&[0], 60, 120));
        assert_eq!(windows.earlier_by(2 * 3600).intervals(), [(WEEK_S - 3600, WEEK_S)]);
    }
}
