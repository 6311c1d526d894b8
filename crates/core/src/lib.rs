//! The pure heart of Segwall: text → policy → ruleset → artifacts, every arrow a function of values.
//!
//! Nothing here reads files, sockets, the clock, the environment or randomness; `tests/tidy.rs` in the workspace holds that.

pub mod analysis;
pub mod diag;
pub mod doctor;
pub mod emit;
pub mod import;
pub mod leases;
pub mod netfilter;
pub mod plan;
pub mod policy;
pub mod quarantine;
pub mod report;
pub mod review;
pub mod ruleset;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verify;
