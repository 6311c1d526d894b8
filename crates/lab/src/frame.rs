//! Crafts packets: full checksums, a tag in each that says which probe it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::checksum::Sum16BitWords;
use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv6Header, TcpHeader, UdpHeader};
use segwall_host::rtnl::Mac;
use segwall_packetset::{TcpFlags, proto};

/// Bytes of a tag.
pub const TAG_LEN: usize = 32;
const MAGIC: [u8; 8] = *b"\xf5segwall";
const TTL: u8 = 64;
/// Neighbour discovery is heard only with this (RFC 4861).
const ND_HOP_LIMIT: u8 = 255;
/// Listener discovery never leaves its wire (RFC 3810).
const MLD_HOP_LIMIT: u8 = 1;
const WINDOW: u16 = 1024;
/// First sequence number of every connection.
pub const SEQUENCE: u32 = 1000;

/// What tells this probe's packets from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// The run of the lab.
    pub run: u64,
    /// The probe.
    pub number: u64,
}

impl Tag {
    /// As it stands in a packet.
    #[must_use]
    pub fn bytes(self) -> [u8; TAG_LEN] {
        let mut bytes = [0; TAG_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.run.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_be_bytes());
        // Again, so that a cut or changed tag is not taken for another.
        bytes[24..].copy_from_slice(&(self.run ^ self.number.rotate_left(32)).to_be_bytes());
        bytes
    }

    /// The tag somewhere in a packet.
    #[must_use]
    pub fn find(packet: &[u8]) -> Option<Self> {
        packet.windows(TAG_LEN).filter(|window| window[0] == MAGIC[0]).find_map(|window| {
            let number = |range: std::ops::Range<usize>| window[range].try_into().map(u64::from_be_bytes).ok();
            let tag = Self { run: number(8..16)?, number: number(16..24)? };
            (window == tag.bytes()).then_some(tag)
        })
    }
}

/// What follows the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, UDP, SCTP, DCCP, UDP-Lite.
    Ports {
        /// Source port.
        sport: u16,
        /// Destination port.
        dport: u16,
        /// TCP flags; for SCTP and DCCP: whether it answers.
        flags: TcpFlags,
        /// The first sequence number of the other side, which an answer acknowledges.
        acknowledges: u32,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier.
        id: u16,
    },
    /// Anything else.
    Other,
}

/// A packet to be crafted.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Source.
    pub src: IpAddr,
    /// Destination, of the same family.
    pub dst: IpAddr,
    /// IP protocol.
    pub proto: u8,
    /// What follows.
    pub transport: Transport,
    /// Which probe it is.
    pub tag: Tag,
    /// With a checksum that is wrong.
    pub broken: bool,
}

impl Packet {
    /// From the IP header on.
    #[must_use]
    pub fn ip(&self) -> Vec<u8> {
        self.ip_with(self.hop_limit())
    }

    /// The same with another TTL or hop limit than is usual.
    #[must_use]
    pub fn ip_with(&self, hops: u8) -> Vec<u8> {
        let mut payload = self.transport_bytes();
        if self.broken
            && let Some(at) = checksum_at(self.proto)
        {
            payload[at] ^= 0x55;
            // Zero would say that there is no checksum (RFC 768), and nothing is wrong with that.
            if payload[at..at + 2] == [0, 0] {
                payload[at + 1] ^= 0x55;
            }
        }
        with_ip_header(self.src, self.dst, self.proto, hops, &payload)
    }

    fn hop_limit(&self) -> u8 {
        match (self.src, self.transport) {
            (IpAddr::V6(_), Transport::Icmp { kind: 133..=137, .. }) => ND_HOP_LIMIT,
            (IpAddr::V6(_), Transport::Icmp { kind: 130..=132 | 143, .. }) => MLD_HOP_LIMIT,
            _ => TTL,
        }
    }

