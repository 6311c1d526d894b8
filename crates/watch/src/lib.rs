//! Watching: events come in, alerts come out.

pub mod notify;
