//! Questions about a set with some field left open, fixed, or replaced by another.

use super::cache::Op;
use super::intern::Memo;
use super::store::{ALL, EMPTY};
use super::{Field, GaveUp, Set, Space};

fn mask(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |mask, field| mask | 1 << *field as u32)
}

impl Space {
    /// Packets that are in `set` for some value of the given fields.
    pub fn exists(&mut self, set: Set, fields: &[Field]) -> Result<Set, GaveUp> {
        self.question(|space| space.quantify(Op::Exists, Op::Or, set.0, mask(fields))).map(Set)
    }

    /// Packets that are in `set` whatever the given fields hold.
    pub fn forall(&mut self, set: Set, fields: &[Field]) -> Result<Set, GaveUp> {
        self.question(|space| space.quantify(Op::Forall, Op::And, set.0, mask(fields))).map(Set)
    }

    pub(super) fn quantify(&mut self, op: Op, join: Op, set: u32, mask: u32) -> Result<u32, GaveUp> {
        let node = self.store.node(set);
        // No bit of the mask stands at or behind the leaves' level.
        if mask >> node.level == 0 {
            return Ok(set);
        }
        if let Some(answer) = self.cache.get(op, set, mask) {
            return Ok(answer);
        }
        self.step(u64::from(node.len))?;
        let answer = if mask >> node.level & 1 == 1 {
            let mut targets = self.store.targets(&node).to_vec();
            targets.sort_unstable();
            targets.dedup();
            for target in &mut targets {
                *target = self.quantify(op, join, *target, mask)?;
            }
            self.apply_all(join, &mut targets)?
        } else {
            let start = self.scratch.len();
            for at in 0..node.len {
                let (bound, target) = self.store.edge(&node, at);
                let target = self.quantify(op, join, target, mask)?;
                self.push(start, bound, target);
            }
            self.seal(node.level, start)?
        };
        self.cache.put(op, set, mask, answer, self.store.len());
        Ok(answer)
    }

    /// Packets that would be in `set` if the field had this value: what a translation sends into the set. The answer does
    /// not depend on the field. A value above the field's domain is in no set.
    pub fn restrict(&mut self, set: Set, field: Field, value: u128) -> Result<Set, GaveUp> {
        if value > field.max() {
            return Ok(Set::EMPTY);
        }
        self.question(|space| space.cofactor(set.0, field, value, &mut Memo::new())).map(Set)
    }

    fn cofactor(&mut self, set: u32, field: Field, value: u128, memo: &mut Memo) -> Result<u32, GaveUp> {
        let node = self.store.node(set);
        if node.level > field as u8 {
            return Ok(set);
        }
        if node.level == field as u8 {
            return Ok(self.store.follow(&node, value));
        }
        if let Some(answer) = memo.get(set) {
            return Ok(answer);
        }
        self.step(u64::from(node.len))?;
        let start = self.scratch.len();
        for at in 0..node.len {
            let (bound, target) = self.store.edge(&node, at);
            let target = self.cofactor(target, field, value, memo)?;
            self.push(start, bound, target);
        }
        let answer = self.seal(node.level, start)?;
        memo.put(set, answer);
        Ok(answer)
    }

    /// What becomes of the packets of `set` when the field is set to a value.
    pub fn assign(&mut self, set: Set, field: Field, value: u128) -> Result<Set, GaveUp> {
        self.question(|space| {
            let any = space.quantify(Op::Exists, Op::Or, set.0, mask(&[field]))?;
            if value > field.max() {
                return Ok(EMPTY);
            }
            let fixed = space.split(field, &[(value, value)], ALL)?;
            space.apply(Op::And, any, fixed)
        })
        .map(Set)
    }

    /// Packets that would be in `set` if `field` had the value that `by` has. With [`Space::restrict`], what a port
    /// forward sends into the set: the destination as delivered is the one as sent where nothing is translated.
    pub fn substitute(&mut self, set: Set, field: Field, by: Field) -> Result<Set, GaveUp> {
        if field == by {
            return Ok(set);
        }
        self.question(|space| space.replace(set.0, field, by, &mut Memo::new())).map(Set)
    }

    fn replace(&mut self, set: u32, field: Field, by: Field, memo: &mut Memo) -> Result<u32, GaveUp> {
        let node = self.store.node(set);
        if node.level > field as u8 {
            return Ok(set);
        }
        if let Some(answer) = memo.get(set) {
            return Ok(answer);
        }
        self.step(u64::from(node.len))?;
        let here = Field::ALL[node.level as usize];
        let mut parts = Vec::new();
        for (target, ranges) in self.branches(set) {
            let inside = self.replace(target, field, by, memo)?;
            let asked = if here == field { by } else { here };
            let limit = cut(asked, ranges);
            let limit = self.split(asked, &limit, ALL)?;
            parts.push(self.apply(Op::And, limit, inside)?);
        }
        let answer = self.apply_all(Op::Or, &mut parts)?;
        memo.put(set, answer);
        Ok(answer)
    }
}

/// The ranges as far as the field's domain goes.
fn cut(field: Field, mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    super::point::merge(field, &mut ranges);
    ranges
}
