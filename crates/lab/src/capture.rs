//! Reads what was captured: a probe that arrived, or an answer that refuses one.

use std::net::IpAddr;

use segwall_packetset::proto;

use crate::frame::{TAG_LEN, Tag};

const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;
const TCP_RST: u8 = 0x04;

/// Addresses, protocol and ports of a packet, as far as it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Headers {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// IP protocol.
    pub proto: u8,
    /// Source and destination port, or 0; for ICMP type and code, and the identifier.
    pub words: (u16, u16),
}

/// One captured packet.
#[derive(Debug, Clone, Copy)]
pub enum Captured<'a> {
    /// A packet with a tag of ours.
    Probe {
        /// Which probe.
        tag: Tag,
        /// As it arrived.
        headers: Headers,
        /// From the IP header on.
        ip: &'a [u8],
    },
    /// An ICMP error that quotes a packet of ours.
    Error {
        /// Which probe it quotes, when the quote is long enough.
        tag: Option<Tag>,
        /// Type and code.
        kind: (u8, u8),
        /// To whom.
        dst: IpAddr,
        /// The quoted packet.
        about: Headers,
    },
    /// A TCP reset.
    Reset {
        /// Its headers.
        headers: Headers,
    },
}

/// Reads a frame from the Ethernet header on.
#[must_use]
pub fn read_frame(frame: &[u8]) -> Option<Captured<'_>> {
    match frame.get(12..14)? {
        [0x08, 0x00] | [0x86, 0xdd] => read_ip(frame.get(ETHERNET_LEN..)?),
        _ => None,
    }
}

/// Reads a packet from the IP header on.
#[must_use]
pub fn read_ip(ip: &[u8]) -> Option<Captured<'_>> {
    let (headers, payload) = read_headers(ip)?;
    let is_error =
        matches!((headers.proto, payload.first()), (proto::ICMP, Some(3 | 11 | 12)) | (proto::ICMPV6, Some(1..=4)));
    if is_error && let Some((about, _)) = payload.get(8..).and_then(read_headers) {
        let kind = (*payload.first()?, *payload.get(1)?);
        return Some(Captured::Error { tag: Tag::find(payload), kind, dst: headers.dst, about });
    }
    // ICMP of ours has its tag behind its header; further back it is a quote, as in a redirect.
    let tagged = match headers.proto {
        proto::ICMP | proto::ICMPV6 => payload.get(8..8 + TAG_LEN)?,
        _ => payload,
    };
    if let Some(tag) = Tag::find(tagged) {
        return Some(Captured::Probe { tag, headers, ip });
    }
    let reset = headers.proto == proto::TCP && payload.get(13).is_some_and(|flags| flags & TCP_RST != 0);
    reset.then_some(Captured::Reset { headers })
}

/// Addresses and ports of a packet, which may be cut behind them, and what follows its IP header.
#[must_use]
pub fn read_headers(ip: &[u8]) -> Option<(Headers, &[u8])> {
    let (src, dst, protocol, payload): (IpAddr, IpAddr, u8, &[u8]) = match ip.first()? >> 4 {
        4 => {
            let header_len = usize::from(ip.first()? & 0x0f) * 4;
            let octets = |at: usize| ip.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            (octets(12)?.into(), octets(16)?.into(), *ip.get(9)?, ip.get(header_len..)?)
        }
        6 => {
            let octets = |at: usize| ip.get(at..at + 16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            (octets(8)?.into(), octets(24)?.into(), *ip.get(6)?, ip.get(IPV6_LEN..)?)
        }
        _ => return None,
    };
    let word =
        |at: usize| payload.get(at..at + 2).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map(u16::from_be_bytes);
    let words = match protocol {
        proto::ICMP | proto::ICMPV6 => (word(0).unwrap_or(0), word(4).unwrap_or(0)),
        _ if proto::has_ports(protocol) => (word(0).unwrap_or(0), word(2).unwrap_or(0)),
        _ => (0, 0),
    };
    Some((Headers { src, dst, proto: protocol, words }, payload))
}
