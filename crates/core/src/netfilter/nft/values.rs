//! Values as nft prints them, as ranges of numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::names;
use super::node::Node;

/// What kind of value a key or a field of a set has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ipv4`, `ipv6`.
    Family,
    /// `ip`, `ip6`, `arp` or a number.
    EtherType,
    Proto,
    Port,
    V4,
    V6,
    /// Interface name; a closing `*` stands for any rest.
    Name,
    /// Interface, by number: printed by its name.
    Link,
    IcmpType,
    Icmpv6Type,
    IcmpCode,
    Icmpv6Code,
    TcpFlags,
    /// As bits.
    State,
    /// As bits.
    Status,
    PacketType,
    AddressType,
    Mac,
    Mark,
    Day,
    Hour,
    Time,
    /// A number of one byte.
    Byte,
}

/// `ETH_P_*`, and the number that the model has for it.
const ETHER_IP: u128 = 0x0800;
const ETHER_IP6: u128 = 0x86dd;
const NAME_BYTES_MAX: usize = 15;

impl Kind {
    /// The kind of a set's type.
    pub fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "nf_proto" => Self::Family,
            "ether_type" => Self::EtherType,
            "inet_proto" => Self::Proto,
            "inet_service" => Self::Port,
            "ipv4_addr" => Self::V4,
            "ipv6_addr" => Self::V6,
            "ifname" => Self::Name,
            "iface_index" => Self::Link,
            "icmp_type" => Self::IcmpType,
            "icmpv6_type" => Self::Icmpv6Type,
            "icmp_code" => Self::IcmpCode,
            "icmpv6_code" => Self::Icmpv6Code,
            "tcp_flag" => Self::TcpFlags,
            "ct_state" => Self::State,
            "ct_status" => Self::Status,
            "pkt_type" => Self::PacketType,
            "fib_addrtype" => Self::AddressType,
            "ether_addr" => Self::Mac,
            "mark" => Self::Mark,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "time" => Self::Time,
            "integer" => Self::Byte,
            _ => return None,
        })
    }

    /// Whether `a,b` means any of the bits, and a plain value is a mask.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::TcpFlags | Self::State | Self::Status)
    }

    /// The highest value, in the kernel's numbers.
    pub fn max(self) -> u128 {
        match self {
            Self::Family => 1,
            Self::Proto
            | Self::IcmpType
            | Self::Icmpv6Type
            | Self::IcmpCode
            | Self::Icmpv6Code
            | Self::TcpFlags
            | Self::Byte => 0xff,
            Self::PacketType => 7,
            Self::AddressType => 11,
            Self::EtherType | Self::Port => 0xffff,
            Self::V4 | Self::Mark | Self::State | Self::Status => 0xffff_ffff,
            Self::Mac => 0xffff_ffff_ffff,
            Self::V6 | Self::Name | Self::Link => u128::MAX,
            Self::Day => 6,
            Self::Hour => 86_399,
            Self::Time => u128::from(u64::MAX),
        }
    }

    /// Bits of an address.
    fn width(self) -> Option<u8> {
        match self {
            Self::V4 => Some(32),
            Self::V6 => Some(128),
            _ => None,
        }
    }
}

/// A value or range; `None` where it is not understood.
pub(super) fn range(kind: Kind, node: &Node<'_>) -> Option<(u128, u128)> {
    match node {
        Node::Map(_) => match node.tagged()? {
            ("range", ends) => match ends.list()? {
                [first, last] => {
                    // The ends of a range are plain names: nft cannot print anything better, nor does it mean wildcards.
                    let (first, last) = (single(kind, first)?, single(kind, last)?);
                    (kind != Kind::Name && first <= last).then_some((first, last))
                }
                _ => None,
            },
            ("prefix", prefix) => {
                let addr = single(kind, prefix.get("addr")?)?;
                let width = kind.width()?;
                let len = u8::try_from(prefix.number_of("len")?).ok().filter(|len| *len <= width)?;
                let host = u128::MAX.checked_shr(128 - u32::from(width) + u32::from(len)).unwrap_or(0);
                Some((addr & !host, addr | host))
            }
            ("elem", elem) => range(kind, elem.get("val")?),
            _ => single(kind, node).map(|value| (value, value)),
        },
        Node::Text(text) if text == "*" && kind != Kind::Name => Some((0, kind.max())),
        Node::Text(text) if kind == Kind::Name => names_of(text),
        _ => single(kind, node).map(|value| (value, value)),
    }
}

