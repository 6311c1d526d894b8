//! What rules see, worked out when it is asked for: of thousands of rules few are asked about, and the sets of all of them
//! would not fit.

use segwall_packetset::{GaveUp, Set, Space};

use super::RuleUse;
use super::summary::Event;

/// Packets of a chain that were told of, and those that come into the chain: what was told is about packets in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    told: Set,
    entering: Set,
}

/// What one rule sees, not worked out yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    reached: Vec<Part>,
    matched: Vec<Part>,
    missed: Vec<Part>,
}

impl Seen {
    /// Keeps what is told of a rule; `false` for what is not about what it sees.
    pub(super) fn keep(&mut self, event: &Event, told: Set, entering: Set) -> bool {
        let list = match event {
            Event::Reached => &mut self.reached,
            Event::Matched => &mut self.matched,
            Event::Missed => &mut self.missed,
            Event::Rate { .. } | Event::Log { .. } | Event::Unknown(_) | Event::Translated(_) => return false,
        };
        list.push(Part { told, entering });
        true
    }

    /// Whether a packet may reach the rule.
    #[must_use]
    pub fn is_reached(&self, space: &Space) -> bool {
        self.reached.iter().any(|part| !space.is_disjoint(part.told, part.entering))
    }

    /// Whether a packet may match all of the rule.
    #[must_use]
    pub fn is_matched(&self, space: &Space) -> bool {
        self.matched.iter().any(|part| !space.is_disjoint(part.told, part.entering))
    }

    /// Packets that may reach the rule.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn reached(&self, space: &mut Space) -> Result<Set, GaveUp> {
        all(space, &self.reached)
    }

    /// Packets that may match all of the rule.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn matched(&self, space: &mut Space) -> Result<Set, GaveUp> {
        all(space, &self.matched)
    }

    /// Packets that surely match all of the rule if they reach it.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn surely(&self, space: &mut Space) -> Result<Set, GaveUp> {
        // Less than what reaches the rule is what matches it: from there the sets stay small.
        let mut surely = self.matched(space)?;
        for part in &self.missed {
            let missed = space.intersect(surely, part.told)?;
            let missed = space.intersect(missed, part.entering)?;
            surely = space.minus(surely, missed)?;
        }
        Ok(surely)
    }

    /// All three.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn all(&self, space: &mut Space) -> Result<RuleUse, GaveUp> {
        Ok(RuleUse { reached: self.reached(space)?, matched: self.matched(space)?, surely: self.surely(space)? })
    }
}

fn all(space: &mut Space, parts: &[Part]) -> Result<Set, GaveUp> {
    let mut sum = Set::EMPTY;
    for part in parts {
        let set = space.intersect(part.told, part.entering)?;
        sum = space.union(sum, set)?;
    }
    Ok(sum)
}
