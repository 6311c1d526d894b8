//! What is wrong with rules that nobody wrote as a policy: iptables scripts, saved tables, what a kernel holds.
//!
//! Only what is strictly true is said. A rule is called dead when no packet can match it, a packet is called accepted
//! when every way of reading what is unknown accepts it. Where something in a file was not understood, findings about
//! that file say so. One lint, one file; its page in `docs/lints/` is its test.

mod audit;
pub mod codes;
mod lints;
mod names;
mod rules;
mod view;

pub use audit::{Approximation, Audit, FOUND_PER_CODE_MAX, Found, audit};

use segwall_packetset::AddrRange;

use crate::netfilter::Program;
use crate::source::Source;

/// Rules of one file, or of the kernel.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// The text that places in `program` are about.
    pub source: &'r Source,
    /// What it comes to.
    pub program: &'r Program,
}

/// An interface and the addresses behind it, as someone says who knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The networks of its addresses; none where it has no address.
    pub networks: Vec<AddrRange>,
}
