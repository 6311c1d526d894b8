//! Readers of what a kernel runs, and what it means.

#![allow(clippy::unwrap_used, reason = "tests")]

mod nft_json;
