//! What packets are told apart by.

/// A property of a packet or of its connection, in the order in which sets of packets are kept.
///
/// Values are numbers from 0 to [`Field::max`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Field {
    /// 0: IPv4, 1: IPv6.
    Family,
    /// Connection state: 0 new, 1 established, 2 related, 3 invalid, 4 untracked.
    State,
    /// 1: the connection's destination was translated (`ct status dnat`).
    Translated,
    /// IP protocol: of IPv6 the one behind extension headers.
    Proto,
    /// The byte of TCP flags, FIN lowest.
    Flags,
    /// ICMP or ICMPv6 type.
    IcmpType,
    /// ICMP or ICMPv6 code.
    IcmpCode,
    /// Name of the interface it came by, as 16 bytes, first byte highest, filled with zeros; 0: none. A prefix of a
    /// name is one range.
    In,
    /// Name of the interface it leaves by, alike.
    Out,
    /// Source address; an IPv4 address is below 2^32.
    Src,
    /// Destination address, after translation where there was one.
    Dst,
    /// Destination address before its translation; 0 where there was none.
    SentDst,
    /// Source port.
    Sport,
    /// Destination port, after translation where there was one.
    Dport,
    /// Destination port before its translation; 0 where there was none.
    SentDport,
    /// Type of the source address (`RTN_*` of the kernel's `rtnetlink.h`): 1 unicast, 2 local, 3 broadcast …
    SrcType,
    /// Type of the destination address, alike.
    DstType,
    /// Type of the source address on the interface it came by (`fib saddr . iif type`), alike.
    SrcTypeHere,
    /// Type of the destination address on the interface it came by, alike.
    DstTypeHere,
    /// TTL or hop limit.
    Hops,
    /// Type of the frame (`PACKET_*` of the kernel's `if_packet.h`): 0 to this host, 1 broadcast, 2 multicast …
    PktType,
    /// Source MAC address.
    Mac,
    /// The packet's mark.
    Mark,
    /// Day of the week in UTC, 0 Sunday.
    Day,
    /// Second of the day in UTC.
    Second,
    /// Nanoseconds since 1970.
    Time,
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = Self::Time as usize + 1;

    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Family,
        Self::State,
        Self::Translated,
        Self::Proto,
        Self::Flags,
        Self::IcmpType,
        Self::IcmpCode,
        Self::In,
        Self::Out,
        Self::Src,
        Self::Dst,
        Self::SentDst,
        Self::Sport,
        Self::Dport,
        Self::SentDport,
        Self::SrcType,
        Self::DstType,
        Self::SrcTypeHere,
        Self::DstTypeHere,
        Self::Hops,
        Self::PktType,
        Self::Mac,
        Self::Mark,
        Self::Day,
        Self::Second,
        Self::Time,
    ];

    /// The highest value.
    #[must_use]
    pub fn max(self) -> u128 {
        match self {
            Self::Family | Self::Translated => 1,
            Self::State => 4,
            Self::Proto | Self::Flags | Self::IcmpType | Self::IcmpCode | Self::Hops => 0xff,
            Self::In | Self::Out | Self::Src | Self::Dst | Self::SentDst => u128::MAX,
            Self::Sport | Self::Dport | Self::SentDport => 0xffff,
            Self::SrcType | Self::DstType | Self::SrcTypeHere | Self::DstTypeHere => 11,
            Self::PktType => 7,
            Self::Mac => 0xffff_ffff_ffff,
            Self::Mark => 0xffff_ffff,
            Self::Day => 6,
            Self::Second => 86_399,
            Self::Time => 0xffff_ffff_ffff_ffff,
        }
    }
}
