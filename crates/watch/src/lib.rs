//! Watching: events come in, alerts come out.
//!
//! [`State::step`] is a pure fold: the clock is an event like any other, nothing here reads files, sockets or the time, and
//! every table has a named limit. What is lost at a limit is counted in [`Lost`].

pub mod alert;
mod detect;
pub mod event;
pub mod klog;
pub mod network;
mod state;

pub use alert::Alert;
pub use detect::limits;
pub use event::{At, Event};
pub use network::Network;
pub use state::{Lost, Options, State};
