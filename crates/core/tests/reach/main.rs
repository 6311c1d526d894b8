//! Service matrices and differences of foreign rules, against a naive reading that takes one packet at a time.
//!
//! `SEGWALL_FULL=1` takes ten times as many programs.

#![allow(clippy::unwrap_used, reason = "tests")]

mod differences;
mod matrix;
mod naive;
mod packets;

fn full(count: u64) -> u64 {
    if std::env::var_os("SEGWALL_FULL").is_some() { count * 10 } else { count }
}
