//! DHCP options by number: what a text stands for, as the bytes that travel (RFC 2132 and later).
//!
//! DHCP servers guess what a text means, each differently. The bytes are made here, once, and every server is given them.

use std::net::Ipv4Addr;

use segwall_packetset::AddrRange;

use super::literals::is_domain;

/// A DHCP option holds at most so many bytes (RFC 2132 2).
pub const OPTION_BYTES_MAX: usize = 255;

/// How a server may be told an option, whose bytes are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// IPv4 addresses.
    Addresses,
    /// Characters, none of which is a control character.
    Text,
    /// Domain names.
    Domains,
    /// Anything.
    Bytes,
}

/// The form of an option.
#[must_use]
pub fn form(number: u8) -> Form {
    match kind(number) {
        Kind::Address | Kind::Addresses | Kind::AddressPairs => Form::Addresses,
        Kind::Text => Form::Text,
        Kind::Domains => Form::Domains,
        Kind::Number(_) | Kind::Numbers | Kind::Offset | Kind::Flag | Kind::Routes | Kind::Bytes => Form::Bytes,
    }
}

/// What an option holds.
enum Kind {
    /// Nothing but text: `0x` has no meaning in it.
    Text,
    /// Text or bytes: what nobody defined, or everybody differently.
    Bytes,
    /// One IPv4 address.
    Address,
    /// One or more.
    Addresses,
    /// Pairs of them.
    AddressPairs,
    /// An unsigned number of so many bytes.
    Number(usize),
    /// One or more of two bytes.
    Numbers,
    /// A signed number of four bytes.
    Offset,
    /// Yes or no.
    Flag,
    /// Domain names (RFC 1035, uncompressed).
    Domains,
    /// Networks and their routers (RFC 3442).
    Routes,
}

fn kind(number: u8) -> Kind {
    match number {
        2 => Kind::Offset,
        16 | 32 | 118 => Kind::Address,
        3..=11 | 41 | 42 | 44 | 45 | 48 | 49 | 65 | 68..=76 | 85 | 138 | 150 => Kind::Addresses,
        21 | 33 => Kind::AddressPairs,
        23 | 37 | 46 => Kind::Number(1),
        13 | 22 | 26 => Kind::Number(2),
        24 | 35 | 38 | 108 => Kind::Number(4),
        25 => Kind::Numbers,
        19 | 20 | 27 | 29..=31 | 34 | 36 | 39 | 116 => Kind::Flag,
        119 => Kind::Domains,
        121 | 249 => Kind::Routes,
        12 | 14 | 15 | 17 | 18 | 40 | 47 | 64 | 66 | 67 | 100 | 101 | 209 | 210 => Kind::Text,
        _ => Kind::Bytes,
    }
}

/// The bytes of an option, or what a text for it looks like.
///
/// `0x` before hexadecimal digits gives the bytes themselves.
pub fn encode(number: u8, text: &str) -> Result<Vec<u8>, String> {
    let kind = kind(number);
    let hexadecimal = text.strip_prefix("0x").filter(|_| !matches!(kind, Kind::Text | Kind::Domains));
    let bytes = match hexadecimal {
        Some(digits) => self::hexadecimal(digits)
            .filter(|bytes| form(number) != Form::Addresses || bytes.len() % 4 == 0)
            .filter(|bytes| bytes.len() > 1 || !TWO_BYTES_MIN.contains(&number))
            .ok_or("an even number of hexadecimal digits behind 0x, of whole addresses where it holds these"),
        None => of_kind(&kind, text),
    }?;
    if (1..=OPTION_BYTES_MAX).contains(&bytes.len()) {
        return Ok(bytes);
    }
    Err(format!("1 to {OPTION_BYTES_MAX} bytes"))
}

/// A single byte in these means nothing, and dnsmasq takes none.
const TWO_BYTES_MIN: [u8; 2] = [43, 81];