    fn transport_bytes(&self) -> Vec<u8> {
        let tag = self.tag.bytes();
        let mut bytes = match (self.transport, self.proto) {
            (Transport::Ports { sport, dport, flags, acknowledges }, proto::TCP) => {
                let mut header = TcpHeader::new(sport, dport, SEQUENCE, WINDOW);
                set_flags(&mut header, flags);
                if header.ack {
                    // One more than the SYN, and the tag that came with it.
                    let tag_len = u32::try_from(TAG_LEN).expect("32");
                    header.acknowledgment_number = acknowledges.wrapping_add(1 + tag_len);
                }
                let mut bytes = header.to_bytes().to_vec();
                bytes.extend(tag);
                bytes
            }
            (Transport::Ports { sport, dport, .. }, proto::UDP | proto::UDPLITE) => {
                let len = u16::try_from(UdpHeader::LEN + TAG_LEN).expect("40");
                let header = UdpHeader { source_port: sport, destination_port: dport, length: len, checksum: 0 };
                let mut bytes = header.to_bytes().to_vec();
                bytes.extend(tag);
                bytes
            }
            (Transport::Ports { sport, dport, flags, .. }, proto::SCTP) => sctp(sport, dport, flags, &tag),
            (Transport::Ports { sport, dport, flags, .. }, _) => dccp(sport, dport, flags, &tag),
            (Transport::Icmp { kind, code, id }, _) => {
                let [high, low] = id.to_be_bytes();
                let mut bytes = vec![kind, code, 0, 0, high, low, 0, 1];
                bytes.extend(tag);
                bytes
            }
            (Transport::Other, proto::AH) => {
                // Next header: none; length: 4 words less 2; then index and sequence number.
                let mut bytes = vec![59, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0];
                bytes.extend(tag);
                bytes
            }
            (Transport::Other, proto::GRE) => {
                // Version 0, no options, carries nothing known.
                let mut bytes = vec![0, 0, 0xff, 0xff];
                bytes.extend(tag);
                bytes
            }
            (Transport::Other, _) => {
                // ESP's index and sequence number; to other protocols it means nothing.
                let mut bytes = vec![0, 0, 1, 0, 0, 0, 0, 1];
                bytes.extend(tag);
                bytes
            }
        };
        if self.transport == Transport::Other {
            // The kernel rejects a packet of a protocol it does not know only when its bytes happen to sum up to zero
            // (`nf_ip_checksum`); a filler lets them.
            let sum = match self.src {
                IpAddr::V4(_) => checksum(self.src, self.dst, proto::ICMP, &bytes),
                IpAddr::V6(_) => {
                    let filled_len = bytes.len() + 2;
                    bytes.resize(filled_len, 0);
                    let sum = checksum(self.src, self.dst, self.proto, &bytes);
                    bytes.truncate(filled_len - 2);
                    sum
                }
            };
            bytes.extend(sum.to_be_bytes());
        }
        if self.proto == proto::SCTP {
            let sum = crc32c(&bytes);
            bytes[8..12].copy_from_slice(&sum.to_le_bytes());
        } else if let Some(at) = checksum_at(self.proto) {
            // Connection tracking sums up UDP-Lite as if it were UDP (`udplite_error`, Linux 6.18), and calls a packet with
            // a right checksum invalid; one with this wrong one is new.
            let summed_as = if self.proto == proto::UDPLITE { proto::UDP } else { self.proto };
            let sum = checksum(self.src, self.dst, summed_as, &bytes);
            bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }
}

/// An ICMP or ICMPv6 error (`destination unreachable, port`) about a packet that arrived.
#[must_use]
pub fn unreachable(src: IpAddr, dst: IpAddr, about: &[u8]) -> Vec<u8> {
    let kind = if src.is_ipv4() { (3, 3) } else { (1, 4) };
    error(src, dst, kind, TTL, about)
}

/// An ICMP or ICMPv6 error of this type and code, with a TTL or hop limit, about a packet.
#[must_use]
pub fn error(src: IpAddr, dst: IpAddr, (kind, code): (u8, u8), hops: u8, about: &[u8]) -> Vec<u8> {
    let protocol = if src.is_ipv4() { proto::ICMP } else { proto::ICMPV6 };
    let mut bytes = vec![kind, code, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(about);
    let sum = checksum(src, dst, protocol, &bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    with_ip_header(src, dst, protocol, hops, &bytes)
}

/// Puts an Ethernet header before an IP packet.
#[must_use]
pub fn ethernet(src: Mac, dst: Mac, is_ipv4: bool, ip: &[u8]) -> Vec<u8> {
    let ether_type = if is_ipv4 { EtherType::IPV4 } else { EtherType::IPV6 };
    let mut frame = Ethernet2Header { source: src, destination: dst, ether_type }.to_bytes().to_vec();
    frame.extend_from_slice(ip);
    frame
}

fn with_ip_header(src: IpAddr, dst: IpAddr, protocol: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("our packets are small");
    let mut packet = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header = Ipv4Header::new(len, hop_limit, IpNumber(protocol), src.octets(), dst.octets())
                .expect("our packets are small");
            header.header_checksum = header.calc_header_checksum();
            header.to_bytes().to_vec()
        }
        (src, dst) => {
            let header = Ipv6Header {
                payload_length: len,
                next_header: IpNumber(protocol),
                hop_limit,
                source: octets(src),
                destination: octets(dst),
                ..Ipv6Header::default()
            };
            header.to_bytes().to_vec()
        }
    };
    packet.extend_from_slice(payload);
    packet
}

fn octets(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn set_flags(header: &mut TcpHeader, flags: TcpFlags) {
    let has = |bit| flags.0 & bit != 0;
    header.fin = has(TcpFlags::FIN);
    header.syn = has(TcpFlags::SYN);
    header.rst = has(TcpFlags::RST);
    header.ack = has(TcpFlags::ACK);
}

/// Where the checksum of a protocol stands in its header; `None` where there is none of this kind.
fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        proto::TCP => Some(16),
        proto::UDP | proto::UDPLITE | proto::DCCP => Some(6),
        proto::ICMP | proto::ICMPV6 => Some(2),
        _ => None,
    }
}

