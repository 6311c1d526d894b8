//! What is written down on the box: packets that were refused or logged, and alerts, a line each.
//!
//! Files are rotated by size and dropped by age and number, so that no flood fills a disk; a disk that is full costs lines,
//! which are counted, and nothing else.

mod file;
mod line;

pub use file::{Limits, LogFile};
pub use line::{classic, fields, flag_names, json};
