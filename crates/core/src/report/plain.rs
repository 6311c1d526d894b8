//! Words and numbers as people write them, and text of a policy made safe to show.

use crate::policy::Limit;

/// Control and direction-changing characters, and those that XML forbids, as `\u{…}`: a policy's text can neither swap
/// what stands where nor make a page unreadable.
#[must_use]
pub fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// `1 segment`, `2 segments`.
pub(super) fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// `5/second burst 10, for each source`.
pub(super) fn limit_words(limit: &Limit) -> String {
    let each = if limit.by_source { ", for each source" } else { "" };
    format!("{}/{} burst {}{each}", limit.rate, limit.per.word(), limit.burst)
}

/// `90s`, `10m`, `12h`, `7d`, as the policy writes it.
pub(super) fn span_words(seconds: u32) -> String {
    for (length, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if seconds > 0 && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// `02:00:00:00:30:0a`.
pub(super) fn mac_words(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Values with commas between them.
pub(super) fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

/// Scheme and host of a URL. The rest may hold passwords and tokens, which have no place on a wall.
pub(super) fn url_words(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "elsewhere".to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_urls() {
        assert_eq!([600, 90, 43_200, 604_800, 0].map(span_words), ["10m", "90s", "12h", "7d", "0s"]);
        assert_eq!(url_words("smtps://user:secret@mail.example.org:465/x?token=1"), "smtps://mail.example.org:465");
        assert_eq!(url_words("local"), "elsewhere");
    }

    #[test]
    fn what_moves_text_is_shown() {
        assert_eq!(safe("a\u{202e}b\u{0}c\u{ffff}d\u{2028}"), "a\\u{202e}b\\u{0}c\\u{ffff}d\\u{2028}");
        assert_eq!(safe("straße 通り → x"), "straße 通り → x");
    }
}
