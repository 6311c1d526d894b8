//! Policy → [`Ruleset`]: lowered, backend-neutral, order-free; and the oracle that every backend, proof and probe answers to.

mod judge;
mod lower;
mod model;
mod needs;
pub mod quarantine;
pub(crate) mod slots;
mod windows;

pub(crate) use judge::holds;
pub use judge::{Decision, Reason, private_ipv4};
pub use lower::lower;
pub use model::*;
pub use needs::{MLD, ND_FROM_SEGMENT, ND_FROM_UPLINK};
pub(crate) use windows::week_second;
pub use windows::{At, WEEK_S, Windows};

/// NFLOG group of accepted connections that a rule writes down.
pub const ACCEPT_LOG_GROUP: u16 = 101;
