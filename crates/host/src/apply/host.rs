//! What a transaction needs of a box: the real one, or a simulated one with faults and crashes.

use std::error::Error;
use std::fmt;

use segwall_core::plan::{Change, FileState, Interest, Inventory, Seen};
use serde::{Deserialize, Serialize};

use super::Compiled;

/// Something on the box refused.
#[derive(Debug)]
pub struct HostError {
    /// What was to be done, as the end of "cannot …".
    pub doing: String,
    /// What was said.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl HostError {
    /// With what was said.
    pub fn new(doing: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), source: Some(source.into()) }
    }

    /// This and everything that caused it, as one line.
    #[must_use]
    pub fn chain(&self) -> String {
        crate::error::chain(self)
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.doing)
    }
}

impl Error for HostError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// What time it is: by the calendar, and since this boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Seconds since 1970, as far as the box knows.
    pub unix_s: i64,
    /// Milliseconds since the boot, sleep included: goes on whatever happens to the calendar.
    pub boot_ms: u64,
    /// Which boot.
    pub boot_id: String,
}

/// Whether the kernel holds what a generation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does, for every packet.
    Proved,
    /// It does not; a packet that shows it, in words.
    Refuted(Vec<String>),
    /// Our table does, for every packet; what others' tables and filters do beside it is not known, or differs: how.
    Beside(Vec<String>),
    /// It cannot be told of our own table; why.
    Undetermined(Vec<String>),
}

/// A box. Files are handled in the small steps between which a crash may come.
pub trait Host {
    /// A file, if it is there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&mut self, path: &str) -> Result<Option<FileState>, HostError>;
    /// Makes or replaces a file's contents. Not on the disk before [`Host::sync`].
    ///
    /// # Errors
    /// When it cannot be written.
    fn put(&mut self, path: &str, file: &FileState) -> Result<(), HostError>;
    /// Brings a file's contents to the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync(&mut self, path: &str) -> Result<(), HostError>;
    /// Gives a file another name, over one that is there. Not on the disk before [`Host::sync_dir`].
    ///
    /// # Errors
    /// When it cannot.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), HostError>;
    /// Removes a file; one that is not there is no fault.
    ///
    /// # Errors
    /// When it cannot.
    fn remove(&mut self, path: &str) -> Result<(), HostError>;
    /// Brings a directory's entries to the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync_dir(&mut self, dir: &str) -> Result<(), HostError>;
    /// Names in a directory, sorted; none when it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn list(&mut self, dir: &str) -> Result<Vec<String>, HostError>;
    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// When it cannot.
    fn make_dir(&mut self, dir: &str) -> Result<(), HostError>;

    /// The time.
    ///
    /// # Errors
    /// When the box does not tell.
    fn clock(&mut self) -> Result<Clock, HostError>;
    /// What is on the box.
    ///
    /// # Errors
    /// When the kernel does not tell; lesser holes are in the inventory.
    fn inventory(&mut self, interest: &Interest) -> Result<Inventory, HostError>;
    /// What others set up where a generation is to rule.
    ///
    /// # Errors
    /// When the kernel does not tell.
    fn seen(&mut self) -> Result<Seen, HostError>;
    /// Reaches the state a change names; it may be reached already. Files, blocks and rules are not asked for here.
    ///
    /// # Errors
    /// When it cannot.
    fn change(&mut self, change: &Change) -> Result<(), HostError>;
    /// Replaces the rules in the kernel in one transaction, and cuts the connections that the new ones forbid: they are
    /// closed in that same transaction. `None` removes our table. Gives the number of connections cut.
    ///
    /// # Errors
    /// When nft or the kernel refuses; then the rules are what they were.
    fn load(&mut self, from: Option<&Compiled>, to: Option<&Compiled>) -> Result<usize, HostError>;
    /// Puts rules in the place of ours that let in SSH and nothing else, and forward nothing: for a box whose own cannot be
    /// had. With `unless_loaded` a table of ours that is there stays.
    ///
    /// # Errors
    /// When nft or the kernel refuses.
    fn close(&mut self, unless_loaded: bool) -> Result<(), HostError>;
    /// Reads the kernel's rules back and compares them with a generation's; with `None`: whether there is no table of ours.
    ///
    /// # Errors
    /// When they cannot be read.
    fn prove(&mut self, rules: Option<&Compiled>) -> Result<Verdict, HostError>;
    /// Whether hosts on the quarantine's list go free, which no proof tells: it holds whoever is in the kernel's sets.
    ///
    /// # Errors
    /// When the list or the sets cannot be read.
    fn lets_go(&mut self) -> Result<bool, HostError> {
        Ok(false)
    }
    /// Starts the watchdog, which outlives us and leads the box back unless the journal is gone in time.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start_watchdog(&mut self) -> Result<(), HostError>;
    /// A generation as the clock wants its rules now.
    ///
    /// # Errors
    /// When it cannot be compiled any more.
    fn renewed(&mut self, number: u64) -> Result<Compiled, HostError>
    where
        Self: Sized,
    {
        super::Store::compiled(self, number)
    }
    /// Compiles a generation for this box.
    ///
    /// # Errors
    /// When its policy is no sound policy (any more).
    fn compile(&mut self, number: u64, policy: &str, manifest: &super::Manifest) -> Result<Compiled, HostError>;
}
