//! Union, intersection and difference: two lists of intervals merged, level by level.

use super::cache::Op;
use super::store::{ALL, EMPTY, Node};
use super::{GaveUp, Set, Space};

/// What an operation comes to when one side is a leaf.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// This, whatever the other side is.
    Always(u32),
    /// The other side.
    Other,
}

fn leaf_left(op: Op, left: u32) -> Option<Effect> {
    match (op, left) {
        (Op::And | Op::Forall, EMPTY) | (Op::Minus, EMPTY) => Some(Effect::Always(EMPTY)),
        (Op::And | Op::Forall, ALL) | (Op::Or | Op::Exists | Op::Xor, EMPTY) => Some(Effect::Other),
        (Op::Or | Op::Exists, ALL) => Some(Effect::Always(ALL)),
        (Op::And | Op::Or | Op::Minus | Op::Xor | Op::Exists | Op::Forall, _) => None,
    }
}

fn leaf_right(op: Op, right: u32) -> Option<Effect> {
    match (op, right) {
        (Op::Minus, EMPTY) => Some(Effect::Other),
        (Op::Minus, ALL) => Some(Effect::Always(EMPTY)),
        _ => leaf_left(op, right),
    }
}

/// The answer where it needs no look inside.
fn at_once(op: Op, a: u32, b: u32) -> Option<u32> {
    let result = |effect, other| match effect {
        Effect::Always(answer) => answer,
        Effect::Other => other,
    };
    if a == b {
        return Some(match op {
            Op::And | Op::Or | Op::Exists | Op::Forall => a,
            Op::Minus | Op::Xor => EMPTY,
        });
    }
    leaf_left(op, a).map(|effect| result(effect, b)).or_else(|| leaf_right(op, b).map(|effect| result(effect, a)))
}

impl Space {
    /// `op` is one of the four with two sets. Recursion ends after as many levels as there are fields.
    pub(super) fn apply(&mut self, op: Op, a: u32, b: u32) -> Result<u32, GaveUp> {
        if let Some(answer) = at_once(op, a, b) {
            return Ok(answer);
        }
        // Or, And, Xor do not care for the order; what is told apart from everything is a difference.
        let (op, a, b) = match op {
            Op::Xor if a == ALL || b == ALL => (Op::Minus, ALL, if a == ALL { b } else { a }),
            Op::And | Op::Or | Op::Xor if a > b => (op, b, a),
            _ => (op, a, b),
        };
        if let Some(answer) = self.cache.get(op, a, b) {
            return Ok(answer);
        }
        let (node_a, node_b) = (self.store.node(a), self.store.node(b));
        let level = node_a.level.min(node_b.level);
        // The set that does not ask for the field is one interval.
        let (split_a, split_b) = (node_a.level == level, node_b.level == level);
        let start = self.scratch.len();
        let (mut at_a, mut at_b) = (0, 0);
        loop {
            let (bound_a, target_a) = if split_a { self.store.edge(&node_a, at_a) } else { (u128::MAX, a) };
            let (bound_b, target_b) = if split_b { self.store.edge(&node_b, at_b) } else { (u128::MAX, b) };
            // Where a leaf decides over several intervals of the other side, they are taken at once.
            let bound = if bound_a < bound_b
                && let Some(effect) = leaf_right(op, target_b)
            {
                at_a = self.run(start, effect, &node_a, at_a, bound_b);
                at_b += 1;
                at_a += u32::from(self.store.edge(&node_a, at_a).0 == bound_b);
                bound_b
            } else if bound_b < bound_a
                && let Some(effect) = leaf_left(op, target_a)
            {
                at_b = self.run(start, effect, &node_b, at_b, bound_a);
                at_a += 1;
                at_b += u32::from(self.store.edge(&node_b, at_b).0 == bound_a);
                bound_a
            } else {
                let target = self.apply(op, target_a, target_b)?;
                let bound = bound_a.min(bound_b);
                self.push(start, bound, target);
                at_a += u32::from(bound == bound_a);
                at_b += u32::from(bound == bound_b);
                bound
            };
            if bound == u128::MAX {
                break; // explicit bounds stay below their field's largest value
            }
        }
        self.step(u64::from(at_a) + u64::from(at_b))?;
        let answer = self.seal(level, start)?;
        self.cache.put(op, a, b, answer, self.store.len());
        Ok(answer)
    }

    /// The intervals of a node from `at` up to `last`, as a leaf on the other side makes them; gives the interval in which
    /// `last` lies. It lies behind the end of the interval at `at`.
    fn run(&mut self, start: usize, effect: Effect, node: &Node, at: u32, last: u128) -> u32 {
        let end = self.store.seek(node, at, last);
        match effect {
            Effect::Always(answer) => self.push(start, last, answer),
            Effect::Other => {
                let (bound, target) = self.store.edge(node, at);
                self.push(start, bound, target);
                self.store.copy_edges(node, at + 1..end, &mut self.scratch);
                self.scratch.push((last, self.store.edge(node, end).1));
            }
        }
        end
    }

    /// All of them, in a balanced tree of pairs.
    pub(super) fn apply_all(&mut self, op: Op, sets: &mut Vec<u32>) -> Result<u32, GaveUp> {
        sets.sort_unstable();
        sets.dedup();
        while sets.len() > 1 {
            let half = sets.len().div_ceil(2);
            for pair in 0..sets.len() / 2 {
                sets[pair] = self.apply(op, sets[2 * pair], sets[2 * pair + 1])?;
            }
            if sets.len() % 2 == 1 {
                sets[half - 1] = sets[sets.len() - 1];
            }
            sets.truncate(half);
        }
        Ok(sets.first().copied().unwrap_or(if op == Op::And { ALL } else { EMPTY }))
    }

    fn pair(&mut self, op: Op, a: Set, b: Set) -> Result<Set, GaveUp> {
        self.question(|space| space.apply(op, a.0, b.0)).map(Set)
    }

    /// Packets in either.
    pub fn union(&mut self, a: Set, b: Set) -> Result<Set, GaveUp> {
        self.pair(Op::Or, a, b)
    }

    /// Packets in both.
    pub fn intersect(&mut self, a: Set, b: Set) -> Result<Set, GaveUp> {
        self.pair(Op::And, a, b)
    }

    /// Packets in `a` and not in `b`.
    pub fn minus(&mut self, a: Set, b: Set) -> Result<Set, GaveUp> {
        self.pair(Op::Minus, a, b)
    }

    /// Packets in exactly one of them.
    pub fn symmetric_difference(&mut self, a: Set, b: Set) -> Result<Set, GaveUp> {
        self.pair(Op::Xor, a, b)
    }

    /// Packets outside.
    pub fn complement(&mut self, set: Set) -> Result<Set, GaveUp> {
        self.pair(Op::Minus, Set::ALL, set)
    }

    /// Packets in any of them. For many boxes take [`Space::cubes`].
    pub fn union_all(&mut self, sets: &[Set]) -> Result<Set, GaveUp> {
        let mut ids: Vec<u32> = sets.iter().map(|set| set.0).collect();
        self.question(|space| space.apply_all(Op::Or, &mut ids)).map(Set)
    }

    /// Packets in every one of them.
    pub fn intersect_all(&mut self, sets: &[Set]) -> Result<Set, GaveUp> {
        let mut ids: Vec<u32> = sets.iter().map(|set| set.0).collect();
        self.question(|space| space.apply_all(Op::And, &mut ids)).map(Set)
    }
}
