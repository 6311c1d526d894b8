//! Packets from points of the model.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_host::conntrack::{Key, Tuple};
use segwall_packetset::{Field, Point, proto};

use crate::wire::{NAMES, host_mac};

const MAGIC: [u8; 4] = *b"SgW!";
const SENTINEL: u32 = 0xffff_0000;
/// The port by which every program lets sentinels pass; no shot has it.
pub const SENTINEL_PORT: u16 = 9;
const SENTINEL_HOPS: u8 = 64;
const INVALID: u128 = 3;
const ESTABLISHED: u128 = 1;

/// A packet to be sent.
#[derive(Debug, Clone)]
pub struct Shot {
    /// What the model is asked.
    pub point: Point,
    /// Which interface it comes by, and which it leaves by.
    pub from: usize,
    pub to: usize,
    pub is_v4: bool,
}

impl Shot {
    pub fn new(point: Point) -> Self {
        let at = |field| {
            let name = segwall_packetset::interface_text(point.get(field)).unwrap();
            NAMES.iter().position(|known| *known == name).unwrap()
        };
        Self { point, from: at(Field::In), to: at(Field::Out), is_v4: point.get(Field::Family) == 0 }
    }

    fn number<T: TryFrom<u128>>(&self, field: Field) -> T {
        T::try_from(self.point.get(field)).unwrap_or_else(|_| panic!("{field:?} of {:?}", self.point))
    }

    fn address(&self, field: Field) -> IpAddr {
        if self.is_v4 {
            Ipv4Addr::from_bits(self.number(field)).into()
        } else {
            Ipv6Addr::from_bits(self.point.get(field)).into()
        }
    }

    pub fn proto(&self) -> u8 {
        self.number(Field::Proto)
    }

    /// What no two packets may share, lest the second belongs to the first's connection.
    pub fn tuple(&self) -> Tuple {
        let key = if proto::has_ports(self.proto()) {
            Key::Ports { src: self.number(Field::Sport), dst: self.number(Field::Dport) }
        } else {
            Key::None
        };
        Tuple { proto: self.proto(), src: self.address(Field::Src), dst: self.address(Field::Dst), key }
    }

    /// Whether its connection has to be there before.
    pub fn is_established(&self) -> bool {
        self.point.get(Field::State) == ESTABLISHED
    }

    /// In words, for people.
    pub fn words(&self) -> String {
        let field = |field: Field| self.point.get(field);
        format!(
            "{} > {} {} > {} proto {} state {} ports {} > {} flags {:#x} icmp {}/{} hops {}",
            NAMES[self.from],
            NAMES[self.to],
            self.address(Field::Src),
            self.address(Field::Dst),
            self.proto(),
            field(Field::State),
            field(Field::Sport),
            field(Field::Dport),
            field(Field::Flags),
            field(Field::IcmpType),
            field(Field::IcmpCode),
            field(Field::Hops),
        )
    }
}

/// From the IP header on.
pub fn bytes(shot: &Shot, id: u32) -> Vec<u8> {
    let port = |field| shot.number::<u16>(field).to_be_bytes();
    let mut payload = Vec::new();
    let mut sum_at = None;
    match shot.proto() {
        proto::TCP => {
            payload.extend(port(Field::Sport));
            payload.extend(port(Field::Dport));
            payload.extend([0, 0, 3, 0xe8, 0, 0, 0, 1, 0x50, shot.number(Field::Flags), 4, 0, 0, 0, 0, 0]);
            sum_at = Some(16);
        }
        proto::UDP => {
            payload.extend(port(Field::Sport));
            payload.extend(port(Field::Dport));
            payload.extend([0, 16, 0, 0]);
            sum_at = Some(6);
        }
        proto::ICMP | proto::ICMPV6 => {
            let [high, low] = u16::try_from(id).unwrap().to_be_bytes();
            payload.extend([shot.number(Field::IcmpType), shot.number(Field::IcmpCode), 0, 0, high, low, 0, 1]);
            sum_at = Some(2);
        }
        _ => payload.extend([0, 0, 1, 0, 0, 0, 0, 1]),
    }
    payload.extend(MAGIC);
    payload.extend(id.to_be_bytes());
    if let Some(at) = sum_at {
        let sum = checksum(shot.address(Field::Src), shot.address(Field::Dst), shot.proto(), &payload);
        payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        let is_broken = shot.point.get(Field::State) == INVALID && !invalid_by_itself(&shot.point);
        if is_broken {
            payload[at] ^= 0x55;
        }
    }
    // Forwarding takes one before the hook.
    let hops = shot.number::<u8>(Field::Hops) + 1;
    with_header(shot.address(Field::Src), shot.address(Field::Dst), shot.proto(), hops, &payload)
}

