//! Proof: what a program lets through is what the policy wants, for every packet; or a packet that shows otherwise.
//!
//! Both sides become sets of packets at each hook (`packetset`): the policy through [`intent`], the program through
//! [`crate::netfilter`]. Within the packets that can be at that hook they must be equal.
//!
//! Quarantine is part of it, whoever is in it: see [`quarantine`].
//!
//! The claim is about the first packet of a connection and every state that connection tracking can give it, for every
//! interface, address, protocol, port, type, flag, time and hop limit. It is about nftables, or iptables where those
//! were read; not about traffic that stays inside one segment, bridges, tc, XDP, IPVS, or what is loaded later.

pub(super) mod boxes;
mod compare;
mod compare_limits;
mod compare_nat;
mod intent;
mod nat;
mod ordinary;
mod quarantine;
pub(super) mod rates;
pub(super) mod terms;
mod treatment;
mod witness;

pub use compare::{Answer, Preferred, Proof, Refutation, prove, prove_preferring};
pub use intent::{Intent, LOOPBACK, intent, not_local};
pub use nat::{Target, destinations, masquerade};
pub use ordinary::WISHES;
pub use treatment::Treatment;
pub use witness::{Witness, witness};
