//! The real box: its files, interfaces, kernel settings, rules and services.

mod change;
mod clock;
mod closing;
mod compile;
mod examine;
mod facts;
mod files;
pub mod guard;
mod inventory;
pub mod lock;
mod network;
mod prove;
pub mod quarantine;
mod rules;
mod run;
mod seen;
mod services;
pub mod session;
mod validate;
pub mod watchdog;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use segwall_core::emit::Facts;
use segwall_core::plan::{Change, FileState, Interest, Inventory, Seen};
use segwall_core::ruleset::At;

pub use clock::weekday_zone_s;
pub use closing::CLOSED_MAX;
pub use examine::{Found, Look, unreadable_tls};
pub use files::Root;
pub use lock::{LOCK, Lock};
pub use services::{Direct, Init, Systemd};

use crate::apply::{Clock, Compiled, Host, HostError, Manifest, Verdict};

/// Whether this process may do all of it.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A box that runs Linux: the one under us.
#[derive(Debug)]
pub struct Linux {
    root: Root,
    init: Init,
    facts: Facts,
    /// What a watchdog is called with; the program is our own.
    watchdog: Vec<OsString>,
    /// For which instant generations were compiled, by number.
    instants: BTreeMap<u64, At>,
    /// Kernel modules that generations asked for.
    asked_modules: BTreeSet<String>,
    /// The guard switched forwarding off, for rules that it could not prove.
    closed_by_guard: bool,
}

impl Linux {
    /// The box under us, with its files below a root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        let init = Init::found(&root);
        Self::with_init(root, init)
    }

    /// As [`Linux::new`], with services started and kept by this.
    #[must_use]
    pub fn with_init(root: Root, init: Init) -> Self {
        let facts = facts::facts(&root, &init);
        let watchdog = vec![OsString::from(watchdog::COMMAND)];
        Self {
            root,
            init,
            facts,
            watchdog,
            instants: BTreeMap::new(),
            asked_modules: BTreeSet::new(),
            closed_by_guard: false,
        }
    }

    /// Whether it forgets its files at a reboot, unless `lbu commit` keeps them.
    #[must_use]
    pub fn is_diskless(&self) -> bool {
        facts::is_diskless(&self.root)
    }

    /// What our own program is called with to be a watchdog; `watchdog` unless said otherwise.
    pub fn call_watchdog(&mut self, args: Vec<OsString>) {
        self.watchdog = args;
    }

    /// What of the box decides what is written for it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Where its files are.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What starts and keeps services.
    #[must_use]
    pub fn init(&self) -> &Init {
        &self.init
    }

    /// Waits until nobody else changes the box.
    ///
    /// # Errors
    /// When the lock cannot be used.
    pub fn lock_wait(&self) -> Result<Lock, HostError> {
        Lock::wait(&self.root)
    }

    /// The right to change the box, unless somebody else has it.
    ///
    /// # Errors
    /// When the lock cannot be used.
    pub fn lock_try(&self) -> Result<Option<Lock>, HostError> {
        Lock::attempt(&self.root)
    }
}

impl Host for Linux {
    fn read(&mut self, path: &str) -> Result<Option<FileState>, HostError> {
        self.root.read(path)
    }

    fn put(&mut self, path: &str, file: &FileState) -> Result<(), HostError> {
        self.root.put(path, file)
    }

    fn sync(&mut self, path: &str) -> Result<(), HostError> {
        self.root.sync(path)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), HostError> {
        self.root.rename(from, to)?;
        self.init.file_changed(to);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), HostError> {
        self.root.remove(path)?;
        self.init.file_changed(path);
        Ok(())
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), HostError> {
        self.root.sync_dir(dir)
    }

    fn list(&mut self, dir: &str) -> Result<Vec<String>, HostError> {
        self.root.list(dir)
    }

    fn make_dir(&mut self, dir: &str) -> Result<(), HostError> {
        self.root.make_dir(dir)
    }

    fn clock(&mut self) -> Result<Clock, HostError> {
        clock::now()
    }

    fn inventory(&mut self, interest: &Interest) -> Result<Inventory, HostError> {
        self.look(interest)
    }

    fn seen(&mut self) -> Result<Seen, HostError> {
        self.others_traces()
    }

    fn change(&mut self, change: &Change) -> Result<(), HostError> {
        self.perform(change)
    }

    fn load(&mut self, from: Option<&Compiled>, to: Option<&Compiled>) -> Result<usize, HostError> {
        self.replace_rules(from, to)
    }

    fn close(&mut self, unless_loaded: bool) -> Result<(), HostError> {
        self.close_box(unless_loaded)
    }

    fn lets_go(&mut self) -> Result<bool, HostError> {
        Ok(!self.let_go()?.is_empty())
    }

    fn prove(&mut self, rules: Option<&Compiled>) -> Result<Verdict, HostError> {
        self.verdict(rules)
    }

    fn start_watchdog(&mut self) -> Result<(), HostError> {
        watchdog::start(self)
    }

    fn renewed(&mut self, number: u64) -> Result<Compiled, HostError> {
        self.as_the_clock_wants(number)
    }

    fn compile(&mut self, number: u64, policy: &str, manifest: &Manifest) -> Result<Compiled, HostError> {
        self.generation(number, policy, manifest)
    }
}