fn checksum(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let len = u32::try_from(payload.len()).expect("our packets are small");
    let mut sum = Sum16BitWords::new().add_slice(payload);
    match (src, dst) {
        // ICMP for IPv4 is the one without a pseudo-header.
        (IpAddr::V4(_), _) if protocol == proto::ICMP => {}
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            sum = sum.add_4bytes(Ipv4Addr::octets(&src));
            sum = sum.add_4bytes(Ipv4Addr::octets(&dst));
            sum = sum.add_4bytes(len.to_be_bytes()).add_2bytes([0, protocol]);
        }
        (src, dst) => {
            sum = sum.add_16bytes(Ipv6Addr::from(octets(src)).octets());
            sum = sum.add_16bytes(Ipv6Addr::from(octets(dst)).octets());
            sum = sum.add_4bytes(len.to_be_bytes()).add_2bytes([0, protocol]);
        }
    }
    let sum = sum.ones_complement().to_be();
    // Zero would mean that there is none.
    if sum == 0 && protocol != proto::ICMP && protocol != proto::ICMPV6 { 0xffff } else { sum }
}

/// INIT, or INIT ACK when it answers (RFC 9260), padded with a parameter that is to be skipped and holds the tag.
fn sctp(sport: u16, dport: u16, flags: TcpFlags, tag: &[u8; TAG_LEN]) -> Vec<u8> {
    const INITIATE_TAG: u32 = 0x5357_0001;
    const SKIP_PARAMETER: u16 = 0xc0ff;
    let answers = flags.0 & TcpFlags::ACK != 0;
    let parameter_len = u16::try_from(4 + TAG_LEN).expect("36");
    let chunk_len = 20 + parameter_len;
    let mut bytes = Vec::new();
    bytes.extend(sport.to_be_bytes());
    bytes.extend(dport.to_be_bytes());
    bytes.extend(if answers { INITIATE_TAG } else { 0 }.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend([if answers { 2 } else { 1 }, 0]);
    bytes.extend(chunk_len.to_be_bytes());
    bytes.extend(INITIATE_TAG.to_be_bytes());
    bytes.extend(0xffffu32.to_be_bytes());
    bytes.extend(1u16.to_be_bytes());
    bytes.extend(1u16.to_be_bytes());
    bytes.extend(SEQUENCE.to_be_bytes());
    bytes.extend(SKIP_PARAMETER.to_be_bytes());
    bytes.extend(parameter_len.to_be_bytes());
    bytes.extend(tag);
    bytes
}

/// Request, or response when it answers (RFC 4340), with long sequence numbers.
fn dccp(sport: u16, dport: u16, flags: TcpFlags, tag: &[u8; TAG_LEN]) -> Vec<u8> {
    let answers = flags.0 & TcpFlags::ACK != 0;
    // Generic header 16, acknowledgement 8 in a response, service code 4: in words.
    let offset = if answers { 7 } else { 5 };
    let mut bytes = Vec::new();
    bytes.extend(sport.to_be_bytes());
    bytes.extend(dport.to_be_bytes());
    bytes.extend([offset, 0, 0, 0]);
    bytes.extend([if answers { 0x03 } else { 0x01 }, 0, 0, 0]);
    bytes.extend(SEQUENCE.to_be_bytes());
    if answers {
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(SEQUENCE.to_be_bytes());
    }
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(tag);
    bytes
}

/// Castagnoli's CRC, as SCTP has it.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(proto: u8, transport: Transport, v6: bool) -> Packet {
        let addr = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (src, dst) =
            if v6 { (addr("2001:db8::1"), addr("2001:db8::2")) } else { (addr("192.0.2.1"), addr("192.0.2.2")) };
        Packet { src, dst, proto, transport, tag: Tag { run: 7, number: 42 }, broken: false }
    }

    fn ports() -> Transport {
        Transport::Ports { sport: 1000, dport: 80, flags: TcpFlags(TcpFlags::SYN), acknowledges: 0 }
    }

    /// One tag in 65,536 has a checksum that the same change would make zero: none.
    #[test]
    fn a_wrong_checksum_is_not_no_checksum() {
        let checksum_of = |packet: &Packet| packet.ip()[26..28].to_vec();
        let of = |number| Packet { tag: Tag { run: 7, number }, ..packet(proto::UDP, ports(), false) };
        let unlucky = (0..1_000_000).map(of).find(|packet| checksum_of(packet) == [0x55, 0]).expect("there are many");
        assert_eq!(checksum_of(&Packet { broken: true, ..unlucky }), [0, 0x55]);
    }

    #[test]
    fn checksums_add_up() {
        for v6 in [false, true] {
            for proto in [proto::TCP, proto::UDP, proto::DCCP] {
                let packet = packet(proto, ports(), v6);
                let bytes = packet.transport_bytes();
                // A right checksum makes the whole sum zero, which is written as all ones.
                assert!(matches!(checksum(packet.src, packet.dst, proto, &bytes), 0 | 0xffff), "{proto} {v6}");
            }
        }
        let icmp = packet(proto::ICMP, Transport::Icmp { kind: 8, code: 0, id: 3 }, false);
        assert_eq!(checksum(icmp.src, icmp.dst, proto::ICMP, &icmp.transport_bytes()), 0);
        let icmpv6 = packet(proto::ICMPV6, Transport::Icmp { kind: 128, code: 0, id: 3 }, true);
        assert_eq!(checksum(icmpv6.src, icmpv6.dst, proto::ICMPV6, &icmpv6.transport_bytes()), 0);
    }

    #[test]
    fn etherparse_agrees() {
        for v6 in [false, true] {
            let frame = ethernet([2; 6], [4; 6], !v6, &packet(proto::TCP, ports(), v6).ip());
            let sliced = etherparse::SlicedPacket::from_ethernet(&frame).expect("a packet");
            let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("TCP") };
            assert_eq!((tcp.source_port(), tcp.destination_port(), tcp.syn(), tcp.ack()), (1000, 80, true, false));
            assert_eq!(tcp.payload().len(), TAG_LEN);
            let sum = match sliced.net {
                Some(etherparse::NetSlice::Ipv4(ip)) => {
                    tcp.to_header().calc_checksum_ipv4(&ip.header().to_header(), tcp.payload())
                }
                Some(etherparse::NetSlice::Ipv6(ip)) => {
                    tcp.to_header().calc_checksum_ipv6(&ip.header().to_header(), tcp.payload())
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(sum, Ok(tcp.checksum()));
        }
    }

    #[test]
    fn crc_of_the_standard_example() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn tags_are_found_and_not_mistaken() {
        let tag = Tag { run: 9, number: 1 << 40 };
        let mut bytes = b"xx".to_vec();
        bytes.extend(tag.bytes());
        bytes.extend(b"yy");
        assert_eq!(Tag::find(&bytes), Some(tag));
        bytes[20] ^= 1;
        assert_eq!(Tag::find(&bytes), None);
        assert_eq!(Tag::find(&[]), None);
    }
}
