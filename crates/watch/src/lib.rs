//! Watching: what happens on the box is written down, and a copy goes to a collector.

pub mod forward;
