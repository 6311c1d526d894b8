//! What is on the box now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::AddrRange;

use super::FileState;

/// Facts about the box. What was not asked for is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Files that were asked for and are there.
    pub files: BTreeMap<String, FileState>,
    /// Every interface.
    pub links: BTreeMap<String, Link>,
    /// Routes of the main table with a next hop: network, next hop, interface.
    pub routes: Vec<(AddrRange, IpAddr, String)>,
    /// Kernel settings that were asked for and are there, by path below `/proc/sys`.
    pub sysctls: BTreeMap<String, String>,
    /// Modules that are loaded or built in.
    pub modules: BTreeSet<String>,
    /// Services that were asked for, installed or not.
    pub services: BTreeMap<String, ServiceState>,
    /// Whether there is a table of ours in the kernel.
    pub table: bool,
    /// What could not be looked at, as sentences.
    pub holes: Vec<String>,
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The interface that carries it, and its VLAN, where it is a VLAN device.
    pub vlan: Option<(String, u16)>,
    /// Brought up.
    pub up: bool,
    /// A cable is plugged in.
    pub carrier: bool,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A service of the init system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// The init system knows it.
    pub installed: bool,
    /// It starts at boot.
    pub enabled: bool,
    /// It runs.
    pub running: bool,
}
