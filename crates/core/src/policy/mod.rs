//! `segwall.toml` → [`Policy`]: parse, resolve names, validate. All faults at once, never a panic.
//!
//! Passes in order, each skipping what an earlier one found broken: syntax, names, interfaces and networks, hosts and
//! sets, DHCP, groups and services, rules. A place that is broken is reported once; whatever names it stays silent.

mod closed;
pub mod codes;
pub mod dhcp_option;
mod ends;
mod env;
mod faults;
mod forwards;
mod graph;
mod hosts;
mod keys;
mod last_day;
mod learning;
mod literals;
mod load;
mod log;
mod model;
mod names;
mod networks;
mod quarantine;
mod read;
mod reader;
mod rules;
mod schema;
mod segment_dhcp;
mod segments;
mod service_text;
mod services;
mod settings;
mod silences;
mod syntax;
mod unclosed;
mod uplinks;
mod wiring;

pub use load::{Context, Loaded, load};
pub use model::*;
pub use read::{Unreadable, read_bytes};
pub use schema::schema;
pub use service_text::write_service;
pub(crate) use services::icmp_named;
pub use services::{built_in as built_in_service, built_in_names as built_in_service_names};
pub use silences::ALERT_KINDS;
