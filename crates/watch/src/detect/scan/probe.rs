//! Which packets can be a scanner's, and how.

use std::net::IpAddr;

use segwall_packetset::{Header, TcpFlags, proto};

use super::super::limits::{WEIGHT, WEIGHT_CRAFTED, WEIGHT_ODD};
use super::super::{What, what_of};
use crate::alert::Technique;
use crate::event::{Packet, Reason, Verdict};
use crate::network::{Network, is_nobody};

/// How a packet looks that may be a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It opens something.
    Opens,
    /// It may be a late packet of a connection that the box has forgotten.
    Late,
    /// It may be a late answer of a server.
    Answer,
    /// No program sends it but a scanner.
    Crafted,
}

/// A packet that may be a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    pub dst: IpAddr,
    pub what: What,
    pub technique: Technique,
    pub weight: u8,
    pub look: Look,
}

const PSH: u8 = 0x08;
const URG: u8 = 0x20;
/// The flags that tell techniques apart; ECN's two do not.
const FLAGS: u8 = 0x3f;
const FIN_PSH_URG: u8 = TcpFlags::FIN | PSH | URG;

/// Longest IPv4 and IPv6 packet of a SYN without the options of a system's own TCP (20 and 40 bytes of header, 20 of TCP,
/// at most 8 of options; window scale, timestamps and SACK make at least 12).
const BARE_SYN_BYTES_MAX: (u16, u16) = (48, 68);

/// Ports that traceroute counts through: one thing, not a hundred.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_534;
/// Servers that answer from ports above 1,023: STUN, SIP, IPsec, VPNs.
const HIGH_SERVERS: [u16; 6] = [1_194, 3_478, 4_500, 5_060, 19_302, 51_820];
/// Discovery asks everybody and is answered by some, which no connection tells: NetBIOS, SSDP, WS-Discovery, mDNS, LLMNR.
const DISCOVERY: [u16; 5] = [137, 1_900, 3_702, 5_353, 5_355];
/// DHCP and DHCPv6: clients and servers look for each other.
const DHCP: [u16; 4] = [67, 68, 546, 547];

/// What a refused packet may be, if it is nobody's late or ordinary one for sure.
pub fn probe(network: &Network, packet: &Packet) -> Option<Probe> {
    match packet.verdict {
        // Whoever sent it is not who it says; or is cut off already, and everything it does fails.
        Verdict::Refused(Reason::Spoofed | Reason::Broadcast | Reason::Quarantine)
        | Verdict::Accepted
        | Verdict::Noted => return None,
        Verdict::Refused(
            Reason::UnknownInterface
            | Reason::Invalid
            | Reason::Untracked
            | Reason::NotSyn
            | Reason::Family
            | Reason::Rule
            | Reason::Reject
            | Reason::Unnamed
            | Reason::Foreign,
        ) => {}
    }
    if packet.input.is_none() || !may_be_accused(network, packet.src) || packet.to_all {
        return None;
    }
    if is_nobody(packet.dst) || network.is_broadcast(packet.dst) {
        return None;
    }
    let mut what = what_of(packet);
    let (technique, weight, look) = match (packet.proto, packet.header) {
        (proto::TCP, Header::Ports { .. }) => tcp(packet)?,
        (proto::UDP, Header::Ports { sport, dport }) => {
            if DHCP.contains(&dport) || (DISCOVERY.contains(&sport) && (dport == sport || dport >= 1_024)) {
                return None;
            }
            if TRACEROUTE.contains(&dport) {
                what.1 = *TRACEROUTE.start();
            }
            let is_server = sport < 1_024 || HIGH_SERVERS.contains(&sport);
            let look = if is_server && dport >= 1_024 { Look::Answer } else { Look::Opens };
            (Technique::Udp, WEIGHT, look)
        }
        (proto::ICMP, Header::Icmp { kind: 8, .. }) | (proto::ICMPV6, Header::Icmp { kind: 128, .. }) => {
            (Technique::Icmp, WEIGHT, Look::Opens)
        }
        // Timestamp, information and address mask requests; node information queries.
        (proto::ICMP, Header::Icmp { kind: 13 | 15 | 17, .. }) | (proto::ICMPV6, Header::Icmp { kind: 139, .. }) => {
            (Technique::Icmp, WEIGHT_ODD, Look::Opens)
        }
        // Answers, errors and neighbour discovery; later fragments, and headers that were cut.
        (proto::TCP | proto::UDP | proto::ICMP | proto::ICMPV6, _) => return None,
        (_, Header::Ports { .. }) => (Technique::Other, WEIGHT, Look::Opens),
        (_, Header::Icmp { .. } | Header::Other) => (Technique::Protocol, WEIGHT_ODD, Look::Opens),
    };
    Some(Probe { dst: packet.dst, what, technique, weight, look })
}

/// Whether a packet can be what its sender wants, rather than an answer or the rest of a connection.
pub fn is_wanted(packet: &Packet) -> bool {
    match (packet.proto, packet.header) {
        (proto::TCP, _) => tcp(packet).is_some_and(|(.., look)| look != Look::Late),
        (proto::UDP, Header::Ports { sport, dport }) => {
            let is_server = sport < 1_024 || HIGH_SERVERS.contains(&sport) || DISCOVERY.contains(&sport);
            !(is_server && dport >= 1_024)
        }
        (proto::ICMP, Header::Icmp { kind, .. }) => matches!(kind, 8 | 13 | 15 | 17),
        (proto::ICMPV6, Header::Icmp { kind, .. }) => matches!(kind, 128 | 139),
        _ => true,
    }
}

/// Loopback, multicast and unspecified sources, and the box itself, are never accused.
pub fn may_be_accused(network: &Network, src: IpAddr) -> bool {
    !is_nobody(src) && !network.is_own(src)
}

fn tcp(packet: &Packet) -> Option<(Technique, u8, Look)> {
    const ALONE_SYN: u8 = TcpFlags::SYN;
    const ALONE_FIN: u8 = TcpFlags::FIN;
    const ALONE_ACK: u8 = TcpFlags::ACK;
    Some(match packet.flags.0 & FLAGS {
        ALONE_SYN => {
            let max = if packet.src.is_ipv4() { BARE_SYN_BYTES_MAX.0 } else { BARE_SYN_BYTES_MAX.1 };
            let bare = (1..=max).contains(&packet.len);
            (if bare { Technique::Syn } else { Technique::Connect }, WEIGHT, Look::Opens)
        }
        0 => (Technique::Null, WEIGHT_CRAFTED, Look::Crafted),
        ALONE_FIN => (Technique::Fin, WEIGHT_CRAFTED, Look::Crafted),
        FIN_PSH_URG => (Technique::Xmas, WEIGHT_CRAFTED, Look::Crafted),
        ALONE_ACK => (Technique::Ack, WEIGHT, Look::Late),
        // SYN ACK, RST, FIN ACK and data are what a connection's ends send when the box has forgotten it.
        _ => return None,
    })
}
