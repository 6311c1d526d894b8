//! Who made a network card: IEEE's list, where the box has it (Debian's ieee-data, Alpine's hwdata).
//!
//! It is not built in: it has 37,000 lines and grows every week.

use std::ops::Range;

/// Where distributions put the list.
const FILES: [&str; 4] = [
    "/usr/share/ieee-data/oui.txt",
    "/usr/share/hwdata/oui.txt",
    "/usr/share/misc/oui.txt",
    "/var/lib/ieee-data/oui.txt",
];
/// Of a name, this many characters.
const NAME_CHARS_MAX: usize = 40;

/// Makers by the first three bytes of their addresses. Who watches keeps it in memory: 37,000 of them are a megabyte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vendors {
    /// The first three bytes, and where the name lies in `names`; sorted.
    entries: Vec<([u8; 3], Range<u32>)>,
    names: String,
}

impl Vendors {
    /// Where the list may be.
    #[must_use]
    pub fn files() -> &'static [&'static str] {
        &FILES
    }

    /// Reads it: lines such as `28-6F-B9   (hex)  Nokia Shanghai Bell Co., Ltd.`
    #[must_use]
    pub fn read(text: &str) -> Self {
        let prefix = |text: &str| {
            let mut bytes = [0; 3];
            let mut parts = text.trim().split('-');
            for byte in &mut bytes {
                *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
            }
            Some(bytes)
        };
        let mut found = Self::default();
        for (text, name) in text.lines().filter_map(|line| line.split_once("(hex)")) {
            let from = found.names.len();
            found.names.extend(name.trim().chars().filter(is_plain).take(NAME_CHARS_MAX));
            // Longer than four gigabytes is no such list.
            if let (Some(bytes), Ok(from), Ok(to)) = (prefix(text), from.try_into(), found.names.len().try_into()) {
                found.entries.push((bytes, from..to));
            }
        }
        found.entries.sort_by_key(|(bytes, _)| *bytes);
        found.entries.dedup_by_key(|(bytes, _)| *bytes);
        found.entries.shrink_to_fit();
        found.names.shrink_to_fit();
        found
    }

    /// Whether there is a list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Who made the card with this address.
    #[must_use]
    pub fn of(&self, mac: [u8; 6]) -> Option<&str> {
        if is_random(mac) {
            return None;
        }
        let [a, b, c, ..] = mac;
        let at = self.entries.binary_search_by_key(&[a, b, c], |(bytes, _)| *bytes).ok()?;
        let Range { start, end } = self.entries[at].1;
        self.names.get(start as usize..end as usize)
    }
}

/// What a name is made of, and nothing that could draw on a screen.
fn is_plain(c: &char) -> bool {
    c.is_alphanumeric() || *c == ' ' || c.is_ascii_punctuation()
}

/// An address that the host made up, as phones do: nobody's card has it.
#[must_use]
pub fn is_random(mac: [u8; 6]) -> bool {
    mac[0] & 0b10 != 0
}
