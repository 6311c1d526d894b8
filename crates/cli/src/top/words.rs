//! Numbers, times and names as they stand in cells: short, aligned, and harmless.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::text::Span;

/// What stands for no traffic at all.
pub const NOTHING: &str = "·";

/// At most five characters: `842`, `1.2k`, `34k`, `1.4G`.
pub fn short(number: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut whole, mut tenths, mut unit) = (number, 0, 0);
    while whole >= 1_000 {
        (whole, tenths, unit) = (whole / 1_000, whole % 1_000 / 100, unit + 1);
    }
    if unit > 0 && whole < 10 { format!("{whole}.{tenths}{}", UNITS[unit]) } else { format!("{whole}{}", UNITS[unit]) }
}

/// As [`short`], and a dot for zero.
pub fn cell(number: u64) -> String {
    if number == 0 { NOTHING.to_owned() } else { short(number) }
}

/// Bytes a second as bits a second.
pub fn bits(bytes_s: u64) -> u64 {
    bytes_s.saturating_mul(8)
}

/// `12,345`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `14:03:22` in the box's time zone.
pub fn clock(at_ms: i64, timezone: &TimeZone) -> String {
    Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| "-".to_owned(), |at| at.to_zoned(timezone.clone()).strftime("%H:%M:%S").to_string())
}

/// `2026-11-26 14:03:22`.
pub fn moment(at_ms: i64, timezone: &TimeZone) -> String {
    Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| "-".to_owned(), |at| at.to_zoned(timezone.clone()).strftime("%F %H:%M:%S").to_string())
}

/// A length of time; a clock that was set back makes it none.
pub fn span(ms: i64) -> String {
    crate::text::duration((ms / 1_000).max(0))
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { Span::raw(text).width() }
}

/// What fits, with `…` where something is cut off.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept) >= columns {
            kept.pop();
            break;
        }
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// What fits, with `…` in the middle: names of one network often begin alike, and ports stand at the end.
pub fn cut_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns || columns < 3 {
        return cut(text, columns);
    }
    let tail_columns = (columns - 1) * 3 / 5;
    let mut tail = String::new();
    for c in text.chars().rev() {
        tail.insert(0, c);
        if width(&tail) > tail_columns {
            tail.remove(0);
            break;
        }
    }
    let mut head = cut(text, columns - width(&tail));
    head.push_str(&tail);
    head
}

/// `54 Mbit/s`, `0 B`.
pub fn of(number: u64, unit: &str) -> String {
    let text = short(number);
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    format!("{digits} {}{unit}", &text[digits.len()..])
}

/// Lines of at most so many columns, broken between words where that is possible; what is indented stays so.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent: String = line.chars().take_while(|c| *c == ' ').take(columns / 2).collect();
        let mut now = String::new();
        for word in line.trim_start().split(' ') {
            let mut word = word.to_owned();
            if !now.is_empty() && width(&indent) + width(&now) + 1 + width(&word) > columns {
                lines.push(format!("{indent}{now}"));
                now.clear();
            }
            while width(&indent) + width(&word) > columns {
                let room = columns - width(&indent);
                let head: String = word.chars().take(room.max(1)).collect();
                word = word.chars().skip(room.max(1)).collect();
                lines.push(format!("{indent}{head}"));
            }
            if !now.is_empty() {
                now.push(' ');
            }
            now.push_str(&word);
        }
        lines.push(format!("{indent}{now}").trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let words: Vec<String> =
            [0, 999, 1_000, 1_250, 9_999, 10_000, 999_999, 1_000_000, u64::MAX].into_iter().map(short).collect();
        assert_eq!(words, ["0", "999", "1.0k", "1.2k", "9.9k", "10k", "999k", "1.0M", "18E"]);
        assert_eq!((number(0), number(1_234_567)), ("0".to_owned(), "1,234,567".to_owned()));
        assert_eq!((span(-5), span(61_000), span(90_000_000)), ("0 s".into(), "1 min".into(), "1 d 1 h".into()));
    }

    #[test]
    fn what_is_too_wide_is_cut() {
        assert_eq!(cut("management", 7), "manage…");
        assert_eq!((cut("abc", 3), cut("abc", 0), cut("abcd", 1)), ("abc".into(), "".into(), "…".into()));
        assert_eq!((cut_middle("internal", 7), cut_middle("internet", 7)), ("int…nal".into(), "int…net".into()));
        assert_eq!((cut_middle("[2001:db8::7]:443", 11), cut_middle("abc", 2)), ("[200…7]:443".into(), "a…".into()));
        assert_eq!((of(54_321_000, "bit/s"), of(0, "B")), ("54 Mbit/s".into(), "0 B".into()));
        // A character of two columns is not cut in half.
        assert_eq!(cut("通り道", 4), "通…");
        assert_eq!(wrapped("  one two three", 8), ["  one", "  two", "  three"]);
        assert_eq!(wrapped("0123456789ab", 8), ["01234567", "89ab"]);
    }
}
