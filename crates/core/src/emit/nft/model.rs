//! What an nft table of ours is made of, as values that can be changed, compared and written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use segwall_packetset::{AddrRange, Family, PortRange};

use crate::policy::Limit;

/// A whole table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Interface names that [`Key::Name`] refers to: those of the ruleset, in its order.
    pub names: Vec<String>,
    /// Named counters.
    pub counters: Vec<String>,
    /// Named limits.
    pub limits: Vec<NamedLimit>,
    /// Sets.
    pub sets: Vec<Set>,
    /// Chains.
    pub chains: Vec<Chain>,
    /// The policy file's name, for comments.
    pub file: String,
    /// From this instant the text no longer means what the policy says: the zone changes its offset or a rule expires.
    pub valid_until: Option<Timestamp>,
}

/// A limit that several rules share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLimit {
    /// Its name, which carries its rate: the kernel never changes one in place.
    pub name: String,
    /// Its rate.
    pub limit: Limit,
}

/// A set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name, which carries its type: a set's type never changes under the same name.
    pub name: String,
    /// Type of each field.
    pub types: Vec<Type>,
    /// What kind of set.
    pub kind: SetKind,
    /// Elements one after the other, `types.len()` keys each; sorted, each once. Empty in learned and held sets.
    pub keys: Vec<Key>,
    /// For each element the rule (its index in the ruleset) that put it there first; empty where rules do not matter.
    pub rules: Vec<u32>,
}

/// What kind of set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// Its elements are ours to write.
    Written {
        /// Elements may be ranges.
        interval: bool,
        /// Each element counts what it matched.
        counter: bool,
    },
    /// The kernel fills it; it is never flushed.
    Learned {
        /// Elements it holds at most.
        size_max: u32,
        /// How long an element is kept.
        timeout_s: Option<u32>,
    },
    /// Whoever acts on incidents fills it, each element for a time or for good; it is never flushed.
    Held {
        /// Elements it holds at most.
        size_max: u32,
    },
}

impl Set {
    /// The elements.
    pub fn elements(&self) -> impl Iterator<Item = &[Key]> {
        self.keys.chunks_exact(self.types.len())
    }

    /// How many elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len() / self.types.len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Type of a set's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Interface name.
    Name,
    /// Address.
    Addr(Family),
    /// IP protocol.
    Proto,
    /// Port.
    Port,
    /// ICMP (IPv4) or ICMPv6 (IPv6) type.
    IcmpType(Family),
    /// ICMP (IPv4) or ICMPv6 (IPv6) code.
    IcmpCode(Family),
}

/// A field of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Name of the interface it came by.
    In,
    /// Name of the interface it leaves by.
    Out,
    /// Source address.
    Src(Family),
    /// Source address with all but the first bits cleared.
    SrcMasked(Family, u8),
    /// Destination address.
    Dst(Family),
    /// IP protocol.
    Proto,
    /// Bytes 2 and 3 of the transport header: only beside [`Field::Proto`].
    Dport,
    /// ICMP or ICMPv6 type.
    IcmpType(Family),
    /// ICMP or ICMPv6 code.
    IcmpCode(Family),
}

impl Field {
    /// Its type in a set.
    #[must_use]
    pub fn key_type(self) -> Type {
        match self {
            Self::In | Self::Out => Type::Name,
            Self::Src(family) | Self::SrcMasked(family, _) | Self::Dst(family) => Type::Addr(family),
            Self::Proto => Type::Proto,
            Self::Dport => Type::Port,
            Self::IcmpType(family) => Type::IcmpType(family),
            Self::IcmpCode(family) => Type::IcmpCode(family),
        }
    }
}

/// A value or range of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An interface, as an index into [`Program::names`].
    Name(u32),
    /// IPv4 addresses, both ends included.
    V4(Ipv4Addr, Ipv4Addr),
    /// IPv6 addresses, both ends included.
    V6(Ipv6Addr, Ipv6Addr),
    /// Ports, both ends included.
    Ports(u16, u16),
    /// Protocol, ICMP type or code.
    Byte(u8),
}

