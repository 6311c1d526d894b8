//! All files that a box needs, as one value.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A form in which a part of the policy is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// nftables, for `nft -f`.
    Nft,
    /// For `iptables-restore`.
    Iptables,
    /// For `ip6tables-restore`.
    Ip6tables,
    /// `/etc/network/interfaces.d`.
    Interfaces,
    /// `/etc/modules-load.d`.
    Modules,
    /// `/etc/sysctl.d`.
    Sysctl,
    /// dnsmasq.
    Dnsmasq,
    /// Kea, both families.
    Kea,
    /// ISC dhcpd.
    Dhcpd,
    /// rsyslog.
    Rsyslog,
    /// logrotate.
    Logrotate,
    /// Services for OpenRC.
    Openrc,
    /// Services for systemd.
    Systemd,
}

/// What a box runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// OpenRC and ifupdown-ng.
    Alpine,
    /// systemd and ifupdown.
    Debian,
}

/// What of the box decides what is written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it runs.
    pub system: System,
    /// Its memory, for the size of connection tracking.
    pub memory_mib: u64,
}

/// One file of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is.
    pub target: Target,
    /// Where it lies on the box: absolute.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// All files of the box that come from one policy, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The files.
    pub artifacts: Vec<Artifact>,
}

impl Bundle {
    /// SHA-256 over paths, permissions and contents, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for artifact in &self.artifacts {
            for part in [artifact.path.as_bytes(), &artifact.mode.to_be_bytes(), &artifact.bytes] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}
