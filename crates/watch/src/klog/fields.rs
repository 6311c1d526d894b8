//! `IN=… OUT=… …`: the packet itself. An ICMP error tells of the packet it is about in `[…]`; that one is not read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::{Header, TcpFlags, proto};

use crate::event::{Iface, Mac, Packet, Verdict};

/// Reads a packet. `None`: an address is missing or broken, so it says nothing.
pub fn read(text: &[u8], verdict: Verdict) -> Option<Packet> {
    let mut found = Found::default();
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        match word.first() {
            Some(b'[') => break,
            Some(_) => found.word(word)?,
            None => {}
        }
    }
    found.packet(verdict)
}

#[derive(Default)]
struct Found {
    input: Iface,
    output: Iface,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    proto: Option<u8>,
    sport: Option<u16>,
    dport: Option<u16>,
    kind: Option<u8>,
    code: Option<u8>,
    flags: u8,
    len: Option<u16>,
    mac: Option<Mac>,
    to_all: bool,
}

/// What the header's byte holds besides [`TcpFlags`]' own (RFC 9293).
const PSH: u8 = 0x08;
const URG: u8 = 0x20;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

impl Found {
    fn word(&mut self, word: &[u8]) -> Option<()> {
        let Some(equals) = memchr::memchr(b'=', word) else {
            self.flags |= match word {
                b"SYN" => TcpFlags::SYN,
                b"ACK" => TcpFlags::ACK,
                b"FIN" => TcpFlags::FIN,
                b"RST" => TcpFlags::RST,
                b"PSH" => PSH,
                b"URG" => URG,
                b"ECE" => ECE,
                b"CWR" => CWR,
                _ => 0,
            };
            return Some(());
        };
        let value = &word[equals + 1..];
        match &word[..equals] {
            b"IN" => self.input = Iface::new(value),
            b"OUT" => self.output = Iface::new(value),
            b"MAC" => self.macs(value),
            b"SRC" => self.src = Some(address(value)?),
            b"DST" => self.dst = Some(address(value)?),
            // A UDP packet has a second one, of its own header.
            b"LEN" if self.len.is_none() => self.len = number(value),
            b"PROTO" => self.proto = Some(protocol(value)?),
            b"SPT" => self.sport = Some(number(value)?),
            b"DPT" => self.dport = Some(number(value)?),
            b"TYPE" => self.kind = Some(u8::try_from(number(value)?).ok()?),
            b"CODE" => self.code = Some(u8::try_from(number(value)?).ok()?),
            _ => {}
        }
        Some(())
    }

    /// Receiver, sender and type of the frame: 14 bytes on Ethernet, else they are left out.
    fn macs(&mut self, text: &[u8]) {
        let mut bytes = [0u8; 14];
        if text.len() != 14 * 3 - 1 {
            return;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(3)) {
            let (Some(high), Some(low)) = (hex(pair[0]), hex(pair[1])) else { return };
            *byte = high << 4 | low;
        }
        // The lowest bit of the first byte: to a group or to everybody (IEEE 802, section 8.2).
        self.to_all = bytes[0] & 1 == 1;
        let mut mac = [0; 6];
        mac.copy_from_slice(&bytes[6..12]);
        self.mac = Some(mac);
    }

    fn packet(self, verdict: Verdict) -> Option<Packet> {
        let (src, dst) = (self.src?, self.dst?);
        if src.is_ipv4() != dst.is_ipv4() {
            return None;
        }
        let proto = self.proto?;
        let header = match (self.sport, self.dport, self.kind, self.code) {
            (Some(sport), Some(dport), _, _) if proto::has_ports(proto) => Header::Ports { sport, dport },
            (_, _, Some(kind), Some(code)) if proto == proto::ICMP || proto == proto::ICMPV6 => {
                Header::Icmp { kind, code }
            }
            _ => Header::Other,
        };
        Some(Packet {
            verdict,
            input: self.input,
            output: self.output,
            src,
            dst,
            proto,
            header,
            flags: TcpFlags(if proto == proto::TCP { self.flags } else { 0 }),
            len: self.len.unwrap_or(0),
            mac: self.mac,
            to_all: self.to_all,
        })
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn number(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 {
        return None;
    }
    let value =
        text.iter().try_fold(0u32, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))?;
    u16::try_from(value).ok()
}

fn protocol(text: &[u8]) -> Option<u8> {
    Some(match text {
        b"TCP" => proto::TCP,
        b"UDP" => proto::UDP,
        b"ICMP" => proto::ICMP,
        b"ICMPv6" => proto::ICMPV6,
        b"UDPLITE" => proto::UDPLITE,
        b"AH" => proto::AH,
        b"ESP" => proto::ESP,
        b"SCTP" => proto::SCTP,
        digits => u8::try_from(number(digits)?).ok()?,
    })
}

fn address(text: &[u8]) -> Option<IpAddr> {
    if memchr::memchr(b':', text).is_some() {
        return v6(text).map(IpAddr::V6);
    }
    let (mut octets, mut at, mut value, mut digits) = ([0u8; 4], 0, 0u32, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 => {
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && at < 3 => {
                octets[at] = u8::try_from(value).ok()?;
                (at, value, digits) = (at + 1, 0, 0);
            }
            _ => return None,
        }
    }
    (at == 3 && digits > 0).then_some(())?;
    octets[3] = u8::try_from(value).ok()?;
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// The kernel prints all eight groups with four digits each (`%pI6`); what people wrote may be shorter.
fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    if text.len() != 39 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut bits = 0u128;
    for (at, byte) in text.iter().enumerate() {
        if at % 5 == 4 {
            (*byte == b':').then_some(())?;
        } else {
            bits = bits << 4 | u128::from(hex(*byte)?);
        }
    }
    Some(Ipv6Addr::from(bits))
}
