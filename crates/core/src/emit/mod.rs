//! Ruleset → what a backend loads. Same input, same bytes.

pub mod nft;
