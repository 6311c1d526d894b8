//! `segwall.toml` → [`Policy`]: parse, resolve names, validate. All faults at once, never a panic.

mod model;

pub use model::*;
