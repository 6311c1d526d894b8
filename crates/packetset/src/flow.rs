//! Flows and packets.

use std::net::IpAddr;

use crate::{Family, proto};

/// An interface of the gateway: its place in the ruleset's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);

impl InterfaceId {
    /// As an index into the ruleset's list of interfaces.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a packet enters or leaves: the gateway itself, one of its interfaces, or one that the policy does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The box itself: its own packets, or packets delivered to it.
    Gateway,
    /// An interface of the policy.
    Interface(InterfaceId),
    /// An interface the policy does not name.
    Elsewhere,
}

/// What follows the IP header, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Header {
    /// Source and destination port, as delivered.
    Ports {
        /// Source port.
        sport: u16,
        /// Destination port, as delivered.
        dport: u16,
    },
    /// Type and code of ICMP or ICMPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// Nothing that rules look at.
    Other,
}

/// A destination before a port forward translated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sent {
    /// Address the sender used.
    pub dst: IpAddr,
    /// Port the sender used.
    pub dport: u16,
}

/// Protocol, source, destination and ports of a connection, with a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Where it enters.
    pub input: Place,
    /// Where it leaves.
    pub output: Place,
    /// IP protocol number.
    pub proto: u8,
    /// Source address.
    pub src: IpAddr,
    /// Destination address, as delivered.
    pub dst: IpAddr,
    /// What follows the IP header; [`Header::Ports`] exactly where [`proto::has_ports`].
    pub header: Header,
    /// The destination as sent, where a port forward changed it.
    pub sent: Option<Sent>,
}

impl Flow {
    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.dst)
    }

    /// Destination port, where the protocol has one.
    #[must_use]
    pub fn dport(&self) -> Option<u16> {
        match self.header {
            Header::Ports { dport, .. } => Some(dport),
            Header::Icmp { .. } | Header::Other => None,
        }
    }

    /// Source port, where the protocol has one.
    #[must_use]
    pub fn sport(&self) -> Option<u16> {
        match self.header {
            Header::Ports { sport, .. } => Some(sport),
            Header::Icmp { .. } | Header::Other => None,
        }
    }

    /// Whether the header's kind is the one its protocol has in this family.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let expected_icmp = match self.family() {
            Family::V4 => proto::ICMP,
            Family::V6 => proto::ICMPV6,
        };
        Family::of(self.src) == Family::of(self.dst)
            && match self.header {
                Header::Ports { .. } => proto::has_ports(self.proto),
                Header::Icmp { .. } => self.proto == expected_icmp,
                Header::Other => !proto::has_ports(self.proto) && self.proto != expected_icmp,
            }
    }

    /// What connection tracking makes of the first packet of this flow, when it knows no connection for it.
    ///
    /// Source: Linux `nf_conntrack_proto_icmp.c` and `nf_conntrack_proto_icmpv6.c`: only requests open a connection,
    /// neighbour discovery (but for redirects, 137) and MLD are left untracked, everything else of ICMP is invalid.
    #[must_use]
    pub fn first_state(&self) -> CtState {
        match (self.family(), self.header) {
            (Family::V4, Header::Icmp { kind: 8 | 13 | 15 | 17, .. }) => CtState::New,
            (Family::V4, Header::Icmp { .. }) => CtState::Invalid,
            (Family::V6, Header::Icmp { kind: 128 | 139, .. }) => CtState::New,
            (Family::V6, Header::Icmp { kind: 130..=136 | 143, .. }) => CtState::Untracked,
            (Family::V6, Header::Icmp { .. }) => CtState::Invalid,
            _ => CtState::New,
        }
    }
}

/// What connection tracking says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CtState {
    /// First packet of a connection.
    New,
    /// Belongs to a known connection.
    Established,
    /// An error about a known connection, or a connection that a helper expects.
    Related,
    /// Fits no connection and cannot open one.
    Invalid,
    /// Not tracked.
    Untracked,
}

/// TCP flags as the header's byte holds them (RFC 9293).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// ACK.
    pub const ACK: u8 = 0x10;

    /// SYN set, FIN, RST and ACK not: the only TCP packet that opens a connection.
    #[must_use]
    pub fn is_bare_syn(self) -> bool {
        self.0 & (Self::FIN | Self::SYN | Self::RST | Self::ACK) == Self::SYN
    }
}

/// One packet as the filter hooks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packet {
    /// Addresses, protocol, ports, interfaces.
    pub flow: Flow,
    /// What connection tracking says.
    pub state: CtState,
    /// Flags, looked at for TCP only.
    pub flags: TcpFlags,
}

impl Packet {
    /// The first packet of a flow: a bare SYN for TCP.
    #[must_use]
    pub fn first_of(flow: Flow) -> Self {
        Self { flow, state: flow.first_state(), flags: TcpFlags(TcpFlags::SYN) }
    }
}
