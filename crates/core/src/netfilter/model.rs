//! The types: what a kernel runs, however it was written down.
//!
//! Everything here is meant as the kernel means it, with what its front ends add silently written out: a match on
//! `ip saddr` in a table of both families carries its match on the family, one on `tcp dport` its match on the
//! protocol. What the model has no words for is [`Match::Unknown`] or [`Action::Unknown`]: it may match, it need not.

use segwall_packetset::Field;

use super::script::Script;
use crate::source::Span;

/// Tables that hold at the same time, from one source: a kernel, a file, a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// In the order they were read.
    pub tables: Vec<Table>,
    /// What was read and is not part of a table, in order: for people.
    pub notes: Vec<Note>,
    /// How a script comes to these tables; `None` where they are there at once.
    pub script: Option<Script>,
}

/// Something about the source that is not a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What kind.
    pub kind: NoteKind,
    /// In one sentence, without a full stop.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// What a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// Not understood: rules may be missing, no answer about this program is certain.
    NotUnderstood,
    /// Understood, and without a meaning for packets: `echo`, `modprobe`, a `sysctl`.
    Aside,
    /// The kernel's own tool would refuse this: the rule is left out.
    Refused,
    /// What was there before stays, is not known, and is read as if it were empty: a script that does not flush first.
    Before,
}

/// Packets that a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// ARP: no part of the model, listed for completeness.
    Arp,
    /// Bridged frames: no part of the model.
    Bridge,
    /// Devices (ingress, egress): no part of the model, but it may drop.
    Netdev,
}

impl TableFamily {
    /// As nft writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Whose packets.
    pub family: TableFamily,
    /// `filter`, `nat`, `segwall` …
    pub name: String,
    /// Chains, in the order they were read.
    pub chains: Vec<Chain>,
    /// Named sets and maps.
    pub sets: Vec<Set>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name: one of its table's.
    pub name: String,
    /// Where it hangs; `None`: reached by jumps only.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// Where it is declared, in sources that are text.
    pub span: Option<Span>,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// filter, nat, route.
    pub kind: ChainKind,
    /// Which hook.
    pub hook: Hook,
    /// Lower runs earlier (`NF_IP_PRI_*` of the kernel's `netfilter_ipv4.h`).
    pub priority: i32,
    /// What becomes of packets that no rule decides: whether they are accepted, else dropped.
    pub accepts: bool,
}

/// The type of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// Decides.
    Filter,
    /// Translates the first packet of a connection.
    Nat,
    /// Routes again when a packet was changed.
    Route,
}

/// A hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Everything that comes in, before routing.
    Prerouting,
    /// To the box.
    Input,
    /// Through the box.
    Forward,
    /// From the box.
    Output,
    /// Everything that leaves, after routing.
    Postrouting,
    /// A device's own, before everything else.
    Ingress,
    /// A device's own, after everything else.
    Egress,
}

impl Hook {
    /// The kernel's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// A rule: what must match and what is done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Matches and actions. What stands behind a match happens only if it held.
    pub steps: Vec<Step>,
    /// Words that came with it.
    pub comment: Option<String>,
    /// Where it stands, in sources that are text.
    pub span: Option<Span>,
    /// The kernel's number for it.
    pub handle: Option<u64>,
}

/// A match or an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Goes on only if it holds.
    Match(Match),
    /// What the entry that fits says; if none fits, the rule does not match. Where several fit, the first.
    Verdicts {
        /// Compared together.
        keys: Vec<Key>,
        /// The entries.
        entries: Verdicts,
    },
    /// What is done.
    Do(Action),
}

/// Entries of a verdict map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdicts {
    /// Written in the rule.
    Here(Vec<(Element, Action)>),
    /// A named map of the table.
    Map(String),
}

/// A part of a packet or of its connection that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// As it is.
    Field(Field),
    /// With bits cleared first: `ip saddr & 255.255.255.0`, `tcp flags & (syn | ack)`. A mask of IPv4 addresses has all
    /// bits above the lowest 32 set.
    Masked(Field, u128),
    /// Bytes 0 and 1 of the transport header (`th sport`), whatever the protocol: a port only where it has ports.
    TransportSource,
    /// Bytes 2 and 3 of the transport header (`th dport`), whatever the protocol.
    TransportDestination,
    /// The destination that the connection's first packet was sent to (`ct original ip daddr`), translated or not;
    /// packets without a connection have none, and match neither way.
    SentDestination,
    /// The port that it was sent to (`ct original proto-dst`), alike.
    SentPort,
}

