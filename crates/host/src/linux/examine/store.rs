//! What was applied and what is kept: generations, the journal, the disk, leases.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use segwall_core::doctor::{Disk, Held, Lbu, Leases, Transaction};
use segwall_core::leases;
use segwall_core::policy::{DhcpKind, Policy};

use super::super::run::{self, Overdue};
use super::super::{Linux, Root};
use crate::apply::{Clock, Host, HostError, Journal, Phase, ROOT, Store};

/// Where the policy is, unless it was named otherwise.
const POLICY: &str = "/etc/segwall/segwall.toml";
const LBU_ANSWER: Duration = Duration::from_secs(20);
/// Changed files that are named.
const LBU_SHOWN: usize = 5;

impl Linux {
    /// The generation that holds.
    pub(super) fn held(&mut self) -> Result<Option<Held>, HostError> {
        let Some(number) = Store::confirmed(self)? else { return Ok(None) };
        let Some(manifest) = Store::manifest(self, number)? else { return Ok(None) };
        let applied = Store::policy(self, number)?;
        let file = if manifest.file.starts_with('/') { manifest.file.clone() } else { POLICY.to_owned() };
        let now = self.read(&file)?.map(|file| file.bytes);
        let same_policy = applied.zip(now).map(|(applied, now)| applied.as_bytes() == now);
        Ok(Some(Held { number, applied_s: manifest.applied_s, file, same_policy }))
    }

    /// An apply that has not ended.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn transaction_now(&mut self) -> Result<Transaction, HostError> {
        let now = self.clock()?;
        self.transaction(&now)
    }

    /// An apply that has not ended. Whoever is at work holds the lock.
    pub(super) fn transaction(&mut self, now: &Clock) -> Result<Transaction, HostError> {
        let Some(journal) = Journal::read(self)? else { return Ok(Transaction::None) };
        let generation = journal.generation;
        let left_ms = journal.left_ms(now);
        if journal.phase == Phase::Waiting && left_ms != Some(0) {
            return Ok(Transaction::Waits { generation, left_s: left_ms.map(|left| left / 1000) });
        }
        Ok(match self.lock_try()? {
            None => Transaction::AtWork(generation),
            // It may have ended between the two looks.
            Some(_lock) => match Journal::read(self)? {
                Some(_) => Transaction::Stuck(generation),
                None => Transaction::None,
            },
        })
    }

    /// Whether a box that keeps its files in memory has kept them.
    pub(super) fn lbu(&self) -> Lbu {
        if !self.is_diskless() {
            return Lbu::NotNeeded;
        }
        match run::run("lbu", &["status"], LBU_ANSWER, Overdue::Kill) {
            Ok(ran) if ran.ok() => {
                let mut files: Vec<String> = ran.said.lines().map(|line| line.trim().to_owned()).collect();
                files.retain(|file| !file.is_empty());
                let more = files.len().saturating_sub(LBU_SHOWN);
                files.truncate(LBU_SHOWN);
                if more > 0 {
                    files.push(format!("{more} more"));
                }
                if files.is_empty() { Lbu::Kept } else { Lbu::Open(files) }
            }
            Ok(ran) => Lbu::Unknown(run::sentence("lbu", &["status"], &ran, LBU_ANSWER)),
            Err(error) => Lbu::Unknown(error.chain()),
        }
    }

    /// Leases as the policy's server wrote them down; `None`: it writes none that we read.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn leases(&self, policy: &Policy) -> Result<Option<leases::Leases>, HostError> {
        let text = |path: &str| -> Result<Option<String>, HostError> {
            Ok(self.root.read(path)?.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()))
        };
        let lease_s = |addr| {
            let of = leases::belongs(policy, addr).segment?;
            let segment = policy.segments.iter().find(|segment| segment.name == of)?;
            Some(segment.dhcp.as_ref()?.lease_s.unwrap_or(policy.dhcp.lease_s))
        };
        Ok(match policy.dhcp.kind {
            // Nobody has asked yet where there is no file.
            DhcpKind::Dnsmasq => Some(leases::read_dnsmasq(&text(leases::DNSMASQ_FILE)?.unwrap_or_default(), lease_s)),
            DhcpKind::Kea => {
                let mut texts = Vec::new();
                for path in leases::KEA_FILES {
                    texts.extend(text(path)?);
                }
                Some(leases::read_kea(texts.iter().map(String::as_str)))
            }
            DhcpKind::IscDhcpd | DhcpKind::None => None,
        })
    }

    pub(super) fn taken(&self, policy: &Policy, now_s: i64) -> Option<BTreeMap<String, Leases>> {
        let leases = self.leases(policy).ok()??;
        let taken = leases::taken(policy, &leases, now_s).into_iter();
        Some(taken.map(|(segment, taken)| (segment, Leases { taken })).collect())
    }
}

/// Room where generations are kept, or will be.
#[allow(clippy::useless_conversion, reason = "these numbers are narrower on other systems")]
pub(super) fn disk(root: &Root) -> Option<Disk> {
    let of = |path: &str| statvfs(&root.at(path)).ok();
    let seen = of(ROOT).or_else(|| of("/etc"))?;
    let free_bytes = u64::from(seen.blocks_available()).saturating_mul(u64::from(seen.fragment_size()));
    // Some file systems do not count files.
    let free_files = (seen.files() > 0).then(|| u64::from(seen.files_available()));
    Some(Disk { free_bytes, free_files })
}
