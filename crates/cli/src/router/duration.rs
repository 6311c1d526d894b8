//! `--confirm-within`: `90s`, `2m`, `1h`, or `none`.

use std::str::FromStr;

/// The longest that an apply may wait: a day. Who wants more wants none.
const SECONDS_MAX: u64 = 86_400;
/// The shortest: nobody confirms within less.
const SECONDS_MIN: u64 = 10;

/// How long there is to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Nobody has to.
    None,
    /// This many seconds.
    Seconds(u64),
}

impl Within {
    /// Milliseconds, if somebody has to confirm.
    pub fn ms(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Seconds(seconds) => Some(seconds * 1000),
        }
    }
}

impl FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err("write 90s, 2m, 1h or none".to_owned()),
        };
        let number: u64 = digits.parse().map_err(|_| "write 90s, 2m, 1h or none".to_owned())?;
        match number.checked_mul(unit) {
            Some(seconds @ SECONDS_MIN..=SECONDS_MAX) => Ok(Self::Seconds(seconds)),
            _ => Err("take at least 10s and at most 24h, or none".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!("2m".parse(), Ok(Within::Seconds(120)));
        assert_eq!("none".parse(), Ok(Within::None));
        for bad in ["", "2", "2d", "1s", "25h", "99999999999999999999s", "-5m"] {
            assert!(bad.parse::<Within>().is_err(), "{bad}");
        }
    }
}