/// Whether connection tracking calls it invalid although nothing is wrong with it.
fn invalid_by_itself(point: &Point) -> bool {
    match u8::try_from(point.get(Field::Proto)) {
        Ok(proto::TCP) => !opens(u8::try_from(point.get(Field::Flags)).unwrap()),
        Ok(proto::UDP) => false,
        _ => true,
    }
}

/// Whether a TCP packet with these flags opens a connection (`tcp_new` of the kernel, loose).
pub fn opens(flags: u8) -> bool {
    const SYN: u8 = 0x02;
    const PSH: u8 = 0x08;
    const ACK: u8 = 0x10;
    const URG: u8 = 0x20;
    const ECN: u8 = 0xc0;
    matches!(flags & !(PSH | ECN | URG), SYN | ACK)
}

/// From one interface to another, accepted by every program.
pub fn sentinel(from: usize, to: usize) -> Vec<u8> {
    let src = Ipv4Addr::new(172, 31, 255, 250 + u8::try_from(from).unwrap());
    let dst = Ipv4Addr::new(10, u8::try_from(to + 1).unwrap(), 255, 250);
    let [high, low] = SENTINEL_PORT.to_be_bytes();
    let mut payload = vec![high, low, high, low, 0, 16, 0, 0];
    payload.extend(MAGIC);
    payload.extend((SENTINEL | u32::try_from(from).unwrap()).to_be_bytes());
    let sum = checksum(src.into(), dst.into(), proto::UDP, &payload);
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
    with_header(src.into(), dst.into(), proto::UDP, SENTINEL_HOPS, &payload)
}

pub fn is_sentinel(id: u32) -> bool {
    id & SENTINEL == SENTINEL
}

pub fn sentinel_from(id: u32) -> usize {
    (id & !SENTINEL) as usize
}

/// The number in a packet of ours that arrived whole: errors that quote one end otherwise.
pub fn id(frame: &[u8]) -> Option<u32> {
    let id = frame.get(frame.len().checked_sub(8)?..)?;
    let is_quote = match frame.get(12..14)? {
        [0x08, 0x00] => frame.get(26..30)? == [0, 0, 0, 0] || is_gateway(frame.get(26..30)?),
        _ => frame.get(22..28)? == [0x20, 0x01, 0x0d, 0xb8, 0, 1],
    };
    (id[..4] == MAGIC && !is_quote).then(|| u32::from_be_bytes([id[4], id[5], id[6], id[7]]))
}

fn is_gateway(src: &[u8]) -> bool {
    matches!(src, [10, _, 0, 1])
}

/// The source hardware address as the model has it.
pub fn mac_number(from: usize) -> u128 {
    host_mac(from).iter().fold(0, |value, byte| (value << 8) | u128::from(*byte))
}

fn with_header(src: IpAddr, dst: IpAddr, protocol: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let len = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
            let mut header = vec![0x45, 0, len[0], len[1], 0, 1, 0, 0, hops, protocol, 0, 0];
            header.extend(src.octets());
            header.extend(dst.octets());
            let sum = fold(sum(&header));
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, len[0], len[1], protocol, hops];
            header.extend(src.octets());
            header.extend(dst.octets());
            header
        }
        _ => panic!("two families"),
    };
    packet.extend(payload);
    packet
}

fn checksum(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let mut total = sum(payload);
    if protocol != proto::ICMP {
        total += u64::from(protocol) + payload.len() as u64;
        for addr in [src, dst] {
            total += match addr {
                IpAddr::V4(addr) => sum(&addr.octets()),
                IpAddr::V6(addr) => sum(&addr.octets()),
            };
        }
    }
    let sum = fold(total);
    if sum == 0 && protocol == proto::UDP { 0xffff } else { sum }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
