//! What people read: the network as Markdown, as an HTML page and as a drawing.
//!
//! Who reaches whom comes from [`crate::analysis::matrix`] and so from the ruleset that is emitted, proved and probed, never
//! from the text of a rule. What is written has no date of its own: same input, same bytes.

pub mod diagram;
mod document;
mod html;
mod html_reach;
mod html_style;
mod markdown;
mod network;
mod plain;
mod proof;
mod reach;
pub mod sarif;
mod sections;
mod sections_addresses;
mod sections_rules;
mod sections_server;

pub use html::html;
pub use markdown::markdown;
pub use network::{Claim, Network, network};
pub use plain::safe;
pub use proof::{ProofOutcome, ProofSummary};
pub use reach::{Group, Pair, Phrase, Reach};

pub use crate::source::OURS;
