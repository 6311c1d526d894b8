//! Addresses with prefix or mask, ranges of addresses, as iptables reads them.

use std::net::{Ipv4Addr, Ipv6Addr};

use segwall_packetset::Field;

use super::Version;
use super::numbers::{byte, number};
use crate::netfilter::{Element, Key, Match, Step, Unknown, Values};

/// What an address that only the machine can look up depends on.
pub(super) const WHY_NAME: &str = "a name that only the machine can look up";

/// An address with the bits of it that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Net {
    pub address: u128,
    pub mask: u128,
}

/// One entry of a list of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Net(Net),
    /// A name of a host or a network.
    Name(String),
}

/// Every bit of an address.
pub(super) fn all_bits(version: Version) -> u128 {
    match version {
        Version::V4 => u128::from(u32::MAX),
        Version::V6 => u128::MAX,
    }
}

/// A single address.
pub(super) fn address(text: &str, version: Version) -> Option<u128> {
    match version {
        Version::V4 => text.parse::<Ipv4Addr>().ok().map(|v4| u128::from(v4.to_bits())),
        Version::V6 => text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits),
    }
}

/// An IPv4 address as iptables reads those of hosts: octets in any base, missing ones at the end are zero.
fn short_v4(text: &str) -> Option<u128> {
    let octets: Vec<&str> = text.split('.').collect();
    if octets.len() > 4 {
        return None;
    }
    let mut address = 0;
    for at in 0..4 {
        address = address << 8 | octets.get(at).map_or(Some(0), |octet| byte(octet)).map(u128::from)?;
    }
    Some(address)
}

/// A mask: a number of leading bits, or an address.
fn mask(text: &str, version: Version) -> Option<u128> {
    let bits = match version {
        Version::V4 => 32,
        Version::V6 => 128,
    };
    let by_number = |text: &str| {
        let length = number(text, bits)?;
        let host = if length == 0 {
            all_bits(version)
        } else {
            all_bits(version).checked_shr(length.try_into().unwrap_or(u32::MAX)).unwrap_or(0)
        };
        Some(all_bits(version) & !host)
    };
    let dotted = || match version {
        Version::V4 => (text.split('.').count() == 4).then(|| short_v4(text)).flatten(),
        Version::V6 => address(text, version),
    };
    dotted().or_else(|| by_number(text))
}

/// One address or network, or a name; `None` where iptables finds nothing in it.
pub(super) fn place(text: &str, version: Version) -> Option<Place> {
    let (host, mask) = match text.rsplit_once('/') {
        Some((host, mask_text)) => (host, mask(mask_text, version)?),
        None => (text, all_bits(version)),
    };
    // Whatever stands before an empty mask is not looked at.
    if mask == 0 {
        return Some(Place::Net(Net { address: 0, mask: 0 }));
    }
    let found = match version {
        Version::V4 => short_v4(host),
        Version::V6 => address(host, version),
    };
    match found {
        Some(address) => Some(Place::Net(Net { address: address & mask, mask })),
        None if is_host_name(host) => Some(Place::Name(text.to_owned())),
        None => None,
    }
}

/// A comma-separated list.
pub(super) fn places(text: &str, version: Version) -> Option<Vec<Place>> {
    text.split(',').map(|one| place(one.trim_start(), version)).collect()
}

fn is_host_name(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// `from` or `from-to`.
pub(super) fn range(text: &str, version: Version) -> Option<(u128, u128)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (address(from, version)?, address(to, version)?);
    (from <= to).then_some((from, to))
}

/// The condition that an address is (not) in a place; `None` where every address is.
pub(super) fn condition(field: Field, place: &Place, not: bool, version: Version, text: &str) -> Option<Step> {
    let net = match place {
        Place::Net(net) => net,
        Place::Name(_) => {
            let not = if not { "! " } else { "" };
            return Some(unknown(format!("{not}{text}"), WHY_NAME));
        }
    };
    if net.mask == 0 && !not {
        return None;
    }
    let all = all_bits(version);
    let host = all & !net.mask;
    Some(if host & host.wrapping_add(1) == 0 {
        among(field, not, vec![(net.address, net.address | host)])
    } else {
        let values = Values::Here(vec![vec![(net.address, net.address)]]);
        Step::Match(Match::Among { keys: vec![Key::Masked(field, net.mask)], not, values })
    })
}

/// The condition that a field is (not) in one of some ranges.
pub(super) fn among(field: Field, not: bool, ranges: Vec<(u128, u128)>) -> Step {
    let values = Values::Here(ranges.into_iter().map(|range| vec![range]).collect());
    Step::Match(Match::Among { keys: vec![Key::Field(field)], not, values })
}

/// The condition that several fields together are (not) among some values.
pub(super) fn together(fields: &[Field], not: bool, elements: Vec<Element>) -> Step {
    let keys = fields.iter().map(|field| Key::Field(*field)).collect();
    Step::Match(Match::Among { keys, not, values: Values::Here(elements) })
}

/// A condition that nobody can decide from the packet.
pub(super) fn unknown(text: impl Into<String>, why: &'static str) -> Step {
    Step::Match(Match::Unknown(Unknown { text: text.into(), why }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str, version: Version) -> Option<(u128, u128)> {
        match place(text, version)? {
            Place::Net(net) => Some((net.address, net.mask)),
            Place::Name(_) => None,
        }
    }

    #[test]
    fn addresses_are_read_as_iptables_reads_them() {
        let (v4, v6) = (Version::V4, Version::V6);
        assert_eq!(net("10", v4), Some((0x0a00_0000, 0xffff_ffff)), "one octet is the first, and the mask is whole");
        assert_eq!(net("0x0a.010.1.1/255.0.255.0", v4), Some((0x0a00_0100, 0xff00_ff00)));
        assert_eq!(net("192.168.1.77/24", v4), Some((0xc0a8_0100, 0xffff_ff00)), "host bits are cleared");
        assert_eq!(net("any/0", v4), Some((0, 0)));
        assert_eq!(net("2001:db8::7/32", v6), Some((0x2001_0db8 << 96, 0xffff_ffff << 96)));
        assert_eq!(net("::/0", v6), Some((0, 0)));
        assert_eq!(place("www.example.com", v4), Some(Place::Name("www.example.com".into())));
        for wrong in ["", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "1.2.3.4/255.255", "1 2"] {
            assert_eq!(place(wrong, v4), None, "{wrong:?}");
        }
        assert_eq!(range("10.0.0.9-10.0.0.1", v4), None);
    }
}
