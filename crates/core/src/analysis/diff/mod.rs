//! What changes between two sides, each a policy or rules that hold at the same time: which new connections open, which
//! close, for every packet, as boxes that people can read, each with a packet that shows it and with what decides it.
//!
//! Compared is the first packet of a connection at the input, forward and output hooks; replies follow by themselves.
//! Of connections that stay refused: how the sender is told. Of those that stay limited: the limit. Messages, between two
//! sides of one kind. And translations. Where a match depends on more than the packet, nothing is claimed.

mod affected;
mod compare;
mod decide;
mod side;

pub use compare::diff;
pub use decide::Decider;

use jiff::Timestamp;
use segwall_packetset::Set;

use super::sets::{Readable, Shown};
use crate::netfilter::{Hook, Program};
use crate::ruleset::Ruleset;

/// Boxes that are kept of one change.
pub const BOXES_MAX: usize = 50;
/// Boxes of one change that have a packet to show.
pub const SAMPLES_MAX: usize = 12;
/// Later instants at which something expires that are looked at.
pub const PERIODS_MAX: usize = 8;

/// One of the two.
#[derive(Debug, Clone, Copy)]
pub enum Party<'a> {
    /// A policy.
    Policy(&'a Ruleset),
    /// Rules that hold at the same time.
    Rules(&'a [&'a Program]),
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Surely dropped or rejected, or it cannot come to be.
    Drop,
    /// Not decided.
    May,
    /// Accepted while a limit has room.
    Limited,
    /// Surely accepted.
    Accept,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::May => "may",
            Self::Limited => "limited",
            Self::Accept => "accept",
        }
    }
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The verdict, from the first side's to the second's.
    Verdict(Outcome, Outcome),
    /// How the sender of a refused packet is told, in words.
    Answer(String, String),
    /// The limit within which it is accepted, in words.
    Limit(String, String),
    /// What is written down, in words.
    Message(String, String),
    /// How addresses are translated, in words.
    Translation(String, String),
}

impl What {
    /// Whether more is accepted after it, less, or neither.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Verdict(before, after) if before < after => Some(Direction::Opens),
            Self::Verdict(..) => Some(Direction::Closes),
            Self::Answer(..) | Self::Limit(..) | Self::Message(..) | Self::Translation(..) => None,
        }
    }

    /// Whether it is surely so: no side is undecided.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        !matches!(self, Self::Verdict(Outcome::May, _) | Self::Verdict(_, Outcome::May))
    }
}

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// More is accepted.
    Opens,
    /// Less is accepted.
    Closes,
}

/// One change at one hook.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub hook: Hook,
    /// What.
    pub what: What,
    /// From then on, where it is not so from the beginning: something has expired.
    pub from: Option<Timestamp>,
    /// The packets, in the space of the comparison.
    pub set: Set,
    /// The packets, as boxes.
    pub shown: Readable,
    /// A packet of each of the first boxes, at least one.
    pub samples: Vec<Sample>,
}

/// A packet that shows a change.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The packet.
    pub packet: Shown,
    /// What decides about it, on each side.
    pub decided: [Decider; 2],
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Diff {
    /// By hook, then by what changes.
    pub changes: Vec<Change>,
    /// Why there may be differences that were not found.
    pub doubts: Vec<String>,
}

impl Diff {
    /// Whether something surely differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.changes.iter().any(|change| change.what.is_sure())
    }
}
