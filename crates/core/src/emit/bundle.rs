//! All files that one box needs, and which of them it needs.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{daemons, dhcp, interfaces, logrotate, modules, openrc, rsyslog, rulesets, sysctl, systemd};
use crate::policy::{DhcpKind, Policy};
use crate::ruleset::{At, Ruleset};

/// Mode of what everybody may read.
pub(super) const MODE_FILE: u32 = 0o644;
/// Mode of what is run.
pub(super) const MODE_PROGRAM: u32 = 0o755;
/// Mode of what only root reads: who may reach what.
pub(super) const MODE_SECRET: u32 = 0o600;

/// One file on the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is for.
    pub target: Target,
    /// Where it lies on the box, from the root.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Artifact {
    pub(super) fn text(target: Target, path: &str, text: String) -> Self {
        Self { target, path: path.to_owned(), mode: MODE_FILE, bytes: text.into_bytes() }
    }
}

/// All files of one box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Sorted by path, each path once.
    pub artifacts: Vec<Artifact>,
}

impl Bundle {
    fn of(mut artifacts: Vec<Artifact>) -> Self {
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        debug_assert!(artifacts.windows(2).all(|pair| pair[0].path != pair[1].path), "each path once");
        Self { artifacts }
    }

    /// SHA-256 over paths, modes and contents, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            // Each part's length before it: no two bundles give one stream.
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        for artifact in &self.artifacts {
            part(artifact.path.as_bytes());
            part(&artifact.mode.to_be_bytes());
            part(&artifact.bytes);
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all");
            text
        })
    }

    /// Names of the services that serve segments and must run: DHCP, router advertisements, the resolver.
    ///
    /// The boot service `segwall` is not among them.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        let name = |artifact: &Artifact| {
            let file = match artifact.target {
                Target::Openrc => artifact.path.strip_prefix("/etc/init.d/"),
                Target::Systemd => {
                    artifact.path.strip_prefix("/etc/systemd/system/").and_then(|file| file.strip_suffix(".service"))
                }
                _ => None,
            };
            file.filter(|name| *name != daemons::BOOT).map(str::to_owned)
        };
        self.artifacts.iter().filter_map(name).collect()
    }
}

/// Which init system and which way of bringing interfaces up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// OpenRC and ifupdown-ng.
    Alpine,
    /// systemd and ifupdown.
    Debian,
}

/// What of the box decides what is emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its init system and its way of bringing interfaces up.
    pub system: System,
    /// Its memory: how many connections it can follow.
    pub memory_mib: u64,
}

/// Who reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `nft -f`.
    Nft,
    /// `iptables-restore`.
    Iptables,
    /// `ip6tables-restore`.
    Ip6tables,
    /// ifupdown-ng and ifupdown.
    Interfaces,
    /// What loads kernel modules at boot.
    Modules,
    /// sysctl.
    Sysctl,
    /// dnsmasq: DHCP, router advertisements, the resolver.
    Dnsmasq,
    /// Kea, both families.
    Kea,
    /// ISC dhcpd, both families.
    Dhcpd,
    /// rsyslog.
    Rsyslog,
    /// logrotate.
    Logrotate,
    /// OpenRC.
    Openrc,
    /// systemd.
    Systemd,
}

impl Target {
    /// Every one, in the order in which people read them.
    pub const ALL: [Self; 13] = [
        Self::Nft,
        Self::Iptables,
        Self::Ip6tables,
        Self::Interfaces,
        Self::Modules,
        Self::Sysctl,
        Self::Dnsmasq,
        Self::Kea,
        Self::Dhcpd,
        Self::Rsyslog,
        Self::Logrotate,
        Self::Openrc,
        Self::Systemd,
    ];

    /// Its word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::Interfaces => "interfaces",
            Self::Modules => "modules",
            Self::Sysctl => "sysctl",
            Self::Dnsmasq => "dnsmasq",
            Self::Kea => "kea",
            Self::Dhcpd => "dhcpd",
            Self::Rsyslog => "rsyslog",
            Self::Logrotate => "logrotate",
            Self::Openrc => "openrc",
            Self::Systemd => "systemd",
        }
    }
}

/// What files are made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The same, lowered.
    pub ruleset: &'a Ruleset,
    /// Now: schedules and expiry.
    pub at: At,
    /// The box.
    pub facts: Facts,
}

impl Input<'_> {
    /// The policy file's name.
    pub(super) fn file(&self) -> &str {
        &self.ruleset.file
    }
}

/// The files of one target, whether or not this box needs them.
///
/// A DHCP server's are as they would be if the policy named it.
#[must_use]
pub fn artifacts(target: Target, input: &Input<'_>) -> Vec<Artifact> {
    let as_if = |kind| Policy { dhcp: crate::policy::DhcpServer { kind, ..input.policy.dhcp }, ..input.policy.clone() };
    match target {
        Target::Dnsmasq => dhcp::dnsmasq::artifacts(&Input { policy: &as_if(DhcpKind::Dnsmasq), ..*input }),
        Target::Kea => dhcp::kea::artifacts(&Input { policy: &as_if(DhcpKind::Kea), ..*input }),
        Target::Dhcpd => dhcp::dhcpd::artifacts(&Input { policy: &as_if(DhcpKind::IscDhcpd), ..*input }),
        _ => needed(target, input),
    }
}

/// The files of one target as far as this box needs them.
fn needed(target: Target, input: &Input<'_>) -> Vec<Artifact> {
    match target {
        Target::Nft | Target::Iptables | Target::Ip6tables => vec![rulesets::artifact(target, input)],
        Target::Interfaces => vec![interfaces::artifact(input)],
        Target::Modules => vec![modules::artifact(input)],
        Target::Sysctl => vec![sysctl::artifact(input)],
        Target::Dnsmasq => dhcp::dnsmasq::artifacts(input),
        Target::Kea if input.policy.dhcp.kind == DhcpKind::Kea => dhcp::kea::artifacts(input),
        Target::Dhcpd if input.policy.dhcp.kind == DhcpKind::IscDhcpd => dhcp::dhcpd::artifacts(input),
        Target::Kea | Target::Dhcpd => Vec::new(),
        Target::Rsyslog => vec![rsyslog::artifact(input)],
        Target::Logrotate => vec![logrotate::artifact()],
        Target::Openrc => openrc::artifacts(input),
        Target::Systemd => systemd::artifacts(input),
    }
}

/// What this box needs, and nothing that would contend with it: one backend for the rules, one DHCP server, one init
/// system.
#[must_use]
pub fn bundle(policy: &Policy, ruleset: &Ruleset, at: At, facts: &Facts) -> Bundle {
    let input = Input { policy, ruleset, at, facts: *facts };
    let targets = Target::ALL.into_iter().filter(|target| match target {
        Target::Iptables | Target::Ip6tables => false,
        Target::Openrc => facts.system == System::Alpine,
        Target::Systemd => facts.system == System::Debian,
        _ => true,
    });
    Bundle::of(targets.flat_map(|target| needed(target, &input)).collect())
}

/// What this box needs, and beside it every target's other files: to read, to compare, to package.
#[must_use]
pub fn everything(input: &Input<'_>) -> Bundle {
    let mut all = bundle(input.policy, input.ruleset, input.at, &input.facts).artifacts;
    for target in Target::ALL {
        for artifact in artifacts(target, input) {
            if all.iter().all(|known| known.path != artifact.path) {
                all.push(artifact);
            }
        }
    }
    Bundle::of(all)
}
