//! Interface names as numbers: 16 bytes, the first the most significant, so that names with a common beginning are one
//! range.

/// Bytes of a name, the closing NUL included (`IFNAMSIZ`).
const NAME_BYTES: usize = 16;

/// The number of an interface name; `None` for what no interface can be called: nothing, or more than 15 bytes.
#[must_use]
pub fn interface(name: &str) -> Option<u128> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() >= NAME_BYTES || bytes[0] == 0 {
        return None;
    }
    let mut padded = [0; NAME_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    Some(u128::from_be_bytes(padded))
}

/// The range of all names that begin so, `eth` itself included: `eth*` of nft, `eth+` of iptables. All interfaces where
/// nothing is given; `None` where no name is long enough.
#[must_use]
pub fn interfaces_starting_with(beginning: &str) -> Option<(u128, u128)> {
    if beginning.is_empty() {
        return Some((1, u128::MAX));
    }
    let first = interface(beginning)?;
    let free = NAME_BYTES - beginning.len();
    // A name of 15 bytes has no room for more: it is the only one that begins so.
    Some((first, if free == 1 { first } else { first | ((1 << (8 * free)) - 1) }))
}

/// The name of a number; `None` where it is no name that the kernel gives an interface.
#[must_use]
pub fn interface_text(value: u128) -> Option<String> {
    let bytes = value.to_be_bytes();
    let len = bytes.iter().position(|byte| *byte == 0)?;
    let (name, rest) = bytes.split_at(len);
    let allowed = |byte: &u8| !matches!(byte, b'/' | b':' | b' ' | 0x09..=0x0d | 0xa0);
    let fits = !matches!(name, b"" | b"." | b"..") && name.iter().all(allowed) && rest.iter().all(|byte| *byte == 0);
    fits.then(|| String::from_utf8(name.to_vec()).ok())?
}

/// A short name between two numbers, both included, or 0 (no interface) where that lies between them.
pub(super) fn name_within(first: u128, last: u128) -> Option<u128> {
    if first == 0 || interface_text(first).is_some() {
        return Some(first);
    }
    let bytes = first.to_be_bytes();
    (1..NAME_BYTES).find_map(|len| {
        let (kept, low) = (&bytes[..len - 1], bytes[len - 1]);
        let byte = (b'0'..=b'9').chain(b'a'..=b'z').find(|byte| *byte > low)?;
        let mut name = [0; NAME_BYTES];
        name[..len - 1].copy_from_slice(kept);
        name[len - 1] = byte;
        let value = u128::from_be_bytes(name);
        (value <= last && interface_text(value).is_some()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str) -> u128 {
        interface(name).expect(name)
    }

    #[test]
    fn names_are_numbers_in_the_order_of_their_bytes() {
        assert!(number("eth0") < number("eth0.7") && number("eth0.7") < number("eth1"));
        for name in ["eth0", "a", "abcdefghijklmno", "br-lan.100", "Ünïcode"] {
            assert_eq!(interface_text(number(name)).as_deref(), Some(name));
        }
        assert_eq!(interface(""), None);
        assert_eq!(interface("abcdefghijklmnop"), None);
    }

    #[test]
    fn a_beginning_is_one_range() {
        let (first, last) = interfaces_starting_with("eth").expect("short");
        for (name, inside) in [("eth", true), ("eth0", true), ("ethernet", true), ("ets", false), ("et", false)] {
            assert_eq!((first..=last).contains(&number(name)), inside, "{name}");
        }
        let longest = number("abcdefghijklmno");
        assert_eq!(interfaces_starting_with("abcdefghijklmno"), Some((longest, longest)));
        assert_eq!(interfaces_starting_with("abcdefghijklmnop"), None);
        assert!(interfaces_starting_with("").is_some_and(|(first, last)| first == 1 && last == u128::MAX));
    }

    #[test]
    fn what_is_no_name_has_no_text() {
        for value in [0, 1, u128::MAX, number("a/b"), number("a b"), number("."), number(".."), number("eth0") + 1] {
            assert_eq!(interface_text(value), None, "{value:x}");
        }
    }

    #[test]
    fn a_name_is_found_where_there_is_one() {
        let between =
            |first: &str, last: &str| name_within(number(first) + 1, number(last) - 1).and_then(interface_text);
        assert_eq!(between("eth0", "eth1").as_deref(), Some("eth00"));
        assert_eq!(between("eth0", "lo").as_deref(), Some("f"));
        assert_eq!(between("eth9", "eth91").as_deref(), Some("eth90"));
        assert_eq!(between("abcdefghijklmnn", "abcdefghijklmno"), None);
        assert_eq!(name_within(0, 5), Some(0));
    }
}
