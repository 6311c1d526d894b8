//! Values of a field that behave alike.

use super::intern::{Interner, Memo};
use super::{Field, GaveUp, Set, Space};

/// Where the nodes that ask for the field lead for one value, as one number: equal numbers, equal answers everywhere.
/// A binary tree over the nodes, so that a change at one of them costs its logarithm.
struct Signature {
    leaves: usize,
    tree: Vec<u32>,
    pairs: Interner<(u32, u32)>,
}

impl Signature {
    fn new(nodes: usize) -> Self {
        let leaves = nodes.next_power_of_two();
        let mut signature = Self { leaves, tree: vec![0; 2 * leaves], pairs: Interner::new() };
        for place in (1..leaves).rev() {
            signature.renew(place);
        }
        signature
    }

    fn renew(&mut self, place: usize) {
        self.tree[place] = self.pairs.intern((self.tree[2 * place], self.tree[2 * place + 1]));
    }

    fn set(&mut self, node: usize, target: u32) {
        let mut place = self.leaves + node;
        self.tree[place] = target;
        while place > 1 {
            place /= 2;
            self.renew(place);
        }
    }

    fn whole(&self) -> u32 {
        self.tree[1]
    }
}

impl Space {
    /// The field's domain in classes of values that none of the sets tells apart, by their lowest values; each class is
    /// in order and apart.
    ///
    /// Two values are alike exactly when every node that asks for the field, and can be reached without its answer, sends
    /// them to the same place.
    pub fn classes(&mut self, sets: &[Set], field: Field) -> Result<Vec<Vec<(u128, u128)>>, GaveUp> {
        self.question(|space| {
            let asking = space.asking(sets, field)?;
            let mut changes = Vec::new();
            for (place, id) in asking.iter().enumerate() {
                let mut first = 0;
                for (bound, target) in space.store.edges(space.store.node(*id)) {
                    changes.push((first, place, target));
                    first = bound.saturating_add(1);
                }
            }
            space.step(changes.len() as u64 * u64::from(asking.len().checked_ilog2().unwrap_or(0) + 1))?;
            changes.sort_unstable();
            let mut signature = Signature::new(asking.len());
            let mut known = Interner::new();
            let mut classes: Vec<Vec<(u128, u128)>> = Vec::new();
            let mut groups = changes.chunk_by(|a, b| a.0 == b.0).peekable();
            if groups.peek().is_none() {
                return Ok(vec![vec![(0, field.max())]]);
            }
            while let Some(group) = groups.next() {
                for (_, place, target) in group {
                    signature.set(*place, *target);
                }
                let first = group[0].0;
                let last = groups.peek().map_or(field.max(), |next| next[0].0 - 1);
                let class = known.intern(signature.whole()) as usize;
                if class == classes.len() {
                    classes.push(Vec::new());
                }
                // The interval before is in another class: some node sends the two to different places.
                classes[class].push((first, last));
            }
            Ok(classes)
        })
    }

    /// The nodes of these sets that ask for the field.
    fn asking(&mut self, sets: &[Set], field: Field) -> Result<Vec<u32>, GaveUp> {
        let mut asking = Vec::new();
        let mut seen = Memo::new();
        let mut open: Vec<u32> = sets.iter().map(|set| set.0).collect();
        while let Some(id) = open.pop() {
            let node = self.store.node(id);
            if node.level > field as u8 || !seen.note(id) {
                continue;
            }
            if node.level == field as u8 {
                asking.push(id);
            } else {
                self.step(u64::from(node.len))?;
                open.extend(self.store.targets(&node));
            }
        }
        asking.sort_unstable();
        Ok(asking)
    }
}
