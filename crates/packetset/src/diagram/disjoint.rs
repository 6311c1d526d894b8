//! Whether two sets have a packet in common, without making the set of those.

use super::intern::Interner;
use super::store::{ALL, EMPTY};
use super::{Set, Space};

impl Space {
    /// Whether no packet is in both sets. No node is made, and the first packet that is found ends the search.
    #[must_use]
    pub fn is_disjoint(&self, a: Set, b: Set) -> bool {
        !self.meets(a.0, b.0, &mut Interner::new())
    }

    /// `apart` holds pairs that were found to have nothing in common, or are being looked at.
    fn meets(&self, a: u32, b: u32, apart: &mut Interner<(u32, u32)>) -> bool {
        if a == EMPTY || b == EMPTY {
            return false;
        }
        if a == ALL || b == ALL || a == b {
            return true;
        }
        let pair = (a.min(b), a.max(b));
        if apart.find(&pair).is_some() {
            return false;
        }
        apart.intern(pair);
        let (left, right) = (self.store.node(a), self.store.node(b));
        if left.level != right.level {
            let (node, other) = if left.level < right.level { (left, b) } else { (right, a) };
            return self.store.targets(&node).iter().any(|target| self.meets(*target, other, apart));
        }
        let (mut lefts, mut rights) = (self.store.edges(left), self.store.edges(right));
        let (mut one, mut two) = (lefts.next(), rights.next());
        while let (Some((left, target)), Some((right, other))) = (one, two) {
            if self.meets(target, other, apart) {
                return true;
            }
            if left <= right {
                one = lefts.next();
            }
            if right <= left {
                two = rights.next();
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cube, Field};

    #[test]
    fn it_agrees_with_the_intersection() {
        let mut space = Space::default();
        let mut sets = vec![Set::EMPTY, Set::ALL];
        for number in 0..24_u128 {
            let cube = Cube::all().with(Field::Src, number * 7 % 50, number * 7 % 50 + number).with(
                Field::Dport,
                number * 13 % 40,
                number * 13 % 40 + 5,
            );
            let cube = if number % 3 == 0 { cube.with(Field::Proto, number % 5, number % 7) } else { cube };
            let set = space.cube(&cube).expect("fits");
            let last = *sets.last().expect("not empty");
            sets.extend([set, space.union(set, last).expect("fits"), space.complement(set).expect("fits")]);
        }
        let mut apart = 0;
        for a in &sets {
            for b in &sets {
                let both = space.intersect(*a, *b).expect("fits");
                assert_eq!(space.is_disjoint(*a, *b), both.is_empty());
                apart += usize::from(both.is_empty());
            }
        }
        assert!(apart > 100 && apart < sets.len() * sets.len() - 100, "{apart}");
    }
}
