//! What is sent into the lab, and what is seen of it.

use segwall_packetset::Place;

use crate::capture::Headers;
use crate::frame::{Packet, Tag};

/// One packet, and where it enters.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Where it enters.
    pub from: Place,
    /// Where the oracle says it goes: a sentinel is sent that way.
    pub via: Place,
    /// What is sent.
    pub content: Content,
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Content {
    /// A packet to be crafted. Its tag and its source port or echo identifier are given when it is sent.
    Crafted(Packet),
    /// A packet to be crafted as it is, but for its tag.
    Fixed(Packet),
    /// A ready packet from the IP header on, with a tag of its own.
    Ready(Vec<u8>, Tag),
}

/// A packet as it arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where.
    pub place: Place,
    /// Its headers.
    pub headers: Headers,
    /// From the IP header on.
    pub ip: Vec<u8>,
}

/// What became of a shot.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// It arrived.
    pub arrived: Option<Arrival>,
    /// It arrived in another place too.
    pub also_at: Option<Place>,
    /// The sender was told that it is refused.
    pub refused: Option<Refusal>,
    /// It could not even be sent, for another reason than a rule.
    pub unsent: Option<i32>,
}

/// How a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A TCP reset.
    Reset,
    /// An ICMP error: type and code.
    Icmp(u8, u8),
}