impl Key {
    /// A range of addresses.
    #[must_use]
    pub fn addresses(range: AddrRange) -> Self {
        match (range.first(), range.last()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Self::V4(first, last),
            (IpAddr::V6(first), IpAddr::V6(last)) => Self::V6(first, last),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                unreachable!("both ends of a range are of one family")
            }
        }
    }

    /// A range of ports.
    #[must_use]
    pub fn ports(range: PortRange) -> Self {
        Self::Ports(range.first, range.last)
    }

    /// Whether it stands for more than one value.
    #[must_use]
    pub fn is_range(&self) -> bool {
        match self {
            Self::Name(_) | Self::Byte(_) => false,
            Self::V4(first, last) => first != last,
            Self::V6(first, last) => first != last,
            Self::Ports(first, last) => first != last,
        }
    }
}

/// A hook of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// To the box.
    Input,
    /// Through the box.
    Forward,
    /// From the box.
    Output,
}

impl Hook {
    /// nft's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Filter with policy drop.
    Filter(Hook),
    /// Destination translation.
    Prerouting,
    /// Source translation.
    Postrouting,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where it hangs; `None`: reached by jumps only.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A rule: what must match and what is done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Matches and statements.
    pub parts: Vec<Part>,
    /// Lines of the policy it comes from.
    pub lines: Vec<u32>,
    /// What it is for, where no line says it.
    pub note: &'static str,
}

impl Rule {
    /// A rule that serves no line of the policy alone.
    #[must_use]
    pub fn new(parts: impl Into<Vec<Part>>) -> Self {
        Self { parts: parts.into(), ..Self::default() }
    }

    /// With a few words.
    #[must_use]
    pub fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    /// With the lines it comes from.
    #[must_use]
    pub fn lines(mut self, lines: Vec<u32>) -> Self {
        self.lines = lines;
        self
    }
}

/// A connection's state that the state rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Belongs to a known connection.
    Established,
    /// Related to one.
    Related,
    /// Fits none.
    Invalid,
    /// Not tracked.
    Untracked,
}

/// A match or a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Only packets of this family.
    Family(Family),
    /// The fields together are (not) in a set.
    Lookup {
        /// Fields.
        fields: Vec<Field>,
        /// Whether they must not be.
        not: bool,
        /// The set.
        set: String,
    },
    /// A field is (not) one of these.
    Among {
        /// The field.
        field: Field,
        /// Whether it must not be.
        not: bool,
        /// Values; never empty.
        keys: Vec<Key>,
    },
    /// ICMP in IPv4, ICMPv6 in IPv6.
    Icmp,
    /// TCP that is no bare SYN.
    NotBareSyn,
    /// Its connection's destination was translated.
    Translated,
    /// Its connection was sent to one of these addresses of one family.
    SentTo(Vec<IpAddr>),
    /// Its connection, of this protocol, was sent to one of these ports.
    SentPort(u8, PortRange),
    /// The destination is an address of the box.
    Local {
        /// On the interface it came by.
        here: bool,
    },
    /// The source is an address of the box on the interface it came by.
    LocalSource,
    /// The destination is a broadcast or multicast address.
    Broadcast,
    /// IPv6 hop limit.
    HopLimit(u8),
    /// On these days in UTC, Monday first.
    Days([bool; 7]),
    /// Within these seconds of the day in UTC, both included.
    Seconds(u32, u32),
    /// Before this instant.
    Before(Timestamp),
    /// What is done by connection state; new connections go on.
    States(Vec<(State, Action)>),
    /// Within a rate, with a bucket of the rule's own.
    Rate(Limit),
    /// Within a named rate.
    NamedRate(String),
    /// Within a rate per source address, remembered in a learned set.
    SourceRate {
        /// The set.
        set: String,
        /// Addresses of this family.
        family: Family,
        /// The rate.
        limit: Limit,
    },
    /// A named counter.
    Count(String),
    /// Counts in a learned set.
    Learn {
        /// The set.
        set: String,
        /// Its key.
        fields: Vec<Field>,
        /// Whether the element's timeout starts anew.
        refresh: bool,
    },
    /// A message to an NFLOG group.
    Log {
        /// Prefix of the message.
        prefix: &'static str,
        /// Group.
        group: u16,
    },
    /// What is done.
    Do(Action),
}

/// What a rule does in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Accept.
    Accept,
    /// Drop.
    Drop,
    /// Back to where the chain was jumped to from.
    Return,
    /// To a chain and back.
    Jump(String),
    /// To a chain.
    Goto(String),
    /// Refuse with a TCP reset.
    RejectReset,
    /// Refuse with "administratively prohibited".
    RejectProhibited,
    /// Source becomes the output interface's address.
    Masquerade,
    /// Destination becomes this.
    Dnat(IpAddr, Option<u16>),
}
