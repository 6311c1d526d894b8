//! The boxes that make up a set, one at a time.

use super::store::{ALL, EMPTY};
use super::{Cube, Field, Set, Space};

/// Where the values of a field lead: a node, and the ranges that lead there.
pub(super) type Branch = (u32, Vec<(u128, u128)>);

impl Space {
    /// The ways out of a node but for those to nothing, by their lowest values; every target once. Not for leaves.
    pub(super) fn branches(&self, id: u32) -> Vec<Branch> {
        let node = self.store.node(id);
        let Some(field) = Field::ALL.get(node.level as usize).copied() else { return Vec::new() };
        let mut edges = Vec::with_capacity(node.len as usize);
        let mut first = 0;
        for (bound, target) in self.store.edges(node) {
            let last = bound.min(field.max());
            if target != EMPTY {
                edges.push((target, first, last));
            }
            first = last.saturating_add(1);
        }
        edges.sort_unstable();
        let mut branches: Vec<Branch> = edges
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| (group[0].0, group.iter().map(|(_, first, last)| (*first, *last)).collect()))
            .collect();
        branches.sort_unstable_by_key(|(_, ranges)| ranges[0]);
        branches
    }

    /// The set as boxes that do not overlap, made one at a time: a set may have more of them than anyone can read, so
    /// take as many as you show.
    #[must_use]
    pub fn boxes(&self, set: Set) -> Boxes<'_> {
        let mut boxes = Boxes { space: self, path: Vec::new(), whole: set.is_all() };
        boxes.enter(set.0);
        boxes
    }
}

/// The boxes of a set, see [`Space::boxes`].
pub struct Boxes<'s> {
    space: &'s Space,
    /// A node's branches for each level of the path; the last of each list is the one at hand.
    path: Vec<(Field, Vec<Branch>)>,
    /// The set is everything, and its one box was not handed out yet.
    whole: bool,
}

impl Boxes<'_> {
    fn enter(&mut self, id: u32) {
        if let Some(field) = Field::ALL.get(self.space.store.level(id) as usize) {
            let mut branches = self.space.branches(id);
            branches.reverse();
            self.path.push((*field, branches));
        }
    }

    /// To the next branch that was not walked.
    fn advance(&mut self) {
        while let Some((_, branches)) = self.path.last_mut() {
            branches.pop();
            if !branches.is_empty() {
                return;
            }
            self.path.pop();
        }
    }
}

impl Iterator for Boxes<'_> {
    type Item = Cube;

    fn next(&mut self) -> Option<Cube> {
        if std::mem::take(&mut self.whole) {
            return Some(Cube::all());
        }
        loop {
            let (target, _) = self.path.last()?.1.last()?;
            if *target == ALL {
                break;
            }
            self.enter(*target);
        }
        let ranges = self.path.iter().filter_map(|(field, branches)| Some((*field, branches.last()?.1.clone())));
        let cube = Cube::from_parts(ranges.collect());
        self.advance();
        Some(cube)
    }
}
