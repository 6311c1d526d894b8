//! What a policy comes to: who reaches whom, why, and what is wrong with it.
//!
//! Everything here asks the oracle ([`crate::ruleset::Ruleset::judge`]) for one packet, or its sets (`always`, [`proof`])
//! for all, and decides nothing by itself.

mod always;
mod blast;
mod blast_ways;
mod boxes;
mod boxes_at;
mod check;
mod classes;
pub mod codes;
pub mod diff;
mod domain;
mod expect;
mod explain;
mod explain_advice;
mod explain_area;
mod explain_ends;
mod explain_parts;
#[cfg(feature = "testing")]
mod explain_proof;
mod explain_sets;
pub mod foreign;
mod lints;
mod matrix;
mod matrix_text;
pub mod openings;
pub mod proof;
mod questions;
mod resolver;
mod service_classes;
pub mod service_matrix;
pub mod sets;
mod times;
mod words;

pub use blast::{Blast, NoBlast, Step, blast};
pub use blast_ways::Inroad;
pub use check::{check, check_within, unlearned};
pub use domain::{is_stand_in, with_stand_ins};
pub use explain::{Covering, Explanation, PARTS_MAX, Part, Way, explain};
pub use explain_ends::Misunderstood;
pub use explain_parts::reason_words;
#[cfg(feature = "testing")]
pub use explain_proof::{Proved, prove_explanation};
pub use matrix::{Cell, Grant, Matrix, NeedLine, Refusal, matrix};
pub use resolver::resolvers;
pub use words::{EVERYTHING, Words, flow_words, schedule_words};
