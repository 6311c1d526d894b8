//! A simulated box: files with a disk under them, a kernel, services; and faults at any step of it.
//!
//! Its disk is as bad as a disk may be: what was not synced may be lost or torn when the power goes, and entries of a
//! directory that were not synced may come back, the later ones first.

mod disk;
mod kernel;

use std::collections::BTreeMap;

use segwall_core::plan::{Change, DIRS, FILES, FileState, Interest, Inventory, SERVICES, Seen};

use crate::apply::{Clock, Compiled, Host, HostError, Manifest, Verdict};
use disk::Disk;
pub use kernel::{Kernel, Net, Service};

/// What goes wrong at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing was done.
    Refused,
    /// It was done, and is reported as refused.
    DoneAndRefused,
    /// From here on every write is refused, until the fault is mended.
    DiskFull,
    /// The process ends before the step.
    KilledBefore,
    /// The process ends after the step.
    KilledAfter,
    /// The power goes before the step.
    PowerBefore,
    /// The power goes after the step.
    PowerAfter,
    /// The kernel takes the rules and holds others.
    OtherRules,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::DoneAndRefused,
        Self::DiskFull,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::PowerBefore,
        Self::PowerAfter,
        Self::OtherRules,
    ];
}

/// The number of the rules of a box whose own cannot be had.
pub const CLOSED: u64 = u64::MAX - 1;

/// The box.
#[derive(Debug, Clone)]
pub struct Sim {
    disk: Disk,
    /// What the kernel and the init system hold.
    pub kernel: Kernel,
    /// Policies it can compile, by their text.
    pub policies: BTreeMap<String, Compiled>,
    /// What networking makes of the file of interfaces at boot.
    pub nets: Vec<(Option<FileState>, Net)>,
    /// Where that file lies.
    pub interfaces: String,
    /// The fault, and the step it comes at.
    pub fault: Option<(usize, Fault)>,
    /// Steps so far.
    pub steps: usize,
    /// The process is no more, and why.
    pub gone: Option<Fault>,
    /// What was seen that must never be.
    pub breaches: Vec<String>,
    /// Generations whose rules may be loaded while packets are forwarded.
    pub safe: Vec<Option<u64>>,
    full: bool,
    boot: u64,
    clock_ms: u64,
    random: u64,
}

impl Sim {
    /// A box with these files, all of them on the disk.
    #[must_use]
    pub fn new(files: &[(&str, FileState)], kernel: Kernel, seed: u64) -> Self {
        Self {
            disk: Disk::new(files),
            kernel,
            policies: BTreeMap::new(),
            nets: Vec::new(),
            interfaces: String::new(),
            fault: None,
            steps: 0,
            gone: None,
            breaches: Vec::new(),
            safe: Vec::new(),
            full: false,
            boot: 1,
            clock_ms: 1000,
            random: seed | 1,
        }
    }

    /// Every file as a process sees it.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, FileState> {
        self.disk.files()
    }

    /// Puts a file on the disk.
    pub fn add_file(&mut self, path: &str, file: FileState) {
        self.disk.add(path, file);
    }

    /// Another process looks at the box; faults are over unless a new one is set.
    pub fn next_process(&mut self) {
        self.gone = None;
        self.fault = None;
        self.full = false;
        self.steps = 0;
    }

    /// The power comes back: what was on the disk is there, the kernel is empty.
    pub fn power_on(&mut self) {
        let mut random = self.random;
        self.disk.lose_power(&mut || next(&mut random));
        self.random = random;
        self.boot += 1;
        self.kernel.lose_power();
        self.next_process();
    }

    /// What the init system does after our boot service: interfaces from their file, then the services that are enabled.
    pub fn start_the_rest(&mut self) {
        let file = self.disk.read(&self.interfaces);
        let net = self.nets.iter().find(|(content, _)| *content == file).map(|(_, net)| net.clone());
        if net.is_none() {
            self.breaches.push("networking met a file of interfaces that nobody wrote".to_owned());
        }
        self.kernel.net = net.unwrap_or_default();
        let files = self.disk.files();
        self.kernel.start_enabled(&files);
    }

    /// Time passes.
    pub fn wait_ms(&mut self, ms: u64) {
        self.clock_ms += ms;
    }

    /// One step: counted, and struck by the fault when it is its turn.
    fn step<T>(
        &mut self,
        doing: &str,
        writes: bool,
        act: impl FnOnce(&mut Self) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let refused = |why: &str| Err(HostError::new(doing.to_owned(), why.to_owned()));
        if self.gone.is_some() {
            return refused("this process is no more");
        }
        self.clock_ms += 1;
        let turn = self.steps;
        self.steps += 1;
        let fault = self.fault.filter(|(at, _)| *at == turn).map(|(_, fault)| fault);
        match fault {
            Some(Fault::Refused) => return refused("the box refused"),
            Some(before @ (Fault::KilledBefore | Fault::PowerBefore)) => {
                self.gone = Some(before);
                return refused("this process is no more");
            }
            Some(Fault::DiskFull) => self.full = true,
            Some(Fault::DoneAndRefused | Fault::KilledAfter | Fault::PowerAfter | Fault::OtherRules) | None => {}
        }
        if writes && self.full {
            return refused("no space left on device");
        }
        let result = act(self);
        self.look();
        match fault {
            Some(Fault::DoneAndRefused) => refused("the box refused"),
            Some(after @ (Fault::KilledAfter | Fault::PowerAfter)) => {
                self.gone = Some(after);
                refused("this process is no more")
            }
            _ => result,
        }
    }

    /// Whether the box is more open than it may be.
    fn look(&mut self) {
        let rules = if self.kernel.spoilt { Some(u64::MAX) } else { self.kernel.rules };
        // What the kernel made of the rules by itself is found out before the next step, and not by us here.
        let closed = rules == Some(CLOSED);
        if self.kernel.forwards() && !self.kernel.spoilt && !closed && !self.safe.contains(&rules) {
            self.breaches.push(format!("step {}: forwarding with the rules of {rules:?}", self.steps));
        }
    }
}

/// splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Host for Sim {
    fn read(&mut self, path: &str) -> Result<Option<FileState>, HostError> {
        self.step(&format!("read {path}"), false, |sim| Ok(sim.disk.read(path)))
    }

    fn put(&mut self, path: &str, file: &FileState) -> Result<(), HostError> {
        self.step(&format!("write {path}"), true, |sim| {
            sim.disk.put(path, file);
            Ok(())
        })
    }

    fn sync(&mut self, path: &str) -> Result<(), HostError> {
        self.step(&format!("sync {path}"), true, |sim| {
            sim.disk.sync(path);
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), HostError> {
        self.step(&format!("rename {from}"), true, |sim| {
            sim.disk.rename(from, to);
            Ok(())
        })
    }

    fn remove(&mut self, path: &str) -> Result<(), HostError> {
        self.step(&format!("remove {path}"), false, |sim| {
            sim.disk.remove(path);
            Ok(())
        })
    }

    fn sync_dir(&mut self, dir: &str) -> Result<(), HostError> {
        self.step(&format!("sync {dir}"), true, |sim| {
            sim.disk.sync_dir(dir);
            Ok(())
        })
    }

    fn list(&mut self, dir: &str) -> Result<Vec<String>, HostError> {
        self.step(&format!("list {dir}"), false, |sim| Ok(sim.disk.list(dir)))
    }

    fn make_dir(&mut self, dir: &str) -> Result<(), HostError> {
        // Directories come with the files in them.
        self.step(&format!("make {dir}"), true, |_| Ok(()))
    }

    fn clock(&mut self) -> Result<Clock, HostError> {
        self.step("tell the time", false, |sim| {
            let unix_s = i64::try_from(sim.clock_ms / 1000).unwrap_or(i64::MAX);
            Ok(Clock { unix_s, boot_ms: sim.clock_ms, boot_id: format!("boot {}", sim.boot) })
        })
    }

    fn inventory(&mut self, interest: &Interest) -> Result<Inventory, HostError> {
        self.step("look at the box", false, |sim| Ok(sim.kernel.inventory(&sim.disk.files(), interest)))
    }

    fn seen(&mut self) -> Result<Seen, HostError> {
        self.step("look for what others set up", false, |sim| {
            let looked_at = |path: &String| {
                FILES.contains(&path.as_str()) || DIRS.iter().any(|dir| path.starts_with(&format!("{dir}/")))
            };
            let files = sim.disk.files().into_iter().filter(|(path, _)| looked_at(path)).collect();
            Ok(Seen { files, services: sim.kernel.services_of(&SERVICES), tables: sim.kernel.tables.clone() })
        })
    }

    fn change(&mut self, change: &Change) -> Result<(), HostError> {
        self.step(&change.to_string(), false, |sim| {
            let files = sim.disk.files();
            sim.kernel.change(change, &files);
            Ok(())
        })
    }

    fn load(&mut self, _from: Option<&Compiled>, to: Option<&Compiled>) -> Result<usize, HostError> {
        let number = to.map(|to| to.number);
        let turn = self.steps;
        self.step("load the rules", false, |sim| {
            sim.kernel.rules = number;
            sim.kernel.spoilt = sim.fault == Some((turn, Fault::OtherRules));
            sim.kernel.closing = true;
            Ok(())
        })?;
        self.step("cut what the new rules forbid", false, |_| Ok(()))?;
        self.step("end the closing", false, |sim| {
            sim.kernel.closing = false;
            Ok(0)
        })
    }

    fn close(&mut self, unless_loaded: bool) -> Result<(), HostError> {
        self.step("close the box", false, |sim| {
            if !(unless_loaded && sim.kernel.rules.is_some()) {
                // Closed rules are safe whatever is forwarded.
                sim.kernel.rules = Some(CLOSED);
                sim.kernel.spoilt = false;
            }
            Ok(())
        })
    }

    fn prove(&mut self, rules: Option<&Compiled>) -> Result<Verdict, HostError> {
        let wanted = rules.map(|rules| rules.number);
        self.step("read the rules", false, |sim| {
            let same = sim.kernel.rules == wanted && !sim.kernel.spoilt && !sim.kernel.closing;
            Ok(if same { Verdict::Proved } else { Verdict::Refuted(vec!["a packet".to_owned()]) })
        })
    }

    fn start_watchdog(&mut self) -> Result<(), HostError> {
        self.step("start the watchdog", false, |_| Ok(()))
    }

    fn compile(&mut self, number: u64, policy: &str, _manifest: &Manifest) -> Result<Compiled, HostError> {
        let compiled = self.policies.get(policy).map(|compiled| Compiled { number, ..compiled.clone() });
        let unknown =
            || HostError { doing: format!("compile generation {number}: nobody wrote its policy"), source: None };
        // Nothing of the box is touched by it.
        compiled.ok_or_else(unknown)
    }
}
