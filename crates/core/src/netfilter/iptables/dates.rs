//! Dates and times of day as `-m time` writes them.

/// Seconds of a day, from `hh:mm` or `hh:mm:ss`.
pub(super) fn daytime(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let hour = part(parts.next()?, 23)?;
    let minute = part(parts.next()?, 59)?;
    let second = parts.next().map_or(Some(0), |second| part(second, 59))?;
    parts.next().is_none().then_some(hour * 3600 + minute * 60 + second)
}

fn part(text: &str, max: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|value| *value <= max)
}

/// Seconds since 1970 from `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]`, in UTC.
pub(super) fn instant(text: &str) -> Option<u64> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = part(parts.next()?, 2038).filter(|year| *year >= 1970)?;
    let month = parts.next().map_or(Some(1), |month| part(month, 12))?;
    let day = parts.next().map_or(Some(1), |day| part(day, 31))?;
    if month == 0 || day == 0 || parts.next().is_some() {
        return None;
    }
    let mut seconds = days(year, month, day) * 86_400;
    if let Some(clock) = clock {
        let mut parts = clock.split(':');
        seconds += part(parts.next()?, 23)? * 3600;
        seconds += parts.next().map_or(Some(0), |minute| part(minute, 59))? * 60;
        seconds += parts.next().map_or(Some(0), |second| part(second, 59))?;
        if parts.next().is_some() {
            return None;
        }
    }
    Some(seconds)
}

/// Days since 1970; the year begins in March, so that the odd day is its last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted() {
        assert_eq!(instant("1970"), Some(0));
        assert_eq!(instant("2000-03-01"), Some(951_868_800));
        assert_eq!(instant("2024-02-29T12:30"), Some(1_709_209_800));
        assert_eq!(instant("2038-01-19T03:14:07"), Some(0x7fff_ffff));
        for wrong in ["", "1969", "2024-13", "2024-01-00", "2024-01-01T24", "2024-1-1-1", "x"] {
            assert_eq!(instant(wrong), None, "{wrong}");
        }
        assert_eq!(daytime("06:03"), Some(21_780));
        assert_eq!(daytime("24:00"), None);
    }
}