/// One value.
pub(super) fn single(kind: Kind, node: &Node<'_>) -> Option<u128> {
    let value = match node {
        Node::Number(_) if kind == Kind::EtherType => ether_type(node.number()?)?,
        // Interfaces that are gone are printed as numbers; families by other numbers than ours.
        // Nor is it known in what unit a time without words would be.
        Node::Number(_) if matches!(kind, Kind::Name | Kind::Link | Kind::Family | Kind::Time) => return None,
        Node::Number(_) => node.number()?,
        Node::Text(text) => word(kind, text)?,
        Node::List(list) if kind.is_bits() => bits(kind, list)?,
        Node::Map(_) => match node.tagged()? {
            ("|", Node::List(list)) if kind.is_bits() => bits(kind, list)?,
            ("elem", elem) => single(kind, elem.get("val")?)?,
            _ => return None,
        },
        _ => return None,
    };
    (value <= kind.max()).then_some(value)
}

fn bits(kind: Kind, list: &[Node<'_>]) -> Option<u128> {
    list.iter().try_fold(0, |all, one| Some(all | single(kind, one)?))
}

fn ether_type(number: u128) -> Option<u128> {
    match number {
        ETHER_IP => Some(0),
        ETHER_IP6 => Some(1),
        _ => None,
    }
}

fn word(kind: Kind, text: &str) -> Option<u128> {
    let known = |table| names::number(table, text).or_else(|| text.parse().ok());
    match kind {
        Kind::Family => names::number(&[("ipv4", 0), ("ipv6", 1)], text),
        Kind::EtherType => names::number(&[("ip", 0), ("ip6", 1)], text),
        Kind::Proto => known(names::PROTOCOLS),
        Kind::Port | Kind::Byte => text.parse().ok(),
        Kind::V4 => text.parse::<Ipv4Addr>().ok().map(|addr| u128::from(addr.to_bits())),
        Kind::V6 => text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits),
        Kind::Name => names_of(text).filter(|(first, last)| first == last).map(|(first, _)| first),
        Kind::Link => name(text),
        Kind::IcmpType => known(names::ICMP_TYPES),
        Kind::Icmpv6Type => known(names::ICMPV6_TYPES),
        Kind::IcmpCode => known(names::ICMP_CODES),
        Kind::Icmpv6Code => known(names::ICMPV6_CODES),
        Kind::TcpFlags => names::number(names::TCP_FLAGS, text),
        Kind::State => names::number(&names::CT_STATES, text),
        Kind::Status => names::number(names::CT_STATUS, text),
        Kind::PacketType => names::number(names::PACKET_TYPES, text),
        Kind::AddressType => names::number(names::ADDRESS_TYPES, text),
        Kind::Mac => mac(text),
        Kind::Mark => {
            text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u128::from_str_radix(hex, 16).ok())
        }
        Kind::Day => known(names::DAYS),
        Kind::Hour => hour(text),
        Kind::Time => time(text),
    }
}

/// A literal interface name.
fn name(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    // A replaced byte stands where the name was no UTF-8.
    let fits = !bytes.is_empty() && bytes.len() <= NAME_BYTES_MAX && !text.contains('\u{fffd}');
    fits.then(|| padded(bytes))
}

fn padded(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u128::from(*byte)) << (8 * (16 - bytes.len()))
}

/// An interface name as rules have it: `eth*` any that begins so, `eth\*` the one with a star.
fn names_of(text: &str) -> Option<(u128, u128)> {
    if let Some(stem) = text.strip_suffix("\\*") {
        let value = name(&format!("{stem}*"))?;
        return Some((value, value));
    }
    let Some(stem) = text.strip_suffix('*') else {
        let value = name(text)?;
        return Some((value, value));
    };
    if stem.is_empty() || stem.len() > NAME_BYTES_MAX || stem.contains('\u{fffd}') {
        return None;
    }
    let first = padded(stem.as_bytes());
    Some((first, first | (u128::MAX >> (8 * stem.len()))))
}

