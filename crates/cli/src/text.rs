//! Text that comes from a policy, made safe to show.

use std::fmt::{self, Write};

/// Shows control and direction-changing characters as `\u{…}`, so that a policy's text cannot move the cursor, colour
/// the screen or swap what stands where.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_unsafe(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As [`Escaped`], with line breaks kept.
pub fn escaped_lines(text: &str) -> String {
    text.split('\n').map(|line| Escaped(line).to_string()).collect::<Vec<_>>().join("\n")
}

/// `1 error`, `2 errors`.
pub fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// `5 s`, `3 min`, `2 h 3 min`, `4 d 1 h`: the two largest units.
pub fn duration(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_do_nothing() {
        let text = Escaped("a\u{1b}[31mb\u{9b}c\u{202e}d\te").to_string();
        assert_eq!(text, "a\\u{1b}[31mb\\u{9b}c\\u{202e}d\\u{9}e");
        assert_eq!(escaped_lines("a\r\nb"), "a\\u{d}\nb");
        assert_eq!(Escaped("straße 通り").to_string(), "straße 通り");
    }
}
