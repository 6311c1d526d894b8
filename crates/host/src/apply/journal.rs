//! What is being done to the box, on the disk before it is done.

use segwall_core::plan::{FileState, Plan};
use serde::{Deserialize, Serialize};

use super::files::{remove_for_good, write_whole};
use super::host::{Clock, Host, HostError};
use super::store::JOURNAL;

/// Where a journal is put that nobody can read.
pub const UNREADABLE: &str = "/etc/segwall/journal.unreadable";

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Steps are being performed.
    Applying,
    /// All are, and the kernel was proved; nobody has confirmed yet.
    Waiting,
    /// The box is being led back.
    Undoing,
}

/// Until when somebody has to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// In this boot,
    pub boot_id: String,
    /// milliseconds after it.
    pub boot_ms: u64,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The generation that is being applied.
    pub generation: u64,
    /// The one that holds until it is confirmed.
    pub previous: Option<u64>,
    /// The steps.
    pub plan: Plan,
    /// How far it is.
    pub phase: Phase,
    /// When it began.
    pub began: Clock,
    /// When it was all applied: only what came later may confirm it.
    pub applied: Option<Clock>,
    /// Until when somebody has to confirm; `None`: nobody has to.
    pub deadline: Option<Deadline>,
    /// Milliseconds that there are to confirm.
    pub confirm_within_ms: Option<u64>,
    /// What other programs' tables do beside ours was allowed by name.
    #[serde(default)]
    pub allow_unproved: bool,
    /// Why the box is being led back.
    pub cause: Option<String>,
}

impl Journal {
    /// Reads it; `None` when nothing is being done.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn read(host: &mut impl Host) -> Result<Option<Self>, HostError> {
        let Some(file) = host.read(JOURNAL)? else { return Ok(None) };
        serde_json::from_slice(&file.bytes).map(Some).map_err(|error| {
            HostError::new(format!("understand {JOURNAL} (`segwall apply` and the boot put it aside)"), error)
        })
    }

    /// Reads it; one that cannot be read is put aside, so that it stands in nobody's way.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn take(host: &mut impl Host) -> Result<Option<Self>, HostError> {
        let Some(file) = host.read(JOURNAL)? else { return Ok(None) };
        if let Ok(journal) = serde_json::from_slice(&file.bytes) {
            return Ok(Some(journal));
        }
        host.rename(JOURNAL, UNREADABLE)?;
        host.sync_dir(super::store::ROOT)?;
        Ok(None)
    }

    /// Brings it to the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, host: &mut impl Host) -> Result<(), HostError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| HostError::new("write the journal", error))?;
        write_whole(host, JOURNAL, &FileState { mode: 0o600, bytes })
    }

    /// Nothing is being done any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(host: &mut impl Host) -> Result<(), HostError> {
        remove_for_good(host, JOURNAL)
    }

    /// Milliseconds that are left to confirm; `None` when nobody has to, 0 when it is over.
    #[must_use]
    pub fn left_ms(&self, now: &Clock) -> Option<u64> {
        let deadline = self.deadline.as_ref()?;
        if deadline.boot_id != now.boot_id {
            return Some(0);
        }
        Some(deadline.boot_ms.saturating_sub(now.boot_ms))
    }
}
