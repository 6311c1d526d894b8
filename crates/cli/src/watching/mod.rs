//! `segwall watch` on the running box, as two processes: one that reads what strangers send and may do nothing else, and
//! one that keeps it, reads the policy, and does what takes more rights (ADR 9).

mod drift;
mod keeper;
mod policy;
mod reaction;
mod signals;
mod watcher;
mod words;

pub use keeper::keep;
pub use policy::{find, generation, makers, network, watched};
pub use watcher::watch;
