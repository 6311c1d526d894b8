//! Watching: events come in, alerts come out.
//!
//! [`State::step`] is a pure fold: the clock is an event like any other, nothing of it reads files, sockets or the time, and
//! every table has a named limit. What is lost at a limit is counted in [`Lost`]. Around it: [`live`] brings events from the
//! kernel, [`journal`] writes down, [`forward`] sends a copy to a collector, [`store`] keeps, [`notify`] tells people,
//! [`metrics`] answers who measures, [`view`] shows it to who looks on.

pub mod alert;
mod complaints;
pub mod daemon;
mod detect;
pub mod event;
pub mod forward;
mod iface;
pub mod journal;
pub mod klog;
pub mod live;
pub mod metrics;
pub mod network;
pub mod notify;
mod remote;
mod state;
pub mod store;
pub mod totals;
pub mod traffic;
pub mod view;

pub use alert::Alert;
pub use detect::limits;
pub use event::{At, Event};
pub use network::{Cause, Network};
pub use state::{Lost, Options, State};