fn mac(text: &str) -> Option<u128> {
    let mut value = 0;
    let mut count = 0;
    for part in text.split(':') {
        value = (value << 8) | u128::from(u8::from_str_radix(part, 16).ok()?);
        count += 1;
    }
    (count == 6).then_some(value)
}

/// `HH:MM` or `HH:MM:SS`.
fn hour(text: &str) -> Option<u128> {
    let mut parts = text.split(':');
    let mut next = |max: u128| parts.next().map(|part| part.parse().ok().filter(|value| *value <= max));
    let hours = next(23)??;
    let minutes = next(59)??;
    let seconds = next(59).unwrap_or(Some(0))?;
    parts.next().is_none().then_some(hours * 3600 + minutes * 60 + seconds)
}

/// `YYYY-MM-DD HH:MM:SS`, in UTC.
fn time(text: &str) -> Option<u128> {
    let at: DateTime = text.parse().ok()?;
    let instant = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u128::try_from(instant.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, json: &str) -> Option<(u128, u128)> {
        range(kind, &serde_json::from_str::<Node<'_>>(json).unwrap())
    }

    #[test]
    fn values_are_numbers() {
        for (kind, json, first, last) in [
            (Kind::Proto, r#""ipv6-icmp""#, 58, 58),
            (Kind::Proto, "200", 200, 200),
            (Kind::Port, r#"{"range": [80, 90]}"#, 80, 90),
            (Kind::V4, r#"{"prefix": {"addr": "10.0.0.0", "len": 8}}"#, 0x0a00_0000, 0x0aff_ffff),
            (Kind::V6, r#"{"prefix": {"addr": "::", "len": 0}}"#, 0, u128::MAX),
            (Kind::V6, r#"{"prefix": {"addr": "fe80::", "len": 128}}"#, 0xfe80 << 112, 0xfe80 << 112),
            (Kind::Mac, r#""00:11:22:33:44:55""#, 0x0011_2233_4455, 0x0011_2233_4455),
            (Kind::Hour, r#""23:59:59""#, 86_399, 86_399),
            (Kind::Hour, r#""05:00""#, 18_000, 18_000),
            (Kind::Day, r#""Friday""#, 5, 5),
            (Kind::Time, r#""1970-01-02 00:00:01""#, 86_401_000_000_000, 86_401_000_000_000),
            (Kind::TcpFlags, r#"{"|": ["syn", "ack"]}"#, 0x12, 0x12),
            (Kind::EtherType, r#""ip6""#, 1, 1),
            (Kind::Mark, "4294967295", 0xffff_ffff, 0xffff_ffff),
            (Kind::Port, r#"{"elem": {"val": 80, "counter": {"packets": 0}}}"#, 80, 80),
        ] {
            assert_eq!(read(kind, json), Some((first, last)), "{kind:?} {json}");
        }
        for (kind, json) in [
            (Kind::Port, "65536"),
            (Kind::Port, "-1"),
            (Kind::Port, r#"{"range": [90, 80]}"#),
            (Kind::V4, r#"{"prefix": {"addr": "10.0.0.0", "len": 33}}"#),
            (Kind::Hour, r#""24:00""#),
            (Kind::Hour, r#""1:2:3:4""#),
            (Kind::Mac, r#""00:11""#),
            (Kind::EtherType, r#""arp""#),
            (Kind::Family, "2"),
            (Kind::Proto, r#""nonsense""#),
            // What nft 1.0.6 prints for a wildcard in a set without a name.
            (Kind::Name, r#"{"range": ["", ""]}"#),
            (Kind::Name, "3"),
            (Kind::Name, r#""sixteen-byte-str""#),
        ] {
            assert_eq!(read(kind, json), None, "{kind:?} {json}");
        }
    }

    #[test]
    fn interface_names_are_bytes() {
        let eth = 0x0065_7468_u128 << 104;
        assert_eq!(read(Kind::Name, r#""eth""#), Some((eth, eth)));
        assert_eq!(read(Kind::Name, r#""eth*""#), Some((eth, eth | (u128::MAX >> 24))));
        let star = eth | (0x2a << 96);
        assert_eq!(read(Kind::Name, r#""eth\\*""#), Some((star, star)));
    }
}
