//! Who made a network card: IEEE's list, where the box has it (Debian's ieee-data, Alpine's hwdata).
//!
//! It is not built in: it has 37,000 lines and grows every week.

use std::collections::BTreeMap;

/// Where distributions put the list.
const FILES: [&str; 4] = [
    "/usr/share/ieee-data/oui.txt",
    "/usr/share/hwdata/oui.txt",
    "/usr/share/misc/oui.txt",
    "/var/lib/ieee-data/oui.txt",
];
/// Of a name, this many characters.
const NAME_CHARS_MAX: usize = 40;

/// Makers by the first three bytes of their addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vendors {
    names: BTreeMap<[u8; 3], String>,
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
        let entry = |line: &str| {
            let (prefix, name) = line.split_once("(hex)")?;
            let mut bytes = [0; 3];
            let mut parts = prefix.trim().split('-');
            for byte in &mut bytes {
                *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
            }
            Some((bytes, name.trim().chars().take(NAME_CHARS_MAX).collect()))
        };
        Self { names: text.lines().filter_map(entry).collect() }
    }

    /// Whether there is a list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Who made the card with this address.
    #[must_use]
    pub fn of(&self, mac: [u8; 6]) -> Option<&str> {
        let [a, b, c, ..] = mac;
        if is_random(mac) { None } else { self.names.get(&[a, b, c]).map(String::as_str) }
    }
}

/// An address that the host made up, as phones do: nobody's card has it.
#[must_use]
pub fn is_random(mac: [u8; 6]) -> bool {
    mac[0] & 0b10 != 0
}
