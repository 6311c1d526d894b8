//! From one generation to the next, or back: a transaction over everything on the box.
//!
//! The journal says what is being done and is on the disk before anything is touched; `confirmed` names the generation that
//! holds, and replacing it is the one moment at which the new generation becomes it. Whoever finds a journal without its
//! owner leads the box back: the watchdog that every apply starts first, the next command, or the boot service.

pub mod boot;
mod files;
mod generation;
pub mod host;
mod journal;
mod recover;
mod store;
mod transaction;

pub use files::{remove_for_good, temporary, write_whole};
pub use generation::{Candidate, Compiled, Manifest, Outcome, Who};
pub use host::{Clock, Host, HostError, Verdict};
pub use journal::{Deadline, Journal, Phase};
pub use recover::{Back, Recovery, Scope, recover, undo};
pub use store::{GENERATIONS_MAX, ROOT, Store};
pub use transaction::{Applied, ApplyError, ConfirmError, Planned, Request, apply, confirm, plan};
