//! Instants at which different rules are in force.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::ruleset::{At, Ruleset, WEEK_S, week_second};

/// The instant asked for, then one for every other combination of rules in force from then on, and the time before the
/// clock is right.
pub(super) fn instants(ruleset: &Ruleset, rules: &[usize], at: At) -> Vec<At> {
    let timed: Vec<usize> = rules.iter().copied().filter(|rule| !ruleset.rules[*rule].when.is_always()).collect();
    if timed.is_empty() {
        return vec![at];
    }
    let mut candidates = vec![at];
    if let At::Instant(now) = at {
        // Before, at and after every last day, a week of windows each: later weeks only repeat the last one.
        let mut starts = BTreeSet::from([now]);
        starts.extend(timed.iter().filter_map(|rule| ruleset.rules[*rule].when.until).filter(|until| *until > now));
        let seconds: BTreeSet<u32> = timed
            .iter()
            .filter_map(|rule| ruleset.rules[*rule].when.windows.as_ref())
            .flat_map(|windows| windows.intervals().iter().flat_map(|(start, end)| [*start, *end % WEEK_S]))
            .collect();
        for start in starts {
            candidates.push(At::Instant(start));
            let mut edges: Vec<Timestamp> =
                seconds.iter().filter_map(|second| next(start, *second, &ruleset.timezone)).collect();
            edges.sort_unstable();
            candidates.extend(edges.into_iter().map(At::Instant));
        }
    }
    candidates.push(At::ClockUnknown);
    let mut seen: BTreeSet<Vec<bool>> = BTreeSet::new();
    candidates
        .retain(|at| seen.insert(timed.iter().map(|rule| ruleset.is_active(&ruleset.rules[*rule], *at)).collect()));
    candidates
}

/// The next time, from an instant on, that a week's second comes.
fn next(from: Timestamp, second: u32, zone: &TimeZone) -> Option<Timestamp> {
    let now = week_second(from, zone);
    let ahead = (second + WEEK_S - now) % WEEK_S;
    // By the local clock: a change of its offset in between moves the instant, not the window.
    let local = zone.to_datetime(from).checked_add(i64::from(ahead).seconds()).ok()?;
    Some(zone.to_zoned(local).ok()?.timestamp())
}
