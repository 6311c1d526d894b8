//! From one space to another: a space never forgets what it was asked, so long work moves what it keeps to a fresh one.

use super::intern::Memo;
use super::store::LEAF;
use super::{GaveUp, Set, Space};

impl Space {
    /// The same sets in this space; only their own nodes come along.
    pub fn import(&mut self, from: &Self, sets: &[Set]) -> Result<Vec<Set>, GaveUp> {
        self.question(|space| {
            let mut known = Memo::new();
            sets.iter().map(|set| space.copy(from, set.0, &mut known).map(Set)).collect()
        })
    }

    fn copy(&mut self, from: &Self, id: u32, known: &mut Memo) -> Result<u32, GaveUp> {
        let node = from.store.node(id);
        if node.level == LEAF {
            return Ok(id); // both leaves have the same ids everywhere
        }
        if let Some(copied) = known.get(id) {
            return Ok(copied);
        }
        self.step(u64::from(node.len))?;
        let start = self.scratch.len();
        for (bound, target) in from.store.edges(node) {
            let target = self.copy(from, target, known)?;
            self.push(start, bound, target);
        }
        let copied = self.seal(node.level, start)?;
        known.put(id, copied);
        Ok(copied)
    }
}
