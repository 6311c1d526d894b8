//! What was seen on a box.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::plan::Inventory;

/// Everything that the checks are made from. `None` is what could not be looked at.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Interfaces, addresses, files, settings, services.
    pub inventory: Inventory,
    /// Whether the kernel holds what the confirmed generation says.
    pub rules: Rules,
    /// Who is on the list of the quarantine, and whom the kernel lets pass all the same.
    pub let_go: Option<BTreeSet<IpAddr>>,
    /// Tables of nftables that are not ours.
    pub tables: Option<Vec<ForeignTable>>,
    /// What else than nftables decides about packets: legacy tables, XDP, BPF; as sentences.
    pub filters: Option<Vec<String>>,
    /// Connections that are followed.
    pub conntrack: Option<Conntrack>,
    /// The time of day.
    pub clock: WallClock,
    /// The generation that holds.
    pub held: Option<Held>,
    /// An apply that has not ended.
    pub transaction: Transaction,
    /// Whether a box that keeps its files in memory has kept them.
    pub lbu: Lbu,
    /// Room where generations are kept.
    pub disk: Option<Disk>,
    /// Files of sysctl, by path, but for ours.
    pub settings_files: BTreeMap<String, String>,
    /// Files of rsyslog, by path, but for ours.
    pub log_files: BTreeMap<String, String>,
    /// Files for TLS to a collector that the daemon cannot read, and why.
    pub log_tls: Option<Vec<(String, Unreadable)>>,
    /// Files of ifupdown, by path, ours among them.
    pub interface_files: BTreeMap<String, String>,
    /// Programs that are installed, of those that were looked for.
    pub programs: BTreeSet<String>,
    /// Who listens for DHCP and DNS.
    pub listeners: Option<Vec<Listener>>,
    /// Leases by segment.
    pub leases: Option<BTreeMap<String, Leases>>,
    /// Addresses of the box that somebody else answers for; `None`: nobody was asked.
    pub duplicates: Option<Vec<Duplicate>>,
}

/// Why somebody cannot read a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// There is none.
    Missing,
    /// A link leads to this place, where they may read nothing.
    Elsewhere(String),
    /// It is not theirs to read, or a directory above it not theirs to pass.
    Refused,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::Elsewhere(place) => write!(f, "it leads to {place}, where the daemon may read nothing"),
            Self::Refused => f.write_str("the user segwall may not read it, or not pass a directory above it"),
        }
    }
}

/// How the kernel's rules compare with the confirmed generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rules {
    /// There is no such generation.
    #[default]
    NoGeneration,
    /// They mean the same for every packet.
    Proved,
    /// They do not; packets that show it.
    Refuted(Vec<String>),
    /// It could not be decided; why.
    Undetermined(Vec<String>),
    /// They could not be read; why.
    Unread(String),
}

/// A table of nftables that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignTable {
    /// `ip filter`.
    pub name: String,
    /// Whether it may drop or change packets: it hangs at a hook.
    pub acts: bool,
    /// Whether the proof took all of it into account.
    pub harmless: bool,
}

/// Connection tracking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conntrack {
    /// Connections that are followed.
    pub count: u64,
    /// At most so many.
    pub max: u64,
}

/// The time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallClock {
    /// Seconds since 1970.
    pub unix_s: i64,
    /// Whether something keeps it right; `None`: the kernel does not tell.
    pub synchronised: Option<bool>,
}

/// The generation that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub number: u64,
    /// When it was applied, seconds since 1970.
    pub applied_s: i64,
    /// The policy file it came from.
    pub file: String,
    /// Whether the policy file says the same today; `None`: there is none, or it cannot be read.
    pub same_policy: Option<bool>,
}

/// An apply that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transaction {
    /// There is none.
    #[default]
    None,
    /// It is at work, or leads the box back: its process lives.
    AtWork(u64),
    /// A generation waits to be confirmed.
    Waits {
        /// Its number.
        generation: u64,
        /// Seconds that are left; `None`: as long as it takes.
        left_s: Option<u64>,
    },
    /// Its process is gone and the box was left between two generations.
    Stuck(u64),
}

/// Whether a box that keeps its files in memory has kept them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Lbu {
    /// It keeps them on a disk.
    #[default]
    NotNeeded,
    /// Nothing has changed since.
    Kept,
    /// These have.
    Open(Vec<String>),
    /// It could not be asked; why.
    Unknown(String),
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Files that can still be made; `None`: as many as there is room for.
    pub free_files: Option<u64>,
}

/// Somebody who listens at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// On which address; unspecified: on all.
    pub addr: IpAddr,
    /// The program.
    pub program: String,
    /// Its command line, words separated by blanks.
    pub command: String,
    /// Its process.
    pub pid: u32,
}

/// Leases of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leases {
    /// Addresses of the pool that somebody has.
    pub taken: u128,
}

/// An address of the box that somebody else answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The interface it is on.
    pub link: String,
    /// The address.
    pub addr: IpAddr,
    /// Who else has it.
    pub mac: [u8; 6],
}
