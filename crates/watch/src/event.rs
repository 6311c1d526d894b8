//! Everything the state is folded over. An event is a value with its instant beside it; nothing here was measured twice.

use std::fmt;
use std::net::IpAddr;

use segwall_packetset::{Header, TcpFlags};

pub use crate::iface::{IFACE_BYTES_MAX, Iface};

/// An instant: microseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub i64);

impl At {
    /// So many whole seconds since 1970.
    #[must_use]
    pub fn of_s(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Later by so many seconds.
    #[must_use]
    pub fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whole seconds from an earlier instant to this one; 0 where that is the later one.
    #[must_use]
    pub fn since_s(self, earlier: Self) -> i64 {
        (self.0.saturating_sub(earlier.0) / 1_000_000).max(0)
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn second(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// RFC 3339, to the millisecond.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => f.write_str("outside of all calendars"),
        }
    }
}

/// A hardware address.
pub type Mac = [u8; 6];

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It passed.
    Accepted,
    /// It was dropped or rejected, for this reason.
    Refused(Reason),
    /// It was only written down.
    Noted,
}

/// Why a packet was refused: the chains of Segwall's table, told by their log prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The source does not belong behind the interface.
    Spoofed,
    /// The policy does not name the interface.
    UnknownInterface,
    /// One of its ends is in quarantine.
    Quarantine,
    /// Connection tracking calls it invalid.
    Invalid,
    /// Not tracked, and nothing accepts that.
    Untracked,
    /// TCP without a connection, no bare SYN.
    NotSyn,
    /// An interface that does not carry this family.
    Family,
    /// A broadcast or multicast that nobody here asked for.
    Broadcast,
    /// A drop rule.
    Rule,
    /// A reject rule.
    Reject,
    /// Nothing accepts it.
    Unnamed,
    /// Refused by rules that are not Segwall's.
    Foreign,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Spoofed,
        Self::UnknownInterface,
        Self::Quarantine,
        Self::Invalid,
        Self::Untracked,
        Self::NotSyn,
        Self::Family,
        Self::Broadcast,
        Self::Rule,
        Self::Reject,
        Self::Unnamed,
        Self::Foreign,
    ];

    /// The word of the log prefix.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Spoofed => "spoofed",
            Self::UnknownInterface => "unknown-interface",
            Self::Quarantine => "quarantine",
            Self::Invalid => "invalid",
            Self::Untracked => "untracked",
            Self::NotSyn => "not-syn",
            Self::Family => "family",
            Self::Broadcast => "broadcast",
            Self::Rule => "rule",
            Self::Reject => "reject",
            Self::Unnamed => "unnamed",
            Self::Foreign => "foreign",
        }
    }
}

/// A packet that was dropped or written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    /// What became of it.
    pub verdict: Verdict,
    /// Where it came in; [`Iface::NONE`]: the box sent it.
    pub input: Iface,
    /// Where it would leave; [`Iface::NONE`]: it was for the box (or nobody had decided yet).
    pub output: Iface,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol number.
    pub proto: u8,
    /// Ports, or ICMP type and code; [`Header::Other`] also where the packet was cut or is a later fragment.
    pub header: Header,
    /// TCP flags; none where it is not TCP.
    pub flags: TcpFlags,
    /// Length of the IP packet in bytes; 0 where it is not known.
    pub len: u16,
    /// The sender's hardware address on the last link, where it is known.
    pub mac: Option<Mac>,
    /// It was sent to everybody on the link: broadcast or multicast of the link layer.
    pub to_all: bool,
}

/// Addresses, protocol and ports of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol number.
    pub proto: u8,
    /// Ports, or ICMP type and code.
    pub header: Header,
}

/// Packets and bytes of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volume {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
}

/// How a connection stands that connection tracking knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Nobody answered.
    None,
    /// A TCP reset was the only answer, or an ICMP error ended it.
    Refused,
    /// The other end took part.
    Answered,
    /// It cannot be known.
    Unknown,
}

/// A connection that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// As its opener sent it.
    pub original: Tuple,
    /// As the answers come.
    pub reply: Tuple,
    /// The kernel's number of it, which no other has at the same time; 0 where it is not known.
    pub id: u32,
    /// The connection mark.
    pub mark: u32,
    /// When it began, where the kernel notes it.
    pub began: Option<At>,
    /// Where it came in, where that is known.
    pub input: Iface,
    /// Where it left, where that is known.
    pub output: Iface,
    /// Sent by the opener.
    pub sent: Volume,
    /// Sent back.
    pub received: Volume,
    /// Whether it was answered.
    pub answer: Answer,
}

/// What a counter of the table counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Drops between two interfaces.
    Pair {
        /// Where they came in.
        input: Iface,
        /// Where they would leave.
        output: Iface,
    },
    /// Drops of what came in by an interface, for one reason.
    Input {
        /// Where they came in.
        input: Iface,
        /// Why.
        reason: Reason,
    },
}

/// A counter's reading: how many packets it counted since the table was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reading {
    /// Which.
    pub counted: Counted,
    /// Packets.
    pub packets: u64,
}

/// Who lost records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// NFLOG: dropped and logged packets.
    Packets,
    /// Connection tracking events.
    Connections,
    /// Links, addresses and neighbours.
    Links,
    /// A kernel log.
    Log,
}

/// Something that happened, or was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet was dropped or written down.
    Packet(Packet),
    /// A connection that was open when the table was looked at.
    Standing(Connection),
    /// A connection that is still open, with what it has carried so far.
    Going(Connection),
    /// Every open connection has been told of.
    Listed,
    /// A connection was accepted and begun.
    Began(Connection),
    /// A connection ended.
    Ended(Connection),
    /// Drop counters were read. From then on they are the truth for drop spikes.
    Counters(Vec<Reading>),
    /// An address was seen on a link.
    Neighbour {
        /// The link.
        iface: Iface,
        /// Its address.
        addr: IpAddr,
        /// Its card.
        mac: Mac,
    },
    /// The DHCP server gave an address away.
    Lease {
        /// The address.
        addr: IpAddr,
        /// To whom.
        mac: Mac,
    },
    /// An interface went up or down.
    Link {
        /// Which.
        iface: Iface,
        /// Whether it is up.
        up: bool,
    },
    /// An address of the box.
    OwnAddress {
        /// On which interface.
        iface: Iface,
        /// Which.
        addr: IpAddr,
    },
    /// How full connection tracking is.
    Conntrack {
        /// Connections it holds.
        count: u64,
        /// Connections it can hold; 0: as many as memory.
        max: u64,
    },
    /// Segwall's table is in the kernel, or was taken away.
    Table {
        /// Whether it is there.
        there: bool,
    },
    /// The box differs from what holds in so many places.
    Drift {
        /// How many.
        differences: u32,
    },
    /// Records were lost before they came here.
    Lost {
        /// Whose.
        source: Source,
        /// How many.
        count: u64,
    },
    /// Somebody answered DHCP requests.
    DhcpServer {
        /// On this link.
        iface: Iface,
        /// From this address.
        addr: IpAddr,
        /// With this card, where it is known.
        mac: Option<Mac>,
    },
    /// Time went by.
    Tick,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_never_overflow() {
        assert_eq!(At(i64::MAX).plus_s(1), At(i64::MAX));
        assert_eq!(At(i64::MIN).since_s(At(i64::MAX)), 0);
        assert_eq!(At::of_s(1_764_158_400).to_string(), "2025-11-26T12:00:00.000Z");
        assert!(!At(i64::MAX).to_string().is_empty());
    }
}
