//! `-m time`: days of the week, seconds of the day, dates, in UTC.

use segwall_packetset::Field;

use super::Refusal;
use super::address::{among, together, unknown};
use super::dates::{daytime, instant};
use super::spec::{Given, Instance};
use crate::netfilter::Step;

const SECOND_MAX: u64 = 86_399;
/// What iptables writes where no end was asked for; after it, in 2038, the kernel's match ends for good.
const FOREVER: u64 = 0x7fff_ffff;
const NANOSECONDS: u128 = 1_000_000_000;
/// Sunday is the seventh day there and the first (0) here.
const WEEKDAYS: [&str; 7] = ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"];

/// What `-m time` looks at.
pub(super) fn steps(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    if instance.get("kerneltz").is_some() {
        return Ok(vec![unknown(instance.text(), "the kernel's own time zone is not known")]);
    }
    let mut steps = Vec::new();
    let from = date(instance, "datestart")?.unwrap_or(0);
    let to = date(instance, "datestop")?.filter(|end| *end < FOREVER);
    if from > 0 || to.is_some() {
        let last = to.map_or(u128::from(u64::MAX), |end| u128::from(end) * NANOSECONDS + NANOSECONDS - 1);
        let first = u128::from(from) * NANOSECONDS;
        steps.push(among(Field::Time, false, if first <= last { vec![(first, last)] } else { Vec::new() }));
    }
    let start = clock(instance, "timestart")?.unwrap_or(0);
    let stop = clock(instance, "timestop")?.unwrap_or(SECOND_MAX);
    let days = days(instance)?;
    let contiguous = instance.get("contiguous").is_some();
    if let Some(given) = instance.get("monthdays")
        && !all_month(given)?
    {
        let text = if contiguous { instance.text() } else { given.text() };
        steps.push(unknown(text, "days of the month are not modelled"));
    }
    steps.extend(week(days, start, stop, contiguous));
    Ok(steps)
}

/// Days and seconds together (`xt_time.c`): a span over midnight belongs to the day a packet comes, or, if contiguous,
/// to the day on which it began.
fn week(days: [bool; 7], start: u64, stop: u64, contiguous: bool) -> Option<Step> {
    let (start_wide, stop_wide) = (u128::from(start), u128::from(stop));
    let evening = (start_wide, u128::from(SECOND_MAX));
    let seconds = if start < stop {
        vec![(start_wide, stop_wide)]
    } else if start > stop + 1 {
        vec![(0, stop_wide), evening]
    } else {
        vec![(0, u128::from(SECOND_MAX))]
    };
    let every_day = days == [true; 7];
    let all_day = seconds == [(0, u128::from(SECOND_MAX))];
    let listed = || (0..7u128).zip(days).filter(|(_, on)| *on).map(|(day, _)| (day, day));
    if every_day {
        return (!all_day).then(|| among(Field::Second, false, seconds));
    }
    let shifts = contiguous && start >= stop && stop > 0;
    if all_day && !shifts {
        return Some(among(Field::Day, false, listed().collect()));
    }
    let mut elements = Vec::new();
    for (day, _) in listed() {
        if shifts {
            let next = (day + 1) % 7;
            elements.push(vec![(next, next), (0, stop_wide - 1)]);
            let rest =
                if start > stop + 1 { vec![(stop_wide, stop_wide), evening] } else { vec![(stop_wide, evening.1)] };
            elements.extend(rest.into_iter().map(|range| vec![(day, day), range]));
        } else {
            elements.extend(seconds.iter().map(|range| vec![(day, day), *range]));
        }
    }
    Some(together(&[Field::Day, Field::Second], false, elements))
}

fn date(instance: &Instance, name: &str) -> Result<Option<u64>, Refusal> {
    let wrong = |given: &Given| given.refuse(format!("`{}` is no date", given.value()));
    instance.get(name).map(|given| instant(given.value()).ok_or_else(|| wrong(given))).transpose()
}

fn clock(instance: &Instance, name: &str) -> Result<Option<u64>, Refusal> {
    let wrong = |given: &Given| given.refuse(format!("`{}` is no time of day", given.value()));
    instance.get(name).map(|given| daytime(given.value()).ok_or_else(|| wrong(given))).transpose()
}

/// Which days of the week, Sunday first.
fn days(instance: &Instance) -> Result<[bool; 7], Refusal> {
    let Some(given) = instance.get("weekdays") else { return Ok([true; 7]) };
    let mut days = [given.not; 7];
    for name in given.value().split(',') {
        let by_number = match name.as_bytes() {
            [digit @ b'1'..=b'7'] => Some(usize::from(digit - b'0') % 7),
            _ => None,
        };
        let by_name = || name.get(..2).and_then(|head| WEEKDAYS.iter().position(|day| *day == head));
        let day = by_number.or_else(by_name).ok_or_else(|| given.refuse(format!("`{name}` is no day of the week")))?;
        days[day] = !given.not;
    }
    Ok(days)
}

/// Whether every day of the month is meant.
fn all_month(given: &Given) -> Result<bool, Refusal> {
    let mut days = [given.not; 31];
    for day in given.value().split(',') {
        let wrong = || given.refuse(format!("`{day}` is no day of the month"));
        let at: usize = day.parse().ok().filter(|at| (1..=31).contains(at)).ok_or_else(wrong)?;
        days[at - 1] = !given.not;
    }
    Ok(days == [true; 31])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::{Match, Values};

    /// What `xt_time.c` does, second by second.
    fn kernel(days: [bool; 7], start: u64, stop: u64, contiguous: bool, mut day: usize, second: u64) -> bool {
        if start < stop {
            if second < start || second > stop {
                return false;
            }
        } else {
            if second < start && second > stop {
                return false;
            }
            if contiguous && second < stop {
                day = (day + 6) % 7;
            }
        }
        days[day]
    }

    #[test]
    fn the_week_is_the_kernels() {
        let sets = [[true; 7], [false; 7], [false, true, true, false, false, false, true]];
        let times = [0, 1, 2, 3600, 3601, 3602, 86_398, SECOND_MAX];
        for days in sets {
            for (start, stop) in times.iter().flat_map(|start| times.map(|stop| (*start, stop))) {
                for contiguous in [false, true] {
                    let step = week(days, start, stop, contiguous);
                    for (day, second) in (0..7).flat_map(|day| times.map(|second| (day, second))) {
                        let values = [day as u128, u128::from(second)];
                        let ours = match &step {
                            None => true,
                            Some(Step::Match(Match::Among { keys, values: Values::Here(elements), .. })) => {
                                let picked: Vec<u128> = match keys.as_slice() {
                                    [crate::netfilter::Key::Field(Field::Day)] => vec![values[0]],
                                    [crate::netfilter::Key::Field(Field::Second)] => vec![values[1]],
                                    _ => values.to_vec(),
                                };
                                elements.iter().any(|element| {
                                    element.iter().zip(&picked).all(|((low, high), at)| low <= at && at <= high)
                                })
                            }
                            Some(other) => panic!("{other:?}"),
                        };
                        let theirs = kernel(days, start, stop, contiguous, day, second);
                        assert_eq!(ours, theirs, "{days:?} {start} {stop} {contiguous} {day} {second}");
                    }
                }
            }
        }
    }
}
