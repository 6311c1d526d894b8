//! How a script comes to its tables: what each of its calls changes, in order.
//!
//! What is loaded at the end says nothing of the moments before.

use super::model::TableFamily;
use crate::source::Span;

/// The calls of a script that change a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// In the order in which they are done.
    pub calls: Vec<Call>,
    /// The script ends where a call fails (`set -e`).
    pub stops_at_failure: bool,
}

/// A call that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which program: iptables or ip6tables.
    pub family: TableFamily,
    /// Which table.
    pub table: String,
    /// What it does.
    pub change: Change,
    /// The whole call.
    pub span: Span,
}

/// What a call does to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Takes every rule out of a chain; `None`: of every chain.
    Flush(Option<String>),
    /// Takes a chain away; `None`: every empty one that is not built in.
    DeleteChain(Option<String>),
    /// What becomes of packets that no rule of this chain decides: accepted, else dropped.
    Policy(String, bool),
    /// Puts a rule into a chain, or another in its place.
    Rule(String),
    /// Takes a rule out of a chain, renames one, makes one.
    Other,
}
