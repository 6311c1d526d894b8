//! Numbers as iptables reads them: decimal, `0x` for hexadecimal, a leading zero for octal.

/// A number of at most `max`.
pub(super) fn number(text: &str, max: u64) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let value = if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        plain(digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        plain(&text[1..], 8)
    } else {
        plain(text, 10)
    }?;
    (value <= max).then_some(value)
}

fn plain(digits: &str, radix: u32) -> Option<u64> {
    // `from_str_radix` takes a sign, iptables does not.
    (digits.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

/// A byte.
pub(super) fn byte(text: &str) -> Option<u8> {
    number(text, 0xff).and_then(|value| u8::try_from(value).ok())
}

/// `value` or `value/mask`, 32 bits each; without a mask all bits.
pub(super) fn masked(text: &str) -> Option<(u32, u32)> {
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (value, word(mask)?),
        None => (text, u32::MAX),
    };
    Some((word(value)?, mask))
}

/// 32 bits.
pub(super) fn word(text: &str) -> Option<u32> {
    number(text, u64::from(u32::MAX)).and_then(|value| u32::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_told_by_their_beginning() {
        assert_eq!(number("010", 100), Some(8));
        assert_eq!(number("0x1F", 100), Some(31));
        assert_eq!(number("0", 100), Some(0));
        for wrong in ["", "-1", "08", "1a", "0x", "101", "1 ", "++1", "18446744073709551616"] {
            assert_eq!(number(wrong, 100), None, "{wrong}");
        }
        assert_eq!(masked("0x10/0xff"), Some((16, 255)));
    }
}
