//! What the kernel tells of traffic, for those who watch all day: each source has a descriptor to poll, gives plain values,
//! reads a bounded amount at a time and counts what it lost. What any of it means is decided elsewhere.
//!
//! Connections as they begin and end are in [`crate::conntrack::Events`], counters and sets in [`crate::nf_tables`].

mod fill;
mod packets;
mod surroundings;

pub use fill::{Fill, fill};
pub use packets::{Losses, PacketLog};
pub use surroundings::{Surrounding, Surroundings, SurroundingsError};
