//! The space: its limits, and the sets it is asked to make from ranges.

use super::cache::Cache;
use super::point::merge;
use super::store::{ALL, EMPTY, Edge, Store};
use super::{Cube, Field, GaveUp, Point, Set};

/// All sets that are compared with one another, and the nodes they share.
pub struct Space {
    pub(super) store: Store,
    pub(super) cache: Cache,
    /// Edges of nodes in the making, one stack for all levels.
    pub(super) scratch: Vec<Edge>,
    nodes_max: usize,
    /// Work of the question at hand.
    steps: u64,
    pub(super) wellformed: Option<Set>,
}

impl Space {
    /// Nodes a space may hold unless told otherwise. With the largest cache it stays below 300 MB.
    pub const NODES_MAX: usize = 2_000_000;
    /// Memory of nodes and edges for each node allowed, on average: some nodes have thousands of edges.
    pub const BYTES_PER_NODE: usize = 96;
    /// Memory of nodes and edges that is always allowed.
    pub const BYTES_MIN: usize = 16 << 20;
    /// Steps of one question for each node allowed: where few nodes come of endless work, it ends, too.
    pub const STEPS_PER_NODE: u64 = 128;
    /// Steps that are always allowed.
    pub const STEPS_MIN: u64 = 1 << 24;

    /// A space that gives up when it would need more than `nodes_max` nodes.
    #[must_use]
    pub fn new(nodes_max: usize) -> Self {
        Self {
            store: Store::new(),
            cache: Cache::new(),
            scratch: Vec::new(),
            nodes_max: nodes_max.min(u32::MAX as usize / Self::BYTES_PER_NODE),
            steps: 0,
            wellformed: None,
        }
    }

    /// How many nodes it holds.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.store.len()
    }

    /// How many edges its nodes have.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.store.edges_len()
    }

    /// How much memory its nodes and edges take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Answers one question; when it gives up, everything that was made for it is forgotten, and the space is as before.
    pub(super) fn question<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, GaveUp>) -> Result<T, GaveUp> {
        let mark = self.store.mark();
        self.steps = 0;
        let answer = work(self);
        if answer.is_err() {
            self.scratch.clear();
            self.store.rollback(&mark);
            self.cache.forget_from(mark.nodes);
        }
        answer
    }

    /// Counts work that may not lead to a node.
    pub(super) fn step(&mut self, count: u64) -> Result<(), GaveUp> {
        self.steps += count;
        if self.steps > Self::STEPS_MIN.max(self.nodes_max as u64 * Self::STEPS_PER_NODE) {
            return Err(self.gave_up());
        }
        Ok(())
    }

    fn gave_up(&self) -> GaveUp {
        GaveUp { nodes: self.store.len() }
    }

    /// Puts an edge on the stack; `start` is where the node in the making begins.
    #[inline]
    pub(super) fn push(&mut self, start: usize, bound: u128, target: u32) {
        if self.scratch.len() > start
            && let Some(last) = self.scratch.last_mut()
            && last.1 == target
        {
            last.0 = bound;
        } else {
            self.scratch.push((bound, target));
        }
    }

    /// Takes the edges from `start` off the stack and makes them a node. The last edge's bound is `u128::MAX`.
    pub(super) fn seal(&mut self, level: u8, start: usize) -> Result<u32, GaveUp> {
        let edges = &self.scratch[start..];
        if let [(_, only)] = edges {
            let only = *only;
            self.scratch.truncate(start);
            return Ok(only);
        }
        let (found, hash) = self.store.find(level, edges);
        let id = match found {
            Some(id) => id,
            None => {
                let bytes_max = Self::BYTES_MIN.max(self.nodes_max * Self::BYTES_PER_NODE);
                let bytes = self.store.bytes() + Store::bytes_of(edges);
                if self.store.len() >= self.nodes_max || bytes > bytes_max {
                    return Err(self.gave_up());
                }
                self.store.add(level, edges, hash)
            }
        };
        self.scratch.truncate(start);
        Ok(id)
    }

    /// The node that leads to `inside` for values in `ranges` (in order and apart), to nothing for the others.
    pub(super) fn split(&mut self, field: Field, ranges: &[(u128, u128)], inside: u32) -> Result<u32, GaveUp> {
        let start = self.scratch.len();
        let mut next = 0; // the first value without an edge
        for (first, last) in ranges {
            if let Some(before) = first.checked_sub(1)
                && *first > next
            {
                self.push(start, before, EMPTY);
            }
            if *last == field.max() {
                self.push(start, u128::MAX, inside);
                return self.seal(field as u8, start);
            }
            self.push(start, *last, inside);
            next = last + 1;
        }
        self.push(start, u128::MAX, EMPTY);
        self.seal(field as u8, start)
    }

    /// Packets whose field lies between `first` and `last`, both included.
    pub fn range(&mut self, field: Field, first: u128, last: u128) -> Result<Set, GaveUp> {
        self.ranges(field, &[(first, last)])
    }

    /// Packets whose field lies in one of the ranges, which may overlap and come in any order. A range that ends before
    /// it begins is empty; a part above the field's domain is cut off.
    pub fn ranges(&mut self, field: Field, ranges: &[(u128, u128)]) -> Result<Set, GaveUp> {
        let mut ranges = ranges.to_vec();
        merge(field, &mut ranges);
        self.question(|space| space.split(field, &ranges, ALL)).map(Set)
    }

    /// One packet.
    pub fn point(&mut self, point: &Point) -> Result<Set, GaveUp> {
        let cube = Field::ALL.into_iter().fold(Cube::all(), |cube, field| cube.with_only(field, point.get(field)));
        self.cube(&cube)
    }

    /// Packets in a box.
    pub fn cube(&mut self, cube: &Cube) -> Result<Set, GaveUp> {
        self.question(|space| {
            cube.fields().rev().try_fold(ALL, |inside, (field, ranges)| space.split(field, ranges, inside))
        })
        .map(Set)
    }
}

impl Default for Space {
    /// A space of [`Space::NODES_MAX`] nodes.
    fn default() -> Self {
        Self::new(Self::NODES_MAX)
    }
}
