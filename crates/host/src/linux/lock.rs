//! One at a time: whoever changes the box holds this lock, and the kernel takes it from the dead.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::files::{Root, failed};
use crate::apply::HostError;

/// The lock's file. `/run` is empty after a boot, and so is who holds it.
pub const LOCK: &str = "/run/segwall/lock";
const LOCK_MODE: u32 = 0o600;

/// The lock, held until this value is dropped or its process ends, however it ends. Children do not hold it.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
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
                Ok(held) => return Ok(Self { _file: held }),
                Err((again, Errno::EINTR)) => file = again,
                Err((_, refused)) => return Err(failed("lock", &root.at(LOCK), refused.into())),
            }
        }
    }

    /// Takes it, if it is free.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn attempt(root: &Root) -> Result<Option<Self>, HostError> {
        match Flock::lock(open(root)?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Some(Self { _file: held })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, refused)) => Err(failed("lock", &root.at(LOCK), refused.into())),
        }
    }
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
