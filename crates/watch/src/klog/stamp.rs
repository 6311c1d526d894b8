//! Times at the begin of a line: RFC 3164 (without a year), RFC 3339, journalctl's short formats, dmesg's seconds.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::event::At;

/// Reads times. Lines of one minute ask the time zone once.
#[derive(Debug)]
pub struct Stamps {
    year: i16,
    last_month: i8,
    timezone: TimeZone,
    minute: Option<(Minute, i64)>,
}

/// A minute as a clock on the wall shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Minute {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

impl Stamps {
    pub fn new(year: i16, timezone: TimeZone) -> Self {
        Self { year, last_month: 0, timezone, minute: None }
    }

    /// A time and what stands behind it and its space.
    pub fn read<'a>(&mut self, text: &'a [u8]) -> Option<(At, &'a [u8])> {
        match text.first()? {
            b'0'..=b'9' => self.dated(text),
            b'[' => self.dmesg(text),
            b'A'..=b'Z' => self.named(text),
            _ => None,
        }
    }

    /// `[  123.456789] `: seconds since the box started.
    pub fn since_boot<'a>(&self, text: &'a [u8]) -> Option<(At, &'a [u8])> {
        let inside = text.strip_prefix(b"[")?;
        let end = memchr::memchr(b']', &inside[..inside.len().min(24)])?;
        let (seconds, micros) = decimal(inside[..end].trim_ascii())?;
        let rest = &inside[end + 1..];
        Some((At(seconds.checked_mul(1_000_000)?.checked_add(micros)?), rest.strip_prefix(b" ").unwrap_or(rest)))
    }

    /// `dmesg -T`: `[Thu Nov 26 12:00:00 2026] `; and seconds since the start, which stand for the time where no other is.
    fn dmesg<'a>(&mut self, text: &'a [u8]) -> Option<(At, &'a [u8])> {
        let inside = text.strip_prefix(b"[")?;
        if !DAYS.iter().any(|day| inside.starts_with(*day)) {
            return None;
        }
        let end = memchr::memchr(b']', &inside[..inside.len().min(32)])?;
        let (at, rest) = self.named(&inside[..end])?;
        rest.is_empty().then_some(())?;
        let rest = &inside[end + 1..];
        Some((at, rest.strip_prefix(b" ").unwrap_or(rest)))
    }

    /// `Nov 26 12:00:00`, with parts of seconds (short-precise), a weekday before (short-full is dated), a year behind.
    fn named<'a>(&mut self, text: &'a [u8]) -> Option<(At, &'a [u8])> {
        let mut rest = text;
        if DAYS.iter().any(|day| rest.starts_with(*day)) && rest.get(3) == Some(&b' ') {
            rest = &rest[4..];
            if rest.first().is_some_and(u8::is_ascii_digit) {
                return self.dated(rest); // journalctl -o short-full
            }
        }
        let month = MONTHS.iter().position(|name| rest.starts_with(*name))?;
        let month = i8::try_from(month + 1).expect("twelve months");
        rest = rest.get(3..)?.strip_prefix(b" ")?;
        rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let (day, after) = number(rest, 1, 2)?;
        rest = after.strip_prefix(b" ")?;
        let (hour, minute, second, micros, after) = clock(rest)?;
        rest = after.strip_prefix(b" ").unwrap_or(after);
        // `dmesg -T` says the year, at the end.
        if let Some((year, after)) = number(rest, 4, 4)
            && after.is_empty()
        {
            self.year = i16::try_from(year).ok()?;
            rest = after;
        } else if self.last_month == 12 && month == 1 {
            self.year = self.year.saturating_add(1); // the log went on over New Year
        } else if self.last_month == 1 && month == 12 {
            self.year = self.year.saturating_sub(1); // lines a little out of order around it
        }
        self.last_month = month;
        let minute = Minute { year: self.year, month, day: small(day)?, hour: small(hour)?, minute: small(minute)? };
        Some((self.at(minute, second, micros)?, rest))
    }

    /// RFC 3339: `2026-11-26T12:00:00.123456+01:00`; also with a space for the T, `+0100`, and without an offset.
    fn dated<'a>(&mut self, text: &'a [u8]) -> Option<(At, &'a [u8])> {
        let (year, rest) = number(text, 4, 4)?;
        let (month, rest) = number(rest.strip_prefix(b"-")?, 2, 2)?;
        let (day, rest) = number(rest.strip_prefix(b"-")?, 2, 2)?;
        let rest = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b" "))?;
        let (hour, minute, second, micros, rest) = clock(rest)?;
        let minute = Minute {
            year: i16::try_from(year).ok()?,
            month: small(month)?,
            day: small(day)?,
            hour: small(hour)?,
            minute: small(minute)?,
        };
        let (offset_s, rest) = match rest.first() {
            Some(b'Z') => (Some(0), &rest[1..]),
            Some(sign @ (b'+' | b'-')) => {
                let (hours, rest) = number(&rest[1..], 2, 2)?;
                let (minutes, rest) = number(rest.strip_prefix(b":").unwrap_or(rest), 2, 2)?;
                let offset = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
                (Some(if *sign == b'-' { -offset } else { offset }), rest)
            }
            _ => (None, rest),
        };
        // ` UTC` of short-full.
        let (offset_s, rest) = match rest.strip_prefix(b" UTC") {
            Some(rest) if offset_s.is_none() => (Some(0), rest),
            _ => (offset_s, rest),
        };
        let at = match offset_s {
            Some(offset_s) => {
                let second = days(minute)?.checked_mul(86_400)? + clock_s(minute) + i64::from(second) - offset_s;
                At(second.checked_mul(1_000_000)?.checked_add(micros)?)
            }
            None => self.at(minute, second, micros)?,
        };
        Some((at, rest.strip_prefix(b" ").unwrap_or(rest)))
    }

    fn at(&mut self, minute: Minute, second: u32, micros: i64) -> Option<At> {
        let begin = match self.minute {
            Some((known, begin)) if known == minute => begin,
            _ => {
                let civil =
                    DateTime::new(minute.year, minute.month, minute.day, minute.hour, minute.minute, 0, 0).ok()?;
                let begin = self.timezone.to_ambiguous_timestamp(civil).compatible().ok()?.as_second();
                self.minute = Some((minute, begin));
                begin
            }
        };
        Some(At((begin + i64::from(second)).checked_mul(1_000_000)?.checked_add(micros)?))
    }
}

