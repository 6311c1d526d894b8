//! For Prometheus and others: the exposition format, version 0.0.4, and who serves it.

mod page;
mod server;
mod text;

pub use page::{Info, Snapshot, Told, page};
pub use server::{Pages, Server};
