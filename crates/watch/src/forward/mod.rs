//! x
pub mod message;
pub mod spool;
