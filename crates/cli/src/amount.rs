//! Times and sizes as they are typed: `15m`, `30d`, `512MiB`, `2026-11-26T16:00`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use segwall_watch::At;

use crate::clock;

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(u64);

/// A hundred years: more is a slip.
const SECONDS_MAX: u64 = 100 * 366 * 86_400;

impl Span {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || "write 30s, 15m, 12h or 30d".to_owned();
        let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(help()),
        };
        let number: u64 = number.parse().map_err(|_| help())?;
        match number.checked_mul(unit) {
            Some(seconds @ 1..=SECONDS_MAX) => Ok(Self(seconds)),
            _ => Err("take at least 1s and at most a hundred years".to_owned()),
        }
    }
}

/// A size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || "write 64MiB, 512MiB or 2GiB".to_owned();
        let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
        let shift = match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(help()),
        };
        let number: u64 = number.parse().map_err(|_| help())?;
        match number.checked_mul(1 << shift) {
            Some(bytes) if bytes >= 1 << 20 => Ok(Self(bytes)),
            _ => Err("take at least 1MiB".to_owned()),
        }
    }
}

/// An instant, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before now.
    Ago(Span),
    /// By the calendar.
    At(Timestamp),
}

impl Moment {
    /// As an instant.
    pub fn at(self, now: At) -> At {
        match self {
            Self::Ago(span) => At(now.0.saturating_sub_unsigned(span.0.saturating_mul(1_000_000))),
            Self::At(at) => At(at.as_microsecond()),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)));
        local
            .and_then(|local| local.to_zoned(clock::timezone()))
            .map(|zoned| Self::At(zoned.timestamp()))
            .map_err(|_| "write 15m, 12h or 7d for so long ago, or a time such as 2026-11-26T16:00".to_owned())
    }
}

/// A size for people: `17 B`, `4.2 MiB`.
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        // The largest unit of which there is at least one.
        let Some((unit, power)) = units.iter().zip(1_u32..).take_while(|(_, power)| self.0 >> (10 * power) > 0).last()
        else {
            return write!(f, "{} B", self.0);
        };
        let tenths = (u128::from(self.0) * 10) >> (10 * power);
        write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_are_read() {
        assert_eq!("30d".parse(), Ok(Span(30 * 86_400)));
        assert_eq!("512MiB".parse(), Ok(Bytes(512 << 20)));
        for bad in ["", "30", "d", "0s", "30w", "-1d", "99999999999999999999d", "40000d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for bad in ["", "512", "512MB", "1KiB", "99999999999TiB", "0GiB"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_read() {
        let now = At::of_s(1_000_000);
        assert_eq!("1h".parse::<Moment>().map(|moment| moment.at(now)), Ok(At::of_s(996_400)));
        let at = "1970-01-01T00:01:00Z".parse::<Moment>().map(|moment| moment.at(now));
        assert_eq!(at, Ok(At::of_s(60)));
        assert!("2026-11-26".parse::<Moment>().is_ok() && "2026-11-26T16:00".parse::<Moment>().is_ok());
        assert!("yesterday".parse::<Moment>().is_err());
    }

    #[test]
    fn sizes_are_shown() {
        let shown = [0, 1_023, 1_024, 1_536, 5 << 20, u64::MAX].map(|bytes| Size(bytes).to_string());
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "15.9 EiB"]);
    }
}
