//! What `doctor` wants to know of the box under us. Nothing is changed.

mod kernel;
mod listeners;
mod neighbours;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use segwall_core::doctor::{self, Conntrack, Facts, Rules, Subject, Unreadable, WallClock};
use segwall_core::plan::{FileState, INTERFACES};
use segwall_core::policy::Policy;

use super::Linux;
use crate::apply::{Compiled, HostError};
use crate::confine::{self, User};
use crate::{exec, sysctl};

pub use kernel::Found;

/// Directories of sysctl, in the order in which a file of one name hides the others.
const SETTINGS_DIRS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/// Read last, whatever is in the directories.
const SETTINGS_FILE: &str = "/etc/sysctl.conf";
const LOG_FILE: &str = "/etc/rsyslog.conf";
const LOG_DIR: &str = "/etc/rsyslog.d";
const INTERFACES_DIR: &str = "/etc/network/interfaces.d";
/// Files that we write begin so in their directories.
const OURS: &str = "segwall.conf";
/// Where Alpine's nftables service is told what to do at its end.
const NFTABLES_CONF: &str = "/etc/conf.d/nftables";

/// How closely to look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Ask each segment whether somebody else has the box's address there: sends a frame, takes half a second.
    pub ask_neighbours: bool,
}

/// Files for TLS to a collector that the daemon cannot read, and why.
///
/// # Errors
/// When it cannot be tried.
pub fn unreadable_tls(policy: &Policy) -> io::Result<Vec<(String, Unreadable)>> {
    let mut found = Vec::new();
    for path in policy.log.tls.files() {
        let why = confine::unreadable(User::named(confine::USER), Path::new(path))?;
        found.extend(why.map(|why| (path.to_owned(), why)));
    }
    Ok(found)
}

impl Linux {
    /// Looks at everything that the checks are made from. `held` is the generation that holds.
    ///
    /// # Errors
    /// When the kernel does not tell of its interfaces; lesser holes are in the facts.
    pub fn examine(&mut self, subject: &Subject<'_>, held: Option<&Compiled>, look: Look) -> Result<Facts, HostError> {
        let mut interest = doctor::interest(subject);
        interest.files.insert(NFTABLES_CONF.to_owned());
        let found = self.kernel_rules(held);
        let mut inventory = self.seen_of(&interest, &found)?;
        // What may only be read counts too: nothing is set here.
        for key in &interest.sysctls {
            if let Some(value) = sysctl::get(key) {
                inventory.sysctls.insert(key.clone(), value);
            }
        }
        inventory.modules.extend(kernel::modules_at_work(&found));
        let number = |key: &str| inventory.sysctls.get(key).and_then(|value| value.trim().parse().ok());
        let conntrack = number(doctor::CONNTRACK_COUNT)
            .zip(number(doctor::CONNTRACK_MAX))
            .map(|(count, max)| Conntrack { count, max });
        let duplicates =
            if look.ask_neighbours { neighbours::duplicates(subject.wanted, &inventory.links) } else { None };
        let programs = doctor::programs(subject).into_iter().map(|program| program.name);
        let programs = programs.filter(|name| exec::find(name).is_some()).map(str::to_owned).collect();
        let clock = super::clock::now()?;
        let policy = subject.policy;
        let uplinks = policy.uplinks.iter().map(|uplink| uplink.device.as_str());
        let devices: Vec<&str> = policy.segments.iter().map(|one| one.device.as_str()).chain(uplinks).collect();
        Ok(Facts {
            rules: found.rules,
            let_go: self.let_go().ok(),
            tables: found.tables,
            filters: Some(crate::others::filters(&devices)),
            conntrack,
            clock: WallClock { unix_s: clock.unix_s, synchronised: super::clock::is_synchronised() },
            held: self.held()?,
            transaction: self.transaction(&clock)?,
            lbu: self.lbu(),
            disk: store::disk(&self.root),
            settings_files: self.settings_files()?,
            log_files: self.log_files()?,
            log_tls: unreadable_tls(subject.policy).ok(),
            interface_files: self.interface_files()?,
            programs,
            listeners: listeners::list(&doctor::SERVER_PORTS),
            leases: self.taken(subject.policy, clock.unix_s),
            duplicates,
            inventory,
        })
    }

    /// The inventory; without nft there is no telling whether our table is in the kernel.
    fn seen_of(
        &mut self,
        interest: &segwall_core::plan::Interest,
        found: &Found,
    ) -> Result<segwall_core::plan::Inventory, HostError> {
        match &found.rules {
            Rules::Unread(_) => self.look_without_rules(interest),
            _ => self.look(interest),
        }
    }

    fn settings_files(&self) -> Result<BTreeMap<String, String>, HostError> {
        let mut by_name: BTreeMap<String, String> = BTreeMap::new();
        for dir in SETTINGS_DIRS {
            for name in self.root.list(dir)?.into_iter().filter(|name| name.ends_with(".conf")) {
                by_name.entry(name.clone()).or_insert_with(|| format!("{dir}/{name}"));
            }
        }
        by_name.remove(OURS);
        self.texts(by_name.into_values().chain([SETTINGS_FILE.to_owned()]))
    }

    fn log_files(&self) -> Result<BTreeMap<String, String>, HostError> {
        let names = self.root.list(LOG_DIR)?.into_iter().filter(|name| name.ends_with(".conf") && name != OURS);
        self.texts(names.map(|name| format!("{LOG_DIR}/{name}")).chain([LOG_FILE.to_owned()]))
    }

    fn interface_files(&self) -> Result<BTreeMap<String, String>, HostError> {
        let names = self.root.list(INTERFACES_DIR)?.into_iter().map(|name| format!("{INTERFACES_DIR}/{name}"));
        self.texts(names.chain([INTERFACES.to_owned()]))
    }

    /// Files that are there. What is no file (a link that leads nowhere, a directory) is none.
    fn texts(&self, paths: impl Iterator<Item = String>) -> Result<BTreeMap<String, String>, HostError> {
        let mut texts = BTreeMap::new();
        for path in paths {
            if !self.root.at(&path).is_file() {
                continue;
            }
            if let Some(FileState { bytes, .. }) = self.root.read(&path)? {
                texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(texts)
    }
}