fn of_kind(kind: &Kind, text: &str) -> Result<Vec<u8>, &'static str> {
    let list = || text.split(',').map(str::trim);
    let addresses = || list().map(|part| part.parse().ok()).collect::<Option<Vec<Ipv4Addr>>>();
    let octets = |found: Vec<Ipv4Addr>| found.iter().flat_map(Ipv4Addr::octets).collect();
    match kind {
        Kind::Text | Kind::Bytes => Ok(text.as_bytes().to_vec()),
        Kind::Address => addresses().filter(|found| found.len() == 1).map(octets).ok_or("an IPv4 address"),
        Kind::Addresses => addresses().map(octets).ok_or("IPv4 addresses, with commas between them"),
        Kind::AddressPairs => {
            addresses().filter(|found| found.len() % 2 == 0).map(octets).ok_or("pairs of IPv4 addresses")
        }
        Kind::Number(1) => text.parse::<u8>().ok().map(|value| vec![value]).ok_or("a number from 0 to 255"),
        Kind::Number(2) => number_16(text).ok_or("a number from 0 to 65535"),
        Kind::Number(_) => {
            text.parse::<u32>().ok().map(|value| value.to_be_bytes().into()).ok_or("a number from 0 to 4294967295")
        }
        Kind::Numbers => {
            let found: Option<Vec<Vec<u8>>> = list().map(number_16).collect();
            found.map(|found| found.concat()).ok_or("numbers from 0 to 65535, with commas between them")
        }
        Kind::Offset => text.parse::<i32>().ok().map(|value| value.to_be_bytes().into()).ok_or("a number of seconds"),
        Kind::Flag => match text {
            "0" => Ok(vec![0]),
            "1" => Ok(vec![1]),
            _ => Err("0 or 1"),
        },
        Kind::Domains => {
            let found: Option<Vec<Vec<u8>>> = list().map(domain).collect();
            found.map(|found| found.concat()).ok_or("domain names, with commas between them")
        }
        Kind::Routes => {
            let parts: Vec<&str> = list().collect();
            let found: Option<Vec<Vec<u8>>> = parts.chunks(2).map(route).collect();
            found
                .map(|found| found.concat())
                .ok_or("networks, each followed by its router: \"10.0.0.0/8, 192.168.1.2\"")
        }
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let values = values.filter(|values| values.len() % 2 == 0)?;
    Some(values.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn number_16(text: &str) -> Option<Vec<u8>> {
    text.parse::<u16>().ok().map(|value| value.to_be_bytes().into())
}

fn domain(name: &str) -> Option<Vec<u8>> {
    if !is_domain(name) {
        return None;
    }
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        bytes.push(u8::try_from(label.len()).ok()?);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    Some(bytes)
}

fn route(pair: &[&str]) -> Option<Vec<u8>> {
    let [network, router] = pair else { return None };
    let network: AddrRange = network.contains('/').then(|| network.parse().ok()).flatten()?;
    let (std::net::IpAddr::V4(first), router) = (network.first(), router.parse::<Ipv4Addr>().ok()?) else {
        return None;
    };
    let len = network.prefix_len()?;
    let significant = usize::from(len.div_ceil(8));
    let mut bytes = vec![len];
    bytes.extend(&first.octets()[..significant]);
    bytes.extend(router.octets());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_travels() {
        for (number, text, bytes) in [
            (66, "192.168.30.11", b"192.168.30.11".to_vec()),
            (150, "192.168.30.11", vec![192, 168, 30, 11]),
            (44, "10.0.0.1, 10.0.0.2", vec![10, 0, 0, 1, 10, 0, 0, 2]),
            (26, "1400", vec![0x05, 0x78]),
            (2, "-3600", vec![0xff, 0xff, 0xf1, 0xf0]),
            (43, "0x0104c0A80001", vec![1, 4, 192, 168, 0, 1]),
            (119, "a.example,b.", vec![1, b'a', 7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 0, 1, b'b', 0]),
            (121, "10.0.0.0/8,192.168.1.2,0.0.0.0/0,192.168.1.1", vec![8, 10, 192, 168, 1, 2, 0, 192, 168, 1, 1]),
            (66, "0x31", b"0x31".to_vec()),
            (224, "0x31", vec![0x31]),
            (252, "http://wpad/a,b\"c\\", b"http://wpad/a,b\"c\\".to_vec()),
        ] {
            assert_eq!(encode(number, text), Ok(bytes), "option {number} = {text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (number, text) in [
            (150, "tftp.example"),
            (26, "70000"),
            (19, "yes"),
            (43, "0x123"),
            (43, "0x"),
            (119, "a_b"),
            (121, "10.0.0.0/8"),
            (121, "10.0.0.1,192.168.1.2"),
            (33, "10.0.0.1"),
            (60, ""),
            (150, "0x0a00"),
            (43, "0x01"),
        ] {
            assert!(encode(number, text).is_err(), "option {number} = {text}");
        }
    }
}
