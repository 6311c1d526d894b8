//! The network as a drawing: SVG for people, Mermaid and DOT for their tools.
//!
//! Edges are the groups of [`Reach`](super::Reach), which come from the ruleset. What the box opens without a rule is
//! said in a note instead of drawn.

mod dot;
mod grid;
mod legend;
mod mermaid;
mod metrics;
mod scene;
mod svg;
mod tracks;
mod wrap;
mod zones;

pub use dot::dot;
pub use mermaid::mermaid;
pub use scene::{Anchor, Extent, Item, Scene, Text};
pub use svg::svg;

use super::network::Network;

/// With more zones boxes and arrows are wider than a screen; a grid of zones by zones can still be read.
pub const BOXES_ZONES_MAX: usize = 10;

/// The drawing as a value: what is where, and how large.
#[must_use]
pub fn scene(network: &Network<'_>) -> Scene {
    if network.reach.zones.len() <= BOXES_ZONES_MAX { tracks::layout(network) } else { grid::layout(network) }
}

pub(super) use legend::class_code;
pub(super) use svg::{DARK, HUES, LIGHT, svg_element};
