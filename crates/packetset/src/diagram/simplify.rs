//! The same answers with fewer questions, where only some packets matter.

use std::collections::BTreeMap;

use super::cache::Op;
use super::store::{ALL, EMPTY};
use super::{GaveUp, Set, Space};

impl Space {
    /// A set that holds the same packets of `within` as `set` does, and asks for as little as that needs: a field whose
    /// values are all alike inside `within` is asked for no longer. What lies outside is anything, and for values that
    /// no packet of `within` has, nothing. For people: the boxes of what comes back say only what is special.
    ///
    /// A set without a packet of `within` becomes [`Set::EMPTY`], one that holds all of them [`Set::ALL`].
    pub fn simplify(&mut self, set: Set, within: Set) -> Result<Set, GaveUp> {
        if within.is_empty() {
            return Ok(Set::EMPTY);
        }
        self.question(|space| space.reduce(set.0, within.0, &mut BTreeMap::new())).map(Set)
    }

    /// `within` is not empty.
    fn reduce(&mut self, set: u32, within: u32, known: &mut BTreeMap<(u32, u32), u32>) -> Result<u32, GaveUp> {
        if within == ALL || set == ALL || set == EMPTY {
            return Ok(set);
        }
        if let Some(answer) = known.get(&(set, within)) {
            return Ok(*answer);
        }
        let (node, care) = (self.store.node(set), self.store.node(within));
        self.step(u64::from(node.len) + u64::from(care.len))?;
        let answer = if care.level < node.level {
            let wide = self.quantify(Op::Exists, Op::Or, within, 1 << care.level)?;
            self.reduce(set, wide, known)?
        } else {
            let start = self.scratch.len();
            let (mut at, mut at_care) = (0, 0);
            let mut only = None;
            let mut alike = true;
            loop {
                let (bound, target) = self.store.edge(&node, at);
                let asks = care.level == node.level;
                let (bound_care, inside) = if asks { self.store.edge(&care, at_care) } else { (u128::MAX, within) };
                let mut to = EMPTY;
                if inside != EMPTY {
                    to = self.reduce(target, inside, known)?;
                    alike &= *only.get_or_insert(to) == to;
                }
                let next = bound.min(bound_care);
                self.push(start, next, to);
                at += u32::from(next == bound);
                at_care += u32::from(next == bound_care);
                if next == u128::MAX {
                    break; // explicit bounds stay below their field's largest value
                }
            }
            match only {
                Some(only) if alike => {
                    self.scratch.truncate(start);
                    only
                }
                _ => self.seal(node.level, start)?,
            }
        };
        known.insert((set, within), answer);
        Ok(answer)
    }
}
