//! From the rules and files of a box to a policy, and what is different then.
//!
//! The rules become sets of packets ([`crate::netfilter::meaning`]); what they surely accept between zones is written in
//! the policy's language; the policy is read and lowered as every other; and both are compared, packet by packet. How
//! the policy was made is no part of the comparison.
//!
//! The promise: for first packets of connections whose source and destination lie behind the interfaces they use, the
//! policy accepts what the rules accepted. Every other packet is in one class of [`Class`], and each class in which the
//! two differ is listed with a packet that shows it.

mod addresses;
mod behind;
mod boxes;
mod class_sets;
mod classes;
mod compare;
mod compare_nat;
mod cover;
mod dhcpd;
mod forwards;
mod grants;
mod head;
mod interfaces;
mod management;
mod merge;
mod network;
mod notes;
mod old;
mod run;
mod services;
mod sources;
mod tell;
mod terms;
mod usual;
mod words;
mod write;

use std::collections::BTreeSet;

use segwall_packetset::Point;

pub use addresses::read_addresses;
pub use classes::Class;
pub use compare::{How, Which};
pub use dhcpd::{DhcpOptions, DhcpSubnet, Dhcpd, Reservation, read_dhcpd};
pub use interfaces::{Interfaces, Stanza, read_interfaces};
pub use network::{UplinkGiven, read_uplink};

use crate::netfilter::{Hook, Program};
use crate::policy::Context;
use crate::source::Source;

/// Everything that is known of a box.
#[derive(Debug, Clone, Default)]
pub struct Given<'a> {
    /// Its rules: they hold at the same time.
    pub programs: Vec<(&'a Source, &'a Program)>,
    /// Its interfaces.
    pub interfaces: Vec<(&'a Source, &'a Interfaces)>,
    /// Its DHCP server.
    pub dhcpd: Vec<(&'a Source, &'a Dhcpd)>,
    /// Its uplink, where somebody says so.
    pub uplink: Option<UplinkGiven>,
}

/// Whether the policy does what the rules did, for the packets of the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// For every one.
    Equal,
    /// Not for all: the differences show them.
    Different,
    /// Not decided.
    Undetermined,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The policy.
    pub policy: String,
    /// Whether it is equal.
    pub answer: Answer,
    /// Why it is undetermined, or might be.
    pub reasons: Vec<String>,
    /// Where the two differ.
    pub differences: Vec<Difference>,
    /// What else somebody should know.
    pub notes: Vec<String>,
    /// Holes of the rules that a policy can keep, and whether it does.
    pub holes: Vec<(Class, bool)>,
    /// Rules and port forwards that were written.
    pub rules: usize,
}

/// Packets that the policy treats otherwise than the rules did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub which: Which,
    /// In which direction.
    pub how: How,
    /// Where.
    pub hook: Hook,
    /// In words: which packets.
    pub words: &'static str,
    /// In words: where, such as `to the box`.
    pub way: &'static str,
    /// Some of them in more words, where the class does not say it.
    pub boxes: Vec<String>,
    /// One of them.
    pub packet: String,
    /// The same.
    pub point: Point,
    /// What the rules did with it.
    pub before: &'static str,
    /// What the policy does with it.
    pub now: &'static str,
    /// Rules that it met, the last one first.
    pub rules: Vec<String>,
    /// It is certain.
    pub sure: bool,
}

impl Difference {
    /// Whether it lies inside the promise.
    #[must_use]
    pub fn is_promised(&self) -> bool {
        matches!(self.which, Which::Promised | Which::Forwarded | Which::Destinations | Which::Sources)
    }
}

/// Makes a policy of what is known, and compares the two. `kept`: holes of [`Class::HOLES`] that stay open.
///
/// # Errors
/// Why there is no policy, in words: no network is known, or the files contradict each other.
pub fn import(given: &Given<'_>, kept: &BTreeSet<Class>, context: &Context) -> Result<Import, Vec<String>> {
    run::import(given, kept, context)
}
