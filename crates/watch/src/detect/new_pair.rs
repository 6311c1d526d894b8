//! Pairs of zones that talk for the first time.

use std::collections::BTreeSet;

use super::Around;
use super::limits::{LEARNING_S, PAIRS_MAX};
use crate::alert::{Draft, Evidence, Kind, Subject};
use crate::event::At;
use crate::network::{Ends, Zone};

/// Pairs that are known.
#[derive(Debug, Clone, Default)]
pub struct NewPairs {
    known: BTreeSet<Ends>,
    pub lost: u64,
}

impl NewPairs {
    /// A connection was accepted; what shows it is only made where it is told of.
    pub fn accepted(
        &mut self,
        around: &mut Around<'_>,
        began: At,
        ends: Ends,
        evidence: impl FnOnce(&Around<'_>) -> Option<Evidence>,
    ) {
        if ends.from == Zone::Unknown || ends.to == Zone::Unknown || self.known.contains(&ends) {
            return;
        }
        if self.known.len() >= PAIRS_MAX {
            self.lost += 1;
            return;
        }
        self.known.insert(ends);
        if around.at.since_s(began) < LEARNING_S {
            return;
        }
        let mut draft = Draft::new(Kind::NewPair, Subject::Pair(ends.from, ends.to), around.at).within(ends.from);
        if let Some(evidence) = evidence(around) {
            draft.towards(evidence.packet.dst, Some(super::what_of(&evidence.packet)));
            draft.show(evidence);
        }
        around.raise(draft);
    }
}
