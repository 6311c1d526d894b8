//! One entry, from the kernel's attributes.

use std::net::IpAddr;

use super::{
    CTA_IP_V4_DST, CTA_IP_V4_SRC, CTA_IP_V6_DST, CTA_IP_V6_SRC, CTA_PROTO_DST_PORT, CTA_PROTO_ICMP_ID,
    CTA_PROTO_ICMPV6_ID, CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE,
    CTA_STATUS, CTA_TIMEOUT, CTA_TUPLE_IP, CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_TUPLE_REPLY, Entry, Key, NFGENMSG_LEN,
    Tuple, Volume,
};
use crate::attr::{Reader, be16, be32, be64};

const CTA_MARK: u16 = 8;
const CTA_COUNTERS_ORIG: u16 = 9;
const CTA_COUNTERS_REPLY: u16 = 10;
const CTA_ID: u16 = 12;
const CTA_TIMESTAMP: u16 = 20;

const CTA_COUNTERS_PACKETS: u16 = 1;
const CTA_COUNTERS_BYTES: u16 = 2;
const CTA_TIMESTAMP_START: u16 = 1;
const CTA_TIMESTAMP_STOP: u16 = 2;

/// `None` where it has not both directions, or we cannot read them.
pub(super) fn entry(body: &[u8]) -> Option<Entry> {
    let (mut original, mut reply) = (None, None);
    let (mut status, mut mark, mut id) = (0, 0, 0);
    let (mut tcp_state, mut expires_s, mut sent, mut answered) = (None, None, None, None);
    let (mut began_ns, mut ended_ns) = (None, None);
    for (kind, value) in Reader::new(body.get(NFGENMSG_LEN..)?) {
        match kind {
            CTA_TUPLE_ORIG => original = tuple(value),
            CTA_TUPLE_REPLY => reply = tuple(value),
            CTA_STATUS => status = be32(value)?,
            CTA_MARK => mark = be32(value)?,
            CTA_ID => id = be32(value)?,
            CTA_TIMEOUT => expires_s = be32(value),
            CTA_PROTOINFO => tcp_state = state(value),
            CTA_COUNTERS_ORIG => sent = volume(value),
            CTA_COUNTERS_REPLY => answered = volume(value),
            CTA_TIMESTAMP => {
                began_ns = inside(value, CTA_TIMESTAMP_START).and_then(be64);
                ended_ns = inside(value, CTA_TIMESTAMP_STOP).and_then(be64);
            }
            _ => {}
        }
    }
    let (original, reply) = (original?, reply?);
    Some(Entry { original, reply, status, mark, id, tcp_state, expires_s, sent, answered, began_ns, ended_ns })
}

fn inside(value: &[u8], wanted: u16) -> Option<&[u8]> {
    Reader::new(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn state(value: &[u8]) -> Option<u8> {
    inside(inside(value, CTA_PROTOINFO_TCP)?, CTA_PROTOINFO_TCP_STATE)?.first().copied()
}

fn volume(value: &[u8]) -> Option<Volume> {
    let number = |wanted| inside(value, wanted).and_then(be64);
    Some(Volume { packets: number(CTA_COUNTERS_PACKETS)?, bytes: number(CTA_COUNTERS_BYTES)? })
}

fn tuple(value: &[u8]) -> Option<Tuple> {
    let address = |value: &[u8]| match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
    };
    let (mut src, mut dst, mut proto, mut sport, mut dport, mut id) = (None, None, None, None, None, None);
    for (kind, value) in Reader::new(value) {
        for (inner, value) in Reader::new(value) {
            match (kind, inner) {
                (CTA_TUPLE_IP, CTA_IP_V4_SRC | CTA_IP_V6_SRC) => src = address(value),
                (CTA_TUPLE_IP, CTA_IP_V4_DST | CTA_IP_V6_DST) => dst = address(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_NUM) => proto = value.first().copied(),
                (CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT) => sport = be16(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT) => dport = be16(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID) => id = be16(value),
                _ => {}
            }
        }
    }
    let key = match (sport, dport, id) {
        (Some(src), Some(dst), _) => Key::Ports { src, dst },
        (_, _, Some(id)) => Key::EchoId(id),
        _ => Key::None,
    };
    Some(Tuple { proto: proto?, src: src?, dst: dst?, key })
}
