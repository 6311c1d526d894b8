//! What a chain does to any packet that enters it. A chain that is reached a hundred times is walked once: what becomes of
//! the packets that enter is their part of what becomes of all.

use segwall_packetset::{GaveUp, Set, Space};

use super::flows::Flows;
use super::view::View;
use crate::netfilter::{Key, Log, Nat, Rate, Reject, Unknown, Values};

/// A chain of a table of a program.
pub(super) type ChainRef = (usize, usize, usize);

/// Something to be told about the packets that reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Rate {
        rate: Rate,
        decides: bool,
    },
    Log {
        log: Log,
        /// A rate stands before it in its rule.
        limited: bool,
    },
    Unknown(Unknown),
    /// Packets that reach the rule.
    Reached,
    /// Those that may match all of it.
    Matched,
    /// Those that may not.
    Missed,
    Translated(Nat),
}

/// What becomes of packets.
#[derive(Debug)]
pub(super) struct Summary {
    pub accepted: Flows,
    /// Back to the caller, or past the last rule.
    pub returned: Flows,
    pub dropped: Set,
    pub rejected: Vec<(Reject, Set)>,
    /// By rule.
    pub events: Vec<(usize, Event, Set)>,
    /// Chains that are entered, by the number of their summary.
    pub jumps: Vec<(usize, Set)>,
}

impl Summary {
    pub fn new() -> Self {
        Self {
            accepted: Flows::default(),
            returned: Flows::default(),
            dropped: Set::EMPTY,
            rejected: Vec::new(),
            events: Vec::new(),
            jumps: Vec::new(),
        }
    }

    pub fn event(&mut self, rule: usize, event: Event, set: Set) {
        if !set.is_empty() {
            self.events.push((rule, event, set));
        }
    }

    pub fn drop(&mut self, space: &mut Space, set: Set) -> Result<(), GaveUp> {
        self.dropped = space.union(self.dropped, set)?;
        Ok(())
    }

    pub fn reject(&mut self, space: &mut Space, how: Reject, set: Set) -> Result<(), GaveUp> {
        add(space, &mut self.rejected, how, set)?;
        self.drop(space, set)
    }

    /// It may do anything, and end here.
    pub fn anything(&mut self, space: &mut Space, view: View, set: Set) -> Result<(), GaveUp> {
        self.accepted.add(space, View { lost: true, ..view }, set)?;
        self.drop(space, set)
    }
}

/// Adds to the set that stands for a value.
pub(super) fn add<T: PartialEq>(space: &mut Space, list: &mut Vec<(T, Set)>, value: T, set: Set) -> Result<(), GaveUp> {
    if set.is_empty() {
        return Ok(());
    }
    match list.iter_mut().find(|(known, _)| *known == value) {
        Some((_, known)) => *known = space.union(*known, set)?,
        None => list.push((value, set)),
    }
    Ok(())
}

/// A lookup in words.
pub(super) fn lookup(keys: &[Key], not: bool, values: Option<&Values>) -> String {
    let words: Vec<String> = keys.iter().map(|key| self::key(*key)).collect();
    let not = if not { " !=" } else { "" };
    match values {
        Some(Values::Set(name)) => format!("{}{not} @{name}", words.join(" . ")),
        Some(Values::Here(_)) => format!("{}{not} …", words.join(" . ")),
        None => format!("{} vmap …", words.join(" . ")),
    }
}

fn key(key: Key) -> String {
    match key {
        Key::Field(field) => format!("{field:?}").to_lowercase(),
        Key::Masked(field, mask) => format!("{} & {mask:#x}", format!("{field:?}").to_lowercase()),
        Key::TransportSource => "th sport".to_owned(),
        Key::TransportDestination => "th dport".to_owned(),
        Key::SentDestination => "ct original daddr".to_owned(),
        Key::SentPort => "ct original proto-dst".to_owned(),
    }
}
