//! Ranges of IPv4 and IPv6 addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(addr: IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bits in an address: 32 or 128.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Addresses from `first` to `last`, both included, of one family; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddrRange {
    first: IpAddr,
    last: IpAddr,
}

/// Why a text is no address, prefix or range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseAddrError {
    /// Not an IPv4 or IPv6 address.
    NotAnAddress(String),
    /// The prefix length is no number or larger than the address.
    BadLength(String),
    /// Bits are set behind the prefix; the prefix that was probably meant.
    HostBits(AddrRange),
    /// The ends of a range are of two families.
    MixedFamilies,
    /// The range ends before it begins.
    Backwards,
}

impl fmt::Display for ParseAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAddress(text) => write!(f, "`{text}` is not an IPv4 or IPv6 address"),
            Self::BadLength(text) => write!(f, "`{text}` is not a prefix length for this address"),
            Self::HostBits(meant) => write!(f, "bits are set behind the prefix length; the network is {meant}"),
            Self::MixedFamilies => f.write_str("the range begins in one address family and ends in the other"),
            Self::Backwards => f.write_str("the range ends before it begins"),
        }
    }
}

impl std::error::Error for ParseAddrError {}

fn to_u128(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn from_u128(family: Family, value: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(value).expect("IPv4 values stay within 32 bits"))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(value)),
    }
}

/// The bits behind a prefix of this length, all set.
fn host_bits(family: Family, len: u8) -> u128 {
    let host = u32::from(family.bits() - len);
    if host == 128 { u128::MAX } else { (1u128 << host) - 1 }
}

/// The address with every bit behind the first `len` cleared.
///
/// # Panics
/// When `len` is larger than the address has bits.
#[must_use]
pub fn mask_address(addr: IpAddr, len: u8) -> IpAddr {
    let family = Family::of(addr);
    assert!(len <= family.bits(), "a prefix is no longer than its address");
    from_u128(family, to_u128(addr) & !host_bits(family, len))
}

impl AddrRange {
    /// The range between two addresses, or `None` when they are of two families or the wrong way round.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (Family::of(first) == Family::of(last) && first <= last).then_some(Self { first, last })
    }

    /// One address.
    #[must_use]
    pub fn single(addr: IpAddr) -> Self {
        Self { first: addr, last: addr }
    }

    /// The network that `addr` lies in, with a prefix of `len` bits.
    ///
    /// # Panics
    /// When `len` is larger than the address has bits.
    #[must_use]
    pub fn prefix(addr: IpAddr, len: u8) -> Self {
        let first = mask_address(addr, len);
        let family = Family::of(addr);
        Self { first, last: from_u128(family, to_u128(first) | host_bits(family, len)) }
    }

    /// Every address of a family.
    #[must_use]
    pub fn all(family: Family) -> Self {
        Self::prefix(from_u128(family, 0), 0)
    }

    /// Lowest address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Highest address.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.first)
    }

    /// Whether the address lies inside.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        Family::of(addr) == self.family() && self.first <= addr && addr <= self.last
    }

    /// Whether all of `other` lies inside.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }

    /// Whether the ranges share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.intersection(other).is_some()
    }

    /// The addresses in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.family() != other.family() {
            return None;
        }
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// Whether this is one address.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.first == self.last
    }

    /// How many addresses, `u128::MAX` standing in for 2^128.
    #[must_use]
    pub fn len(&self) -> u128 {
        (to_u128(self.last) - to_u128(self.first)).saturating_add(1)
    }

    /// A range is never empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The prefix length, where the range is exactly one network.
    #[must_use]
    pub fn prefix_len(&self) -> Option<u8> {
        let (first, last) = (to_u128(self.first), to_u128(self.last));
        let differing = first ^ last;
        let host = 128 - differing.leading_zeros();
        let len = self.family().bits() - u8::try_from(host).expect("at most 128");
        (first & host_bits(self.family(), len) == 0 && differing == host_bits(self.family(), len)).then_some(len)
    }

    /// The fewest prefixes that make up the range, lowest first.
    #[must_use]
    pub fn to_prefixes(&self) -> Vec<Self> {
        let family = self.family();
        let (mut at, end) = (to_u128(self.first), to_u128(self.last));
        let mut prefixes = Vec::new();
        loop {
            // The largest network that begins at `at` and does not pass `end`.
            let mut len = family.bits();
            while len > 0 {
                let wider = host_bits(family, len - 1);
                if at & wider != 0 || at | wider > end {
                    break;
                }
                len -= 1;
            }
            let last = at | host_bits(family, len);
            prefixes.push(Self { first: from_u128(family, at), last: from_u128(family, last) });
            if last >= end {
                return prefixes;
            }
            at = last + 1;
        }
    }

    /// The address `offset` places behind the first, if it is still inside.
    #[must_use]
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        let value = to_u128(self.first).checked_add(offset)?;
        (value <= to_u128(self.last)).then(|| from_u128(self.family(), value))
    }

    /// The address just below the range, if there is one in the family.
    #[must_use]
    pub fn before(&self) -> Option<IpAddr> {
        to_u128(self.first).checked_sub(1).map(|value| from_u128(self.family(), value))
    }

    /// The address just above the range, if there is one in the family.
    #[must_use]
    pub fn after(&self) -> Option<IpAddr> {
        (self.last != Self::all(self.family()).last).then(|| from_u128(self.family(), to_u128(self.last) + 1))
    }

    /// Sorts ranges and joins those that overlap or touch.
    #[must_use]
    pub fn merge(mut ranges: Vec<Self>) -> Vec<Self> {
        ranges.sort_unstable();
        let mut merged: Vec<Self> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last)
                    if last.family() == range.family()
                        && (range.first <= last.last || last.after() == Some(range.first)) =>
                {
                    last.last = last.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        merged
    }
}

