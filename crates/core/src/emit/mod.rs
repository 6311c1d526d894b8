//! Ruleset → what a backend loads. Same input, same bytes.

mod comment;
mod ends;
pub mod iptables;
pub mod nft;
