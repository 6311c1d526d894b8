//! Network namespaces that live only as long as somebody holds them open.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use nix::sched::{CloneFlags, setns, unshare};
use thiserror::Error;

const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace could not be made or entered.
#[derive(Debug, Error)]
pub enum NetnsError {
    /// No new namespace.
    #[error("cannot make a network namespace{}", limit_hint(.0))]
    Create(#[source] io::Error),
    /// The namespace of this thread cannot be opened.
    #[error("cannot open {OWN}")]
    Open(#[source] io::Error),
    /// The namespace cannot be entered.
    #[error("cannot enter a network namespace")]
    Enter(#[source] io::Error),
}

fn limit_hint(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(libc::ENOSPC) { "; `sysctl user.max_net_namespaces` allows no more" } else { "" }
}

/// A network namespace, held by a file descriptor and by nothing else: it is gone when the process is.
#[derive(Debug)]
pub struct Netns {
    file: File,
}

impl Netns {
    /// The namespace this thread is in.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn current() -> Result<Self, NetnsError> {
        File::open(OWN).map(|file| Self { file }).map_err(NetnsError::Open)
    }

    /// A fresh, empty namespace; this thread stays where it is.
    ///
    /// # Errors
    /// When the kernel has none to give.
    pub fn create() -> Result<Self, NetnsError> {
        let home = Home::here()?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(|refused| NetnsError::Create(refused.into()))?;
        let made = Self::current();
        home.return_to()?;
        made
    }

    /// Whether this thread is in it.
    fn is_here(&self) -> Result<bool, NetnsError> {
        let about = |netns: &Self| netns.file.metadata().map_err(NetnsError::Enter);
        let (this, here) = (about(self)?, about(&Self::current()?)?);
        Ok((this.dev(), this.ino()) == (here.dev(), here.ino()))
    }

    /// Does something inside the namespace, and comes back. Sockets opened inside stay inside.
    ///
    /// # Errors
    /// When the namespace cannot be entered or left.
    pub fn run<T>(&self, inside: impl FnOnce() -> T) -> Result<T, NetnsError> {
        // Who is there already needs no right to go there: a service may have none.
        if self.is_here()? {
            return Ok(inside());
        }
        let home = Home::here()?;
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|refused| NetnsError::Enter(refused.into()))?;
        let result = inside();
        home.return_to()?;
        Ok(result)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The namespace to come back to; comes back when dropped too, so a panic inside does not leave the thread astray.
struct Home {
    netns: Netns,
    returned: bool,
}

impl Home {
    fn here() -> Result<Self, NetnsError> {
        Ok(Self { netns: Netns::current()?, returned: false })
    }

    fn return_to(mut self) -> Result<(), NetnsError> {
        self.returned = true;
        setns(&self.netns.file, CloneFlags::CLONE_NEWNET).map_err(|refused| NetnsError::Enter(refused.into()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.returned {
            // Unwinding or an early error. Should this fail too, the next call fails in a foreign namespace, which
            // is still one of ours: the real network was left behind before the first one was made.
            let _ = setns(&self.netns.file, CloneFlags::CLONE_NEWNET);
        }
    }
}