impl fmt::Display for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() {
            write!(f, "{}", self.first)
        } else if let Some(len) = self.prefix_len() {
            write!(f, "{}/{len}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// `192.0.2.1`, `192.0.2.0/24` or `192.0.2.5-192.0.2.9`, IPv6 likewise.
impl FromStr for AddrRange {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = |part: &str| part.parse::<IpAddr>().map_err(|_| ParseAddrError::NotAnAddress(part.to_owned()));
        if let Some((network, len_text)) = text.split_once('/') {
            let addr = address(network)?;
            let len = len_text
                .parse::<u8>()
                .ok()
                .filter(|len| *len <= Family::of(addr).bits() && !len_text.starts_with('+'))
                .ok_or_else(|| ParseAddrError::BadLength(len_text.to_owned()))?;
            let range = Self::prefix(addr, len);
            return if range.first == addr { Ok(range) } else { Err(ParseAddrError::HostBits(range)) };
        }
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            if Family::of(first) != Family::of(last) {
                return Err(ParseAddrError::MixedFamilies);
            }
            return Self::new(first, last).ok_or(ParseAddrError::Backwards);
        }
        address(text).map(Self::single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> AddrRange {
        text.parse().expect(text)
    }

    #[test]
    fn reads_and_prints_all_three_forms() {
        for text in ["192.0.2.1", "192.0.2.0/24", "192.0.2.5-192.0.2.9", "2001:db8::/32", "0.0.0.0/0", "::/0"] {
            assert_eq!(range(text).to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_range() {
        let fault = |text: &str| text.parse::<AddrRange>().expect_err(text);
        assert_eq!(fault("192.0.2.1/24"), ParseAddrError::HostBits(range("192.0.2.0/24")));
        assert_eq!(fault("192.0.2.0/33"), ParseAddrError::BadLength("33".into()));
        assert_eq!(fault("192.0.2.0/+8"), ParseAddrError::BadLength("+8".into()));
        assert_eq!(fault("192.0.2.9-192.0.2.5"), ParseAddrError::Backwards);
        assert_eq!(fault("192.0.2.9-::1"), ParseAddrError::MixedFamilies);
        assert_eq!(fault("192.0.2"), ParseAddrError::NotAnAddress("192.0.2".into()));
    }

    #[test]
    fn the_whole_family_is_one_prefix() {
        for family in Family::BOTH {
            let all = AddrRange::all(family);
            assert_eq!(all.prefix_len(), Some(0));
            assert_eq!(all.to_prefixes(), vec![all]);
            assert_eq!((all.before(), all.after()), (None, None));
        }
    }

    proptest! {
        #[test]
        fn prefixes_cover_the_range_and_nothing_else(a: u32, b: u32) {
            let whole = AddrRange::new(
                IpAddr::V4(a.min(b).into()), IpAddr::V4(a.max(b).into())).expect("in order");
            let parts = whole.to_prefixes();
            prop_assert!(parts.iter().all(|part| part.prefix_len().is_some()));
            prop_assert_eq!(AddrRange::merge(parts.clone()), vec![whole]);
            prop_assert_eq!(parts.iter().map(AddrRange::len).sum::<u128>(), whole.len());
        }
    }
}
