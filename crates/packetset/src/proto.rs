//! IP protocol numbers (IANA "Protocol Numbers") that Segwall treats by name.

/// ICMP for IPv4 (RFC 792).
pub const ICMP: u8 = 1;
/// IGMP (RFC 3376).
pub const IGMP: u8 = 2;
/// TCP (RFC 9293).
pub const TCP: u8 = 6;
/// UDP (RFC 768).
pub const UDP: u8 = 17;
/// DCCP (RFC 4340).
pub const DCCP: u8 = 33;
/// GRE (RFC 2784).
pub const GRE: u8 = 47;
/// ESP (RFC 4303).
pub const ESP: u8 = 50;
/// AH (RFC 4302).
pub const AH: u8 = 51;
/// ICMPv6 (RFC 4443).
pub const ICMPV6: u8 = 58;
/// OSPF (RFC 2328).
pub const OSPF: u8 = 89;
/// SCTP (RFC 9260).
pub const SCTP: u8 = 132;
/// UDP-Lite (RFC 3828).
pub const UDPLITE: u8 = 136;

const NAMES: &[(&str, u8)] = &[
    ("icmp", ICMP),
    ("igmp", IGMP),
    ("tcp", TCP),
    ("udp", UDP),
    ("dccp", DCCP),
    ("gre", GRE),
    ("esp", ESP),
    ("ah", AH),
    ("icmpv6", ICMPV6),
    ("ospf", OSPF),
    ("sctp", SCTP),
    ("udplite", UDPLITE),
];

/// The name of a protocol number, where it has one here.
#[must_use]
pub fn name(proto: u8) -> Option<&'static str> {
    NAMES.iter().find(|(_, number)| *number == proto).map(|(name, _)| *name)
}

/// The number of a protocol's name.
#[must_use]
pub fn number(name: &str) -> Option<u8> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// Every protocol name known here, in the order of their numbers.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

/// Whether bytes 0 to 3 of the transport header are source and destination port.
///
/// nft's `th dport` reads bytes 2 and 3 of *any* protocol: an echo request whose checksum is 80 would match port 80.
#[must_use]
pub fn has_ports(proto: u8) -> bool {
    matches!(proto, TCP | UDP | SCTP | DCCP | UDPLITE)
}
