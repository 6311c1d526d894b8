//! No init system: what a systemd unit says is started by us. It is for namespaces, where there is none.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use segwall_core::plan::ServiceState;

use super::super::files::Root;
use super::CHANGE;
use crate::apply::HostError;
use crate::exec;

const POLL: Duration = Duration::from_millis(10);
/// What does not end within this time after it began is taken for started.
const SETTLE: Duration = Duration::from_millis(200);

/// Services that we started.
#[derive(Debug, Default)]
pub struct Direct {
    children: BTreeMap<String, Child>,
}

impl Direct {
    pub(super) fn state(&mut self, root: &Root, name: &str) -> ServiceState {
        let installed = root.at(&unit(name)).is_file();
        let enabled = root.at(&mark(name, "enabled")).exists();
        ServiceState { installed, enabled, running: self.pid(root, name).is_some() }
    }

    pub(super) fn enable(&mut self, root: &Root, name: &str, enabled: bool) -> Result<(), HostError> {
        let path = mark(name, "enabled");
        if !enabled {
            return root.remove(&path);
        }
        root.make_dir(MARKS)?;
        root.put(&path, &segwall_core::plan::FileState { mode: 0o644, bytes: Vec::new() })
    }

    pub(super) fn run(&mut self, root: &Root, name: &str, running: bool) -> Result<(), HostError> {
        if running { self.start(root, name) } else { self.stop(root, name) }
    }

    pub(super) fn renew(&mut self, root: &Root, name: &str) -> Result<(), HostError> {
        self.stop(root, name)?;
        self.start(root, name)
    }

    /// Its process, where it lives: one that we started, or that another process of ours left its number of.
    fn pid(&mut self, root: &Root, name: &str) -> Option<i32> {
        if let Some(child) = self.children.get_mut(name)
            && matches!(child.try_wait(), Ok(Some(_)))
        {
            self.children.remove(name);
        }
        let text = fs::read_to_string(root.at(&mark(name, "pid"))).ok()?;
        let pid: i32 = text.trim().parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // A number may be another's by now; one that has ended and was not asked for yet runs no more.
        let is_dead = stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']));
        (!is_dead).then_some(pid)
    }

    fn start(&mut self, root: &Root, name: &str) -> Result<(), HostError> {
        let doing = format!("start the service {name}");
        let file = root.read(&unit(name))?;
        let text = file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
        let text = text.ok_or_else(|| HostError::new(&*doing, format!("there is no {}", unit(name))))?;
        let call = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap_or_default();
        let mut words = call.split_whitespace().map(|word| placed(root, word));
        let program = words.next().unwrap_or_default();
        let program = exec::find(program.rsplit('/').next().unwrap_or_default())
            .ok_or_else(|| HostError::new(&*doing, format!("`{call}` is not installed")))?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| HostError::new(&*doing, error))?;
        let begun = Instant::now();
        while begun.elapsed() < SETTLE {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(HostError::new(doing, format!("`{call}` ended at once ({status})")));
            }
            thread::sleep(POLL);
        }
        root.make_dir(MARKS)?;
        let pid = format!("{}\n", child.id());
        root.put(&mark(name, "pid"), &segwall_core::plan::FileState { mode: 0o644, bytes: pid.into_bytes() })?;
        self.children.insert(name.to_owned(), child);
        Ok(())
    }

    fn stop(&mut self, root: &Root, name: &str) -> Result<(), HostError> {
        let doing = format!("stop the service {name}");
        let begun = Instant::now();
        while let Some(pid) = self.pid(root, name) {
            let signal = if begun.elapsed() < CHANGE { Signal::SIGTERM } else { Signal::SIGKILL };
            if begun.elapsed() > CHANGE * 2 {
                return Err(HostError::new(doing, "it does not end"));
            }
            let _ = kill(Pid::from_raw(pid), signal);
            thread::sleep(POLL);
        }
        root.remove(&mark(name, "pid"))
    }
}

const MARKS: &str = "/run/segwall/services";

fn mark(name: &str, end: &str) -> String {
    format!("{MARKS}/{name}.{end}")
}

fn unit(name: &str) -> String {
    format!("/etc/systemd/system/{name}.service")
}

/// A word of a unit's call; paths of files of the box are below the root.
fn placed(root: &Root, word: &str) -> String {
    let (before, path) = word.find('/').map_or((word, ""), |at| word.split_at(at));
    if path.is_empty() || root.is_real() {
        return word.to_owned();
    }
    let below = root.at(path);
    if below.exists() { format!("{before}{}", below.display()) } else { word.to_owned() }
}
