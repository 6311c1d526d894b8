//! Ruleset and policy → what a box loads. Same input, same bytes.
//!
//! [`bundle`] is all of it for one box. Every value of the policy is escaped for the program that reads it; what a program
//! cannot be told is refused by `check` before it comes here.

mod bundle;
mod comment;
mod daemons;
mod dhcp;
mod ends;
mod head;
mod interfaces;
pub mod iptables;
mod logrotate;
mod modules;
pub mod nft;
mod openrc;
mod rsyslog;
mod rulesets;
mod sysctl;
mod systemd;

pub use bundle::{Artifact, Bundle, Facts, Input, System, Target, artifacts, bundle, everything};
pub use daemons::{GUARD, daemon_programs};
