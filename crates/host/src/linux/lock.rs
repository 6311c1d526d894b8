//! One at a time: whoever changes the box holds this lock, and the kernel takes it from the dead.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::{major, minor};
use nix::unistd::Pid;

use super::files::{Root, failed};
use crate::apply::HostError;

/// The lock's file. `/run` is empty after a boot, and so is who holds it.
pub const LOCK: &str = "/run/segwall/lock";
const LOCK_MODE: u32 = 0o600;

/// The lock, held until this value is dropped or its process ends, however it ends. Children do not hold it. While it is
/// held, Ctrl-Z does not stop the process halfway.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
    stop: SigHandler,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: what was there before us is put back.
        let _ = unsafe { signal(Signal::SIGTSTP, self.stop) };
    }
}

impl Lock {
    /// Waits until it is free.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn wait(root: &Root) -> Result<Self, HostError> {
        let mut file = open(root)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(held) => return Ok(Self::of(held)),
                Err((again, Errno::EINTR)) => file = again,
                Err((_, refused)) => return Err(failed("lock", &root.at(LOCK), refused.into())),
            }
        }
    }

    fn of(held: Flock<File>) -> Self {
        // SAFETY: ignoring a signal runs no code of ours.
        let stop = unsafe { signal(Signal::SIGTSTP, SigHandler::SigIgn) }.unwrap_or(SigHandler::SigDfl);
        Self { _file: held, stop }
    }

    /// Takes it, if it is free.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn attempt(root: &Root) -> Result<Option<Self>, HostError> {
        match Flock::lock(open(root)?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Some(Self::of(held))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, refused)) => Err(failed("lock", &root.at(LOCK), refused.into())),
        }
    }
}

/// Who holds the lock, as the kernel tells it in `/proc/locks` (proc_locks(5)).
#[must_use]
pub fn holder(root: &Root) -> Option<Pid> {
    let data = fs::metadata(root.at(LOCK)).ok()?;
    let place = format!("{:02x}:{:02x}:{}", major(data.dev()), minor(data.dev()), data.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF`; whoever waits has an arrow after the number.
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&place.as_str())).then(|| words.get(4)?.parse().ok())?
    });
    // In another namespace of processes it has no number here.
    pid.filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// Whether somebody stopped a process, as by Ctrl-Z; one that is being debugged is not meant.
#[must_use]
pub fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it stands in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Rust opens with `O_CLOEXEC`: a child that runs on does not keep the lock.
fn open(root: &Root) -> Result<File, HostError> {
    root.make_dir("/run/segwall")?;
    let place = root.at(LOCK);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(LOCK_MODE)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&place)
        .map_err(|error| failed("open", &place, error))
}
