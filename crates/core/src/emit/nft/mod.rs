//! nftables: one table of our own, `inet segwall`, whose meaning for every packet is [`Ruleset::judge`]'s.
//!
//! One chain per hook. New connections are looked up in flat sets whose keys are what the policy names; only port and
//! address ranges need interval sets. The order in every hook is the oracle's: anti-spoofing, quarantine, connection
//! state, what no drop cancels, drops, rejects, accepts, drop.
//!
//! What a reader of the rules may wonder about:
//! - A reject answers TCP with a reset and everything else with "administratively prohibited": the sender learns that a
//!   rule forbids it, not that nobody listens.
//! - What a segment needs and no drop cancels is accepted before rules that write down, so it is not written down.
//! - Neighbour discovery is accepted with hop limit 255 only and MLD with 1: what the protocols demand of neighbours.
//! - The kernel's `meta day` follows the kernel's own time zone (`hwclock --systz` with a clock in local time sets it),
//!   hours and instants are UTC. Texts are loaded with `TZ=UTC`.
//! - `ct original proto-dst` cannot be part of a key in nft 1.0.6: accepts of port forwards are rules, behind one match
//!   on translated connections.

mod antispoof;
mod disjoint;
mod drops;
mod exclusive;
mod filter;
mod limits;
mod model;
mod named_sets;
mod nat;
mod quarantine;
mod script;
mod services;
mod shape;
mod tables;
mod text;
mod treatment;
mod update;

pub use drops::{PAIRS_DROPPED, counted_drops};
pub use model::{Action, Base, Chain, Field, Hook, Key, NamedLimit, Part, Program, Rule, Set, SetKind, State, Type};
pub use script::element_weight;

use crate::ruleset::{At, Ruleset};

/// The name of the table (family `inet`) that is ours.
pub use crate::ruleset::quarantine::TABLE;
/// NFLOG group of drops and rejects.
pub const DROP_LOG_GROUP: u16 = 100;
pub use crate::ruleset::ACCEPT_LOG_GROUP;
/// Bytes of a packet that are copied to the log's reader: IPv6 and transport header fit.
pub const LOG_BYTES: u32 = 96;
/// Messages the kernel gathers before it wakes the log's reader (it also does once a second).
pub const LOG_BATCH: u32 = 256;
pub use quarantine::QUARANTINED_MAX;
/// Pairs of interfaces with drops that are remembered.
pub const DROP_PAIRS_MAX: u32 = 4096;
/// How long a pair with drops is remembered after the last one.
pub const DROP_PAIR_TIMEOUT_S: u32 = 24 * 60 * 60;
/// Interfaces whose drops are counted by reason.
pub const DROP_INTERFACES_MAX: u32 = 16_384;
/// Sources that a `limit_by = "source"` tells apart; further ones are not accepted while it is full.
pub const LIMIT_SOURCES_MAX: u32 = 65_536;
/// A written accept whose interfaces are "every segment" becomes one element per pair up to this many, so that pairs
/// are counted; above, one rule with the set of segments.
pub const EXPANSION_MAX: usize = 4096;

/// Compiles a ruleset for an instant. [`Program::valid_until`] says until when the text means the same.
#[must_use]
pub fn compile(ruleset: &Ruleset, at: At) -> Program {
    filter::compile(ruleset, at)
}
