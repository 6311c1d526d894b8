//! Sets of packets, exactly: a hash-consed, canonical interval decision diagram.
//!
//! A node asks for one [`Field`] and cuts its domain into intervals; each interval leads to a node that asks for a later
//! field, or to [`Set::EMPTY`] or [`Set::ALL`]. Neighbouring intervals never lead to the same place, a node that would
//! not distinguish anything is left out, and equal nodes are one node. So two sets of one [`Space`] hold the same
//! packets exactly when their ids are equal, and every path from a node to [`Set::ALL`] is a box a person can read.

mod apply;
mod boxes;
mod cache;
mod classes;
mod disjoint;
mod import;
mod interface;
mod intern;
mod look;
mod order;
mod point;
mod quantify;
mod simplify;
mod space;
mod store;
mod sweep;
mod wellformed;

pub use boxes::Boxes;
pub use interface::{interface, interface_text, interfaces_starting_with};
pub use point::{Cube, Point};
pub use space::Space;

use std::fmt;

use crate::Field;

/// A set of packets in a [`Space`]. Equal ids of one space are equal sets; ids of two spaces have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set(u32);

impl Set {
    /// No packet.
    pub const EMPTY: Self = Self(store::EMPTY);
    /// Every packet.
    pub const ALL: Self = Self(store::ALL);

    /// Whether no packet is inside.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether every packet is inside, those that no sender can make included (see [`Space::wellformed`]).
    #[must_use]
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }
}

/// A question needed more nodes, or more steps for each node, than its space allows. The space can still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GaveUp {
    /// How many nodes the space held at that moment.
    pub nodes: usize,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gave up after {} nodes", self.nodes)
    }
}

impl std::error::Error for GaveUp {}
