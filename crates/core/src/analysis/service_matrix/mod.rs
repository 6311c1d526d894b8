//! Who reaches whom on a service: addresses that behave alike are one class, and every packet of a pair of classes is
//! treated alike. Of a policy or of foreign rules; exact where that is certain, and said where it is not.

mod classes;
mod make;

pub use make::{Asked, asked, service_matrices, service_matrices_of_policy};

use schemars::JsonSchema;
use segwall_packetset::Family;
use serde::Serialize;

use crate::netfilter::Hook;

/// Cells that are kept of one matrix.
pub const CELLS_MAX: usize = 200_000;
/// Networks of one class that are named; the rest is counted.
pub const NETWORKS_NAMED_MAX: usize = 64;
/// Lines about translated connections.
const TRANSLATED_MAX: usize = 20;

/// Who may open connections to whom, on one service, at one hook, of one family.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceMatrix {
    /// As it was asked: `tcp/22`.
    pub service: String,
    /// `forward`: through the box; `input`: to the box.
    pub hook: &'static str,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// Senders that behave alike, by their interfaces and addresses.
    pub senders: Vec<AddressClass>,
    /// Receivers that are treated alike.
    pub receivers: Vec<AddressClass>,
    /// Pairs for which something may be accepted, by sender, then receiver. Every other pair is surely dropped.
    pub cells: Vec<ServiceCell>,
    /// Pairs that were not kept: all those of some senders, which are not listed either.
    pub cells_left_out: usize,
    /// Sender classes that reach nobody. They are not listed.
    pub senders_reaching_nobody: usize,
    /// Receiver classes that nobody reaches. They are not listed.
    pub receivers_unreached: usize,
    /// Connections whose destination was translated on the way: boxes of what is accepted, or may be. Pairs above are
    /// about all others.
    pub translated: Vec<String>,
    /// What is not decided about packets of this matrix, as it was written, with the reason.
    pub undecided: Vec<String>,
}

/// Addresses behind interfaces that no rule tells apart on this service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AddressClass {
    /// For people, short: `192.168.20.0/24`, `not 10.0.0.0/8`, `any`.
    pub name: String,
    /// Interfaces; none: whatever the interface, or the box itself.
    pub interfaces: Option<String>,
    /// Networks, at most 64.
    pub networks: Vec<String>,
    /// Networks that are not named.
    pub more_networks: usize,
    /// How many addresses, as far as that is a number people read: up to 2^64.
    pub addresses: u64,
    /// Numbers of the interfaces, 0 being the box itself; empty where none is told apart.
    #[serde(skip)]
    pub interface_ranges: Vec<(u128, u128)>,
    /// Numbers of the addresses.
    #[serde(skip)]
    pub ranges: Vec<(u128, u128)>,
}

/// What becomes of a pair's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Surely dropped or rejected.
    Drop,
    /// Surely accepted.
    Accept,
    /// Accepted while a limit has room.
    Limited,
    /// Some are surely accepted and others surely dropped: it depends on the source port, the MAC address, the time, or
    /// whatever else the rules look at.
    Partly,
    /// Not decided: a match outside the model, or a limit of foreign rules.
    May,
}

impl Reach {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Accept => "accept",
            Self::Limited => "limited",
            Self::Partly => "partly",
            Self::May => "may",
        }
    }
}

/// A pair of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServiceCell {
    /// Index into the senders.
    pub from: usize,
    /// Index into the receivers.
    pub to: usize,
    /// What becomes of their connections; never `drop`.
    pub reach: Reach,
}

impl ServiceMatrix {
    /// What becomes of connections from an address behind an interface to another. `input` and `output` are numbers of
    /// interfaces, as in [`segwall_packetset::Field::In`].
    #[must_use]
    pub fn reach(&self, input: u128, src: u128, output: u128, dst: u128) -> Reach {
        let find = |classes: &[AddressClass], interface: u128, addr: u128| {
            let within = |ranges: &[(u128, u128)], value| ranges.iter().any(|(a, b)| (*a..=*b).contains(&value));
            classes.iter().position(|class| {
                (class.interface_ranges.is_empty() || within(&class.interface_ranges, interface))
                    && within(&class.ranges, addr)
            })
        };
        let (Some(from), Some(to)) = (find(&self.senders, input, src), find(&self.receivers, output, dst)) else {
            return if self.cells_left_out == 0 { Reach::Drop } else { Reach::May };
        };
        let at = self.cells.binary_search_by_key(&(from, to), |cell| (cell.from, cell.to));
        at.map_or(Reach::Drop, |at| self.cells[at].reach)
    }
}

/// The families and hooks that are asked about.
const HOOKS: [Hook; 2] = [Hook::Forward, Hook::Input];
const FAMILIES: [Family; 2] = Family::BOTH;