/// A range of values, both ends included, for each key.
pub type Element = Vec<(u128, u128)>;

/// Values that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Written in the rule.
    Here(Vec<Element>),
    /// A named set of the table.
    Set(String),
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The keys together are (not) among the values.
    Among {
        /// Compared together.
        keys: Vec<Key>,
        /// Whether they must not be.
        not: bool,
        /// The values.
        values: Values,
    },
    /// Within a rate, or beyond it.
    Rate(Rate),
    /// No words for it.
    Unknown(Unknown),
}

/// A rate limit, by value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// Packets in `per_s` seconds.
    pub packets: u64,
    /// Seconds.
    pub per_s: u64,
    /// Packets at once.
    pub burst: u64,
    /// Holds beyond the rate instead of within it.
    pub over: bool,
    /// The name of a limit that several rules share, or of the set that has one for each element.
    pub shared: Option<String>,
    /// What each element stands for (`ip saddr`), where there is one for each.
    pub by: Vec<Field>,
}

/// A match or action outside the model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unknown {
    /// As it was written.
    pub text: String,
    /// Why it is not decided, in a few words: "depends on earlier packets", "not modelled".
    pub why: &'static str,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// This base chain accepts.
    Accept,
    /// Nothing more happens to it.
    Drop,
    /// Dropped, and the sender is told.
    Reject(Reject),
    /// Back to behind the jump; in a base chain its policy.
    Return,
    /// To a chain and back.
    Jump(String),
    /// To a chain; its end is the end of the chain that jumped last.
    Goto(String),
    /// The next rule.
    Continue,
    /// To a program, which decides; accepted where none listens, if `bypass`.
    Queue {
        /// Accepts where no program listens.
        bypass: bool,
    },
    /// Written down.
    Log(Log),
    /// Counted; learned in a set; anything else without a consequence for this packet.
    Nothing,
    /// The packet's mark, for later rules: bits of `mask` are replaced by those of `value`.
    SetMark {
        /// New bits.
        value: u128,
        /// Which bits.
        mask: u128,
    },
    /// The packet's mark is from here on something that is not known: the connection's, a hash.
    ForgetMark,
    /// Not tracked: its state is `untracked` from here on.
    NoTrack,
    /// Translated.
    Nat(Nat),
    /// No words for it. It may change what later rules see, and it may decide.
    Unknown(Unknown),
}

/// How a sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// A TCP reset.
    TcpReset,
    /// ICMP (IPv4) destination unreachable with this code, ICMPv6 with this code in IPv6.
    Icmp {
        /// Code in IPv4, where the rule can see IPv4.
        v4: Option<u8>,
        /// Code in IPv6, where the rule can see IPv6.
        v6: Option<u8>,
    },
}

/// A message about a packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Text in front.
    pub prefix: Option<String>,
    /// NFLOG group; `None`: the kernel's log.
    pub group: Option<u16>,
}

/// An address translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// What is replaced.
    pub kind: NatKind,
    /// New addresses; `None`: the address stays, or is the interface's own (masquerade, redirect).
    pub to: Option<(u128, u128)>,
    /// New ports; `None`: the port stays where it can.
    pub ports: Option<(u16, u16)>,
}

/// What a translation replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatKind {
    /// The destination.
    Destination,
    /// The destination, by the box itself.
    Redirect,
    /// The source.
    Source,
    /// The source, by the address of the interface it leaves by.
    Masquerade,
    /// A whole network, address by address.
    Netmap,
}

/// A named set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// How many keys its elements have.
    pub keys: usize,
    /// What is in it.
    pub content: Content,
}

/// What a set holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Elements.
    Elements(Vec<Element>),
    /// Elements with a verdict each.
    Verdicts(Vec<(Element, Action)>),
    /// Filled by the kernel, kept elsewhere (ipset), or with elements that end by themselves.
    Unknown(&'static str),
}
