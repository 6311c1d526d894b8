//! Where nodes live: pools of bounds by width, one pool of targets, and the table that makes equal nodes one.

use std::ops::Range;

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

impl Width {
    /// What the largest explicit bound needs: the last but one edge's.
    fn of(edges: &[Edge]) -> Self {
        match edges.iter().rev().nth(1).map_or(0, |(bound, _)| *bound) {
            0..=0xffff_ffff => Self::Narrow,
            0x1_0000_0000..=0xffff_ffff_ffff_ffff => Self::Middle,
            0x1_0000_0000_0000_0000.. => Self::Wide,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Narrow => size_of::<u32>(),
            Self::Middle => size_of::<u64>(),
            Self::Wide => size_of::<u128>(),
        }
    }
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

    /// Memory of the pools, without the table.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>()
            + self.narrow.len() * size_of::<u32>()
            + self.middle.len() * size_of::<u64>()
            + self.wide.len() * size_of::<u128>()
            + self.targets.len() * size_of::<u32>()
    }

    /// Memory that a node with these edges would take.
    pub(super) fn bytes_of(edges: &[Edge]) -> usize {
        size_of::<Node>() + edges.len() * (Width::of(edges).bytes() + size_of::<u32>())
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

    /// Appends some edges of a node, none of them its last.
    pub(super) fn copy_edges(&self, node: &Node, edges: Range<u32>, out: &mut Vec<Edge>) {
        let bounds = (node.bounds + edges.start) as usize..(node.bounds + edges.end) as usize;
        let targets = &self.targets[(node.targets + edges.start) as usize..(node.targets + edges.end) as usize];
        let targets = targets.iter().copied();
        match node.width {
            Width::Narrow => out.extend(self.narrow[bounds].iter().map(|bound| u128::from(*bound)).zip(targets)),
            Width::Middle => out.extend(self.middle[bounds].iter().map(|bound| u128::from(*bound)).zip(targets)),
            Width::Wide => out.extend(self.wide[bounds].iter().copied().zip(targets)),
        }
    }

    /// The first edge from `at` on that does not end before the value.
    pub(super) fn seek(&self, node: &Node, at: u32, value: u128) -> u32 {
        let range = (node.bounds + at) as usize..(node.bounds + node.len - 1) as usize;
        let passed = match node.width {
            Width::Narrow => self.narrow[range].partition_point(|bound| u128::from(*bound) < value),
            Width::Middle => self.middle[range].partition_point(|bound| u128::from(*bound) < value),
            Width::Wide => self.wide[range].partition_point(|bound| *bound < value),
        };
        at + passed as u32 // fewer than the node's edges
    }

    /// Where a value leads. Not for leaves.
    pub(super) fn follow(&self, node: &Node, value: u128) -> u32 {
        self.targets[(node.targets + self.seek(node, 0, value)) as usize]
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
        let bounds = bounded.iter().map(|(bound, _)| *bound);
        let width = Width::of(edges);
        // The casts lose nothing: no bound is above the largest.
        let start = match width {
            Width::Narrow => {
                let start = self.narrow.len();
                self.narrow.extend(bounds.map(|bound| bound as u32));
                start
            }
            Width::Middle => {
                let start = self.middle.len();
                self.middle.extend(bounds.map(|bound| bound as u64));
                start
            }
            Width::Wide => {
                let start = self.wide.len();
                self.wide.extend(bounds);
                start
            }
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
