//! Where nodes live: pools of bounds by width, one pool of targets, and the table that makes equal nodes one.

use hashbrown::HashTable;

use super::Field;
use super::intern::fold;

pub(super) const EMPTY: u32 = 0;
pub(super) const ALL: u32 = 1;

/// The level of both leaves: behind every field.
pub(super) const LEAF: u8 = Field::COUNT as u8;

/// An interval and where it leads: the interval's last value and a node. It begins behind the one before; the last one
/// reaches to the end of the domain and has `u128::MAX` here, whatever the domain.
pub(super) type Edge = (u128, u32);

/// How wide the explicit bounds of a node are stored: IPv4 addresses do not pay for IPv6.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Narrow,
    Middle,
    Wide,
}

/// A node's head. The last edge has no bound of its own, so there is one bound less than targets.
#[derive(Clone, Copy)]
pub(super) struct Node {
    /// Index of the field it asks for, or [`LEAF`].
    pub(super) level: u8,
    width: Width,
    /// How many edges; at least two, except for leaves.
    pub(super) len: u32,
    bounds: u32,
    targets: u32,
}

pub(super) struct Store {
    nodes: Vec<Node>,
    narrow: Vec<u32>,
    middle: Vec<u64>,
    wide: Vec<u128>,
    targets: Vec<u32>,
    unique: HashTable<u32>,
}

/// A moment to which the store can return.
pub(super) struct Mark {
    pub(super) nodes: usize,
    narrow: usize,
    middle: usize,
    wide: usize,
    targets: usize,
}

impl Store {
    pub(super) fn new() -> Self {
        let leaf = Node { level: LEAF, width: Width::Narrow, len: 0, bounds: 0, targets: 0 };
        Self {
            nodes: vec![leaf; 2],
            narrow: Vec::new(),
            middle: Vec::new(),
            wide: Vec::new(),
            targets: Vec::new(),
            unique: HashTable::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn edges_len(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn node(&self, id: u32) -> Node {
        self.nodes[id as usize]
    }

    pub(super) fn level(&self, id: u32) -> u8 {
        self.nodes[id as usize].level
    }

    #[inline]
    pub(super) fn edge(&self, node: &Node, at: u32) -> Edge {
        let target = self.targets[(node.targets + at) as usize];
        if at + 1 == node.len {
            return (u128::MAX, target);
        }
        let bound = (node.bounds + at) as usize;
        let bound = match node.width {
            Width::Narrow => u128::from(self.narrow[bound]),
            Width::Middle => u128::from(self.middle[bound]),
            Width::Wide => self.wide[bound],
        };
        (bound, target)
    }

    pub(super) fn targets(&self, node: &Node) -> &[u32] {
        &self.targets[node.targets as usize..(node.targets + node.len) as usize]
    }

    pub(super) fn edges(&self, node: Node) -> impl Iterator<Item = Edge> {
        (0..node.len).map(move |at| self.edge(&node, at))
    }

    /// Where a value leads. Not for leaves.
    pub(super) fn follow(&self, node: &Node, value: u128) -> u32 {
        let from = node.bounds as usize;
        let range = from..from + node.len as usize - 1;
        let at = match node.width {
            Width::Narrow => self.narrow[range].partition_point(|bound| u128::from(*bound) < value),
            Width::Middle => self.middle[range].partition_point(|bound| u128::from(*bound) < value),
            Width::Wide => self.wide[range].partition_point(|bound| *bound < value),
        };
        self.targets[node.targets as usize + at]
    }

    fn hash(level: u8, edges: impl Iterator<Item = Edge>) -> u64 {
        edges.fold(u64::from(level), |hash, (bound, target)| {
            let hash = fold(hash, bound as u64);
            fold(hash, (bound >> 64) as u64 ^ u64::from(target) << 32)
        })
    }

    fn hash_of(&self, id: u32) -> u64 {
        let node = self.node(id);
        Self::hash(node.level, self.edges(node))
    }

    /// The node with these edges, if there is one, and their hash.
    pub(super) fn find(&self, level: u8, edges: &[Edge]) -> (Option<u32>, u64) {
        let hash = Self::hash(level, edges.iter().copied());
        let found = self.unique.find(hash, |id| {
            let node = self.node(*id);
            node.level == level && node.len as usize == edges.len() && self.edges(node).eq(edges.iter().copied())
        });
        (found.copied(), hash)
    }

    /// Adds a node that is not there yet. `edges` has two or more, the bounds rise, neighbours differ in target.
    pub(super) fn add(&mut self, level: u8, edges: &[Edge], hash: u64) -> u32 {
        const SMALL: &str = "the space limits nodes and edges far below 2^32";
        let id = u32::try_from(self.nodes.len()).expect(SMALL);
        let (_, bounded) = edges.split_last().expect("a node has two edges or more");
        let largest = bounded.last().map_or(0, |(bound, _)| *bound);
        let bounds = bounded.iter().map(|(bound, _)| *bound);
        // The casts lose nothing: no bound is above the largest.
        let (width, start) = if largest <= u128::from(u32::MAX) {
            let start = self.narrow.len();
            self.narrow.extend(bounds.map(|bound| bound as u32));
            (Width::Narrow, start)
        } else if largest <= u128::from(u64::MAX) {
            let start = self.middle.len();
            self.middle.extend(bounds.map(|bound| bound as u64));
            (Width::Middle, start)
        } else {
            let start = self.wide.len();
            self.wide.extend(bounds);
            (Width::Wide, start)
        };
        let targets = self.targets.len();
        self.targets.extend(edges.iter().map(|(_, target)| *target));
        self.nodes.push(Node {
            level,
            width,
            len: u32::try_from(edges.len()).expect(SMALL),
            bounds: u32::try_from(start).expect(SMALL),
            targets: u32::try_from(targets).expect(SMALL),
        });
        // The table hashes again when it grows, so it must see the pools without itself.
        let mut unique = std::mem::take(&mut self.unique);
        unique.insert_unique(hash, id, |id| self.hash_of(*id));
        self.unique = unique;
        id
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            nodes: self.nodes.len(),
            narrow: self.narrow.len(),
            middle: self.middle.len(),
            wide: self.wide.len(),
            targets: self.targets.len(),
        }
    }

    /// Forgets every node added since.
    pub(super) fn rollback(&mut self, mark: &Mark) {
        for index in mark.nodes..self.nodes.len() {
            let id = u32::try_from(index).expect("ids are 32 bits");
            let hash = self.hash_of(id);
            if let Ok(entry) = self.unique.find_entry(hash, |known| *known == id) {
                entry.remove();
            }
        }
        self.nodes.truncate(mark.nodes);
        self.narrow.truncate(mark.narrow);
        self.middle.truncate(mark.middle);
        self.wide.truncate(mark.wide);
        self.targets.truncate(mark.targets);
    }
}
