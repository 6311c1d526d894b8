//! Keeps a thread on one CPU.

use std::io;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps this thread on one CPU: packets it sends over veth are then handled in order, and on that CPU alone.
///
/// # Errors
/// When the machine has no such CPU, or it is not ours to use.
pub fn to_cpu(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The CPU this thread runs on right now.
#[must_use]
pub fn current_cpu() -> Option<usize> {
    nix::sched::sched_getcpu().ok()
}