/// Days since 1970 of a date.
fn days(minute: Minute) -> Option<i64> {
    let date = jiff::civil::Date::new(minute.year, minute.month, minute.day).ok()?;
    let (year, month) = (i64::from(date.year()), i64::from(date.month()));
    // Years that begin in March, so that the day that leap years add is the last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * month + 2) / 5 + i64::from(date.day()) - 1;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn clock_s(minute: Minute) -> i64 {
    i64::from(minute.hour) * 3_600 + i64::from(minute.minute) * 60
}

fn small(number: u32) -> Option<i8> {
    i8::try_from(number).ok()
}

/// From `least` to `most` digits.
fn number(text: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let digits = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    (digits >= least).then_some(())?;
    let value = text[..digits].iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
    Some((value, &text[digits..]))
}

/// `12:00:00` with parts of seconds: hour, minute, second, microseconds.
fn clock(text: &[u8]) -> Option<(u32, u32, u32, i64, &[u8])> {
    let (hour, rest) = number(text, 2, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    (hour < 24 && minute < 60 && second <= 60).then_some(())?;
    match rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b",")) {
        Some(parts) if parts.first().is_some_and(u8::is_ascii_digit) => {
            let digits = parts.iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
            Some((hour, minute, second, micros(&parts[..digits]), &parts[digits..]))
        }
        _ => Some((hour, minute, second, 0, rest)),
    }
}

/// Digits behind the point of a second, as microseconds.
fn micros(digits: &[u8]) -> i64 {
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    padded.fold(0, |value, byte| value * 10 + i64::from(byte - b'0'))
}

/// `123.456789`.
fn decimal(text: &[u8]) -> Option<(i64, i64)> {
    let point = memchr::memchr(b'.', text)?;
    let (whole, parts) = (&text[..point], &text[point + 1..]);
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.len() <= 12 && digits.iter().all(u8::is_ascii_digit);
    (is_number(whole) && is_number(parts)).then_some(())?;
    Some((whole.iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0')), micros(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let (at, rest) = Stamps::new(2026, berlin).read(text.as_bytes())?;
        Some((jiff::Timestamp::from_microsecond(at.0).unwrap().to_string(), String::from_utf8_lossy(rest).into_owned()))
    }

    #[test]
    fn every_form_is_the_same_instant() {
        for text in [
            "Nov 26 13:00:00 x",
            "Thu 2026-11-26 13:00:00 CET x",
            "2026-11-26T13:00:00+01:00 x",
            "2026-11-26T12:00:00Z x",
            "2026-11-26T08:30:00-0330 x",
            "2026-11-26 13:00:00 x",
            "Thu 2026-11-26 12:00:00 UTC x",
            "[Thu Nov 26 13:00:00 2026] x",
        ] {
            let (at, rest) = read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(at, "2026-11-26T12:00:00Z", "{text}");
            assert!(rest == "x" || rest == "CET x", "{text}: {rest}");
        }
        assert_eq!(read("Nov  6 13:00:00.25 h").unwrap().0, "2026-11-06T12:00:00.25Z");
        assert_eq!(read("2026-03-01T00:00:00.1234567Z h").unwrap().0, "2026-03-01T00:00:00.123456Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "N", "Nov", "Nov 26", "Nov 26 25:00:00 x", "2026-13-01T00:00:00Z x", "[x] y", "Mon", "[Thu Nov"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_log_goes_on_over_new_year() {
        let mut stamps = Stamps::new(2026, TimeZone::UTC);
        let mut year = |text: &str| stamps.read(text.as_bytes()).unwrap().0.to_string()[..4].to_owned();
        assert_eq!(year("Dec 31 23:59:59 h"), "2026");
        assert_eq!(year("Jan  1 00:00:00 h"), "2027");
        assert_eq!(year("Dec 31 23:59:59 h"), "2026");
        assert_eq!(year("Jan  1 00:00:01 h"), "2027");
        assert_eq!(year("Feb  1 00:00:00 h"), "2027");
    }

    #[test]
    fn seconds_since_the_start() {
        let stamps = Stamps::new(2026, TimeZone::UTC);
        let (at, rest) = stamps.since_boot(b"[   12.000345] DROP ").unwrap();
        assert_eq!((at.0, rest), (12_000_345, &b"DROP "[..]));
        assert!(stamps.since_boot(b"[NETFILTER-DROP] ").is_none());
        assert!(stamps.since_boot(b"[UFW BLOCK] ").is_none());
    }
}
