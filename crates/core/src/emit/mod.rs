//! Ruleset → what a backend loads. Same input, same bytes.

pub mod bundle;
mod comment;
mod ends;
pub mod iptables;
pub mod nft;
