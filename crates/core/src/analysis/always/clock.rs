//! Every instant from one on, as numbers that sets of packets can hold.
//!
//! What rules say depends on two things only: which of their last days are over, and where in the week of the policy's
//! own time zone it is. So time is two fields: [`EPOCH`] counts the ends of rules that have passed, [`WEEK`] is the
//! second of the local week. No change of the zone's offset moves a window on that clock. The time before the clock is
//! known to be right is an epoch of its own, the last one.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan};
use segwall_packetset::{Cube, Field, GaveUp, Point, Set, Space};

use crate::policy::Verdict;
use crate::ruleset::{At, Rule, Ruleset, WEEK_S, week_second};

/// Holds the second of the week in the policy's time zone, from Monday 00:00. Packets' marks play no part here.
pub const WEEK: Field = Field::Mark;
/// Holds how many last days have passed; one more stands for the time before the clock is right.
pub const EPOCH: Field = Field::Time;

/// The clock of a ruleset.
pub struct Clock<'r> {
    ruleset: &'r Ruleset,
    at: At,
    /// The instant asked for, then every later one at which a rule is over. Empty where no instant is known.
    starts: Vec<Timestamp>,
    /// Some rule depends on the time at all.
    runs: bool,
}

/// A part of an epoch during which the zone's offset stays.
struct Stretch {
    from: Timestamp,
    /// Second of the week at its beginning.
    first: u32,
    /// At most a week.
    len_s: u32,
}

impl<'r> Clock<'r> {
    pub fn new(ruleset: &'r Ruleset, at: At) -> Self {
        let starts = match at {
            At::ClockUnknown => Vec::new(),
            At::Instant(now) => {
                let ends = ruleset.rules.iter().filter_map(|rule| rule.when.until).filter(|until| *until > now);
                BTreeSet::from([now]).into_iter().chain(ends.collect::<BTreeSet<_>>()).collect()
            }
        };
        Self { ruleset, at, starts, runs: ruleset.rules.iter().any(|rule| !rule.when.is_always()) }
    }

    /// The epoch before the clock is right.
    fn unknown(&self) -> u128 {
        self.starts.len() as u128
    }

    /// A cube of a rule, as one for each way in which it can be in force.
    pub fn narrow(&self, rule: &Rule, cube: &Cube) -> Vec<Cube> {
        if rule.when.is_always() {
            return vec![cube.clone()];
        }
        let mut list = Vec::new();
        let live = self.starts.iter().filter(|start| rule.when.until.is_none_or(|until| **start < until)).count();
        if let Some(last) = (live as u128).checked_sub(1) {
            let cube = cube.clone().with(EPOCH, 0, last);
            list.push(match &rule.when.windows {
                None => cube,
                Some(windows) => {
                    let ranges = windows.intervals().iter().map(|(start, end)| ((*start).into(), u128::from(*end) - 1));
                    cube.with_ranges(WEEK, &ranges.collect::<Vec<_>>())
                }
            });
        }
        if rule.verdict != Verdict::Accept {
            list.push(cube.clone().with_only(EPOCH, self.unknown()));
        }
        list
    }

    /// The times that come. An epoch shorter than a week has not every second of it.
    pub fn possible(&self, space: &mut Space) -> Result<Set, GaveUp> {
        if !self.runs {
            return Ok(Set::ALL);
        }
        let mut cubes = vec![Cube::all().with_only(EPOCH, self.unknown())];
        for epoch in 0..self.starts.len() {
            let mut seconds = Vec::new();
            for Stretch { first, len_s, .. } in self.stretches(epoch) {
                let end = first + len_s;
                seconds.push((u128::from(first), u128::from(end.min(WEEK_S)) - 1));
                if end > WEEK_S {
                    seconds.push((0, u128::from(end - WEEK_S) - 1));
                }
            }
            cubes.push(Cube::all().with_only(EPOCH, epoch as u128).with_ranges(WEEK, &seconds));
        }
        space.cubes(&cubes)
    }

    /// The parts of an epoch, until every second of the week has come or the epoch is over.
    fn stretches(&self, epoch: usize) -> Vec<Stretch> {
        let zone = &self.ruleset.timezone;
        let over = self.starts.get(epoch + 1).copied();
        let mut list = Vec::new();
        let mut from = self.starts[epoch];
        loop {
            let change = zone.following(from).next().map(|change| change.timestamp());
            let stop = over.into_iter().chain(change).min();
            let len_s = stop.map_or(i64::from(WEEK_S), |stop| stop.as_second() - from.as_second());
            let len_s = u32::try_from(len_s.clamp(0, i64::from(WEEK_S))).expect("at most a week");
            if len_s > 0 {
                list.push(Stretch { from, first: week_second(from, zone), len_s });
            }
            match stop {
                Some(stop) if len_s < WEEK_S && Some(stop) != over => from = stop,
                _ => return list,
            }
        }
    }

