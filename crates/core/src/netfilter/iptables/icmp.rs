//! ICMP and ICMPv6 types by number and by name.

use segwall_packetset::Field;

use super::address::together;
use super::numbers::byte;
use super::spec::Instance;
use super::{Refusal, Version};
use crate::netfilter::Step;

/// Name, type, first and last code.
type Named = (&'static str, u8, u8, u8);

/// As `iptables -m icmp -h` lists them.
#[rustfmt::skip] // a table
const V4: &[Named] = &[
    ("any", 0xff, 0, 0xff),
    ("echo-reply", 0, 0, 0xff),
    ("pong", 0, 0, 0xff),
    ("destination-unreachable", 3, 0, 0xff),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 0xff),
    ("redirect", 5, 0, 0xff),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 0xff),
    ("ping", 8, 0, 0xff),
    ("router-advertisement", 9, 0, 0xff),
    ("router-solicitation", 10, 0, 0xff),
    ("time-exceeded", 11, 0, 0xff),
    ("ttl-exceeded", 11, 0, 0xff),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 0xff),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 0xff),
    ("timestamp-reply", 14, 0, 0xff),
    ("address-mask-request", 17, 0, 0xff),
    ("address-mask-reply", 18, 0, 0xff),
];

/// As `ip6tables -m icmp6 -h` lists them.
#[rustfmt::skip] // a table
const V6: &[Named] = &[
    ("destination-unreachable", 1, 0, 0xff),
    ("no-route", 1, 0, 0),
    ("communication-prohibited", 1, 1, 1),
    ("beyond-scope", 1, 2, 2),
    ("address-unreachable", 1, 3, 3),
    ("port-unreachable", 1, 4, 4),
    ("failed-policy", 1, 5, 5),
    ("reject-route", 1, 6, 6),
    ("packet-too-big", 2, 0, 0xff),
    ("time-exceeded", 3, 0, 0xff),
    ("ttl-exceeded", 3, 0, 0xff),
    ("ttl-zero-during-transit", 3, 0, 0),
    ("ttl-zero-during-reassembly", 3, 1, 1),
    ("parameter-problem", 4, 0, 0xff),
    ("bad-header", 4, 0, 0),
    ("unknown-header-type", 4, 1, 1),
    ("unknown-option", 4, 2, 2),
    ("echo-request", 128, 0, 0xff),
    ("ping", 128, 0, 0xff),
    ("echo-reply", 129, 0, 0xff),
    ("pong", 129, 0, 0xff),
    ("router-solicitation", 133, 0, 0xff),
    ("router-advertisement", 134, 0, 0xff),
    ("neighbour-solicitation", 135, 0, 0xff),
    ("neighbor-solicitation", 135, 0, 0xff),
    ("neighbour-advertisement", 136, 0, 0xff),
    ("neighbor-advertisement", 136, 0, 0xff),
    ("redirect", 137, 0, 0xff),
];

/// The type that stands for all of ICMP in IPv4.
const ANY: u8 = 0xff;

/// What `-m icmp` or `-m icmp6` looks at.
pub(super) fn steps(instance: &Instance, version: Version) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for given in &instance.given {
        let (kind, first, last) = type_and_codes(given.value(), version).map_err(|text| given.refuse(text))?;
        let any = version == Version::V4 && kind == ANY;
        if any && !given.not {
            continue;
        }
        let element = if any {
            vec![(0, 0xff), (0, 0xff)]
        } else {
            vec![(kind.into(), kind.into()), (first.into(), last.into())]
        };
        steps.push(together(&[Field::IcmpType, Field::IcmpCode], given.not, vec![element]));
    }
    Ok(steps)
}

/// A name or the beginning of one, else `type` or `type/code`.
fn type_and_codes(text: &str, version: Version) -> Result<(u8, u8, u8), String> {
    let list = match version {
        Version::V4 => V4,
        Version::V6 => V6,
    };
    let begins = |name: &str| name.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
    let mut named = list.iter().filter(|(name, ..)| begins(name));
    match (named.next(), named.next()) {
        (Some((_, kind, first, last)), None) => return Ok((*kind, *first, *last)),
        (Some((first, ..)), Some((second, ..))) => return Err(format!("`{text}` may be `{first}` or `{second}`")),
        (None, _) => {}
    }
    let numbers = match text.split_once('/') {
        Some((kind, code)) => byte(kind).zip(byte(code)).map(|(kind, code)| (kind, code, code)),
        None => byte(text).map(|kind| (kind, 0, 0xff)),
    };
    numbers.ok_or_else(|| format!("`{text}` is no type of ICMP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_cut_short() {
        assert_eq!(type_and_codes("echo-req", Version::V4), Ok((8, 0, 255)));
        assert_eq!(type_and_codes("PING", Version::V6), Ok((128, 0, 255)));
        assert_eq!(type_and_codes("3/4", Version::V4), Ok((3, 4, 4)));
        assert!(type_and_codes("echo-re", Version::V4).is_err());
        assert!(type_and_codes("network-un", Version::V4).is_err());
        assert!(type_and_codes("300", Version::V4).is_err());
    }
}