    /// What a packet would have to come at now.
    pub fn now(&self) -> [(Field, u128); 2] {
        let second = match self.at {
            At::Instant(now) => week_second(now, &self.ruleset.timezone),
            At::ClockUnknown => 0,
        };
        [(EPOCH, 0), (WEEK, second.into())]
    }

    /// The first instant of a point's time.
    pub fn instant(&self, point: &Point) -> At {
        let epoch = usize::try_from(point.get(EPOCH)).unwrap_or(usize::MAX);
        if !self.runs || self.now().iter().all(|(field, value)| point.get(*field) == *value) {
            return self.at;
        }
        if epoch >= self.starts.len() {
            return At::ClockUnknown;
        }
        let second = u32::try_from(point.get(WEEK)).unwrap_or(0);
        let ahead = |stretch: &Stretch| (second + WEEK_S - stretch.first) % WEEK_S;
        let stretches = self.stretches(epoch);
        match stretches.iter().find(|stretch| ahead(stretch) < stretch.len_s) {
            Some(stretch) => At::Instant(stretch.from + i64::from(ahead(stretch)).seconds()),
            // No possible time has such a second.
            None => At::Instant(self.starts[epoch]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Context, load};
    use crate::ruleset::lower;
    use crate::source::Source;

    fn ruleset(rules: &str) -> Ruleset {
        let text = format!(
            "[gateway]\ntimezone = \"Europe/Berlin\"\n[segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/24\"]\n\
             [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.0.1.0/24\"]\n{rules}"
        );
        let utc = jiff::tz::TimeZone::UTC;
        let source = Source::new("x", text);
        let loaded = load(&source, &Context { today: jiff::civil::date(2026, 11, 25), timezone: utc.clone() });
        lower(&loaded.policy.expect("a sound policy"), &source, &utc)
    }

    fn at(text: &str) -> At {
        At::Instant(text.parse().expect("an instant"))
    }

    /// Every point of time that the clock knows is one at which the oracle's rules are in force as the sets say.
    #[test]
    fn the_clock_and_the_oracle_agree_on_what_is_in_force() {
        let ruleset = ruleset(
            "[[accept]]\nfrom = \"a\"\nto = \"b\"\nschedule = { days = \"sun\", hours = \"02:00-03:00\" }\n\
             [[accept]]\nfrom = \"a\"\nto = \"b\"\nexpires = 2027-03-28\n\
             [[drop]]\nfrom = \"b\"\nto = \"a\"\nschedule = { days = \"sat\", hours = \"22:00-06:00\" }\nexpires = 2027-03-30\n",
        );
        // Two days before summer time begins: 02:00 to 03:00 of that Sunday never comes.
        for now in ["2027-03-26T12:00:00Z", "2027-03-27T22:30:00.5Z", "2026-11-25T11:00:00Z", "2027-04-01T00:00:00Z"] {
            let clock = Clock::new(&ruleset, at(now));
            let mut space = Space::default();
            let possible = clock.possible(&mut space).expect("small");
            let mut edges: BTreeSet<u128> = BTreeSet::from([0, u128::from(WEEK_S) - 1]);
            for rule in &ruleset.rules {
                let windows = rule.when.windows.iter().flat_map(|windows| windows.intervals());
                edges.extend(
                    windows
                        .flat_map(|(start, end)| [*start, start.saturating_sub(1), *end - 1, *end % WEEK_S])
                        .map(u128::from),
                );
            }
            for epoch in 0..=clock.starts.len() {
                for edge in &edges {
                    let point = Point::default().with(EPOCH, epoch as u128).with(WEEK, *edge);
                    if !space.contains(possible, &point) {
                        continue;
                    }
                    let instant = clock.instant(&point);
                    for rule in &ruleset.rules {
                        let cubes = clock.narrow(rule, &Cube::all());
                        assert_eq!(
                            cubes.iter().any(|cube| cube.contains(&point)),
                            ruleset.is_active(rule, instant),
                            "now {now}, {point:?} is {instant:?}: {rule:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_epoch_of_two_days_has_no_other_day() {
        let ruleset = ruleset("[[accept]]\nfrom = \"a\"\nto = \"b\"\nexpires = 2026-11-26\n");
        let clock = Clock::new(&ruleset, at("2026-11-25T11:00:00Z"));
        let mut space = Space::default();
        let possible = clock.possible(&mut space).expect("small");
        let second = |day: u128| Point::default().with(WEEK, day * 86_400 + 43_200);
        // Wednesday noon in Berlin to the end of Thursday.
        assert_eq!(
            (0..7).map(|day| space.contains(possible, &second(day))).collect::<Vec<_>>(),
            [false, false, true, true, false, false, false]
        );
    }
}
