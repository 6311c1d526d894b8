//! Giving up what is not needed, for a process that reads what strangers send: another user, one capability, no way to
//! gain any, and of files and system calls only those that watching takes.
//!
//! Sources: capabilities(7), `Documentation/userspace-api/landlock.rst` and `seccomp_filter.rst` of the kernel.

mod calls;
mod readable;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{self, Gid, Pid, Uid, fchown, fchownat, getppid, setgroups, setresgid, setresuid};
use thiserror::Error;

pub use readable::unreadable;

/// Who reads packets unless told otherwise, where there is such a user: packages make it.
pub const USER: &str = "segwall";
/// The newest Landlock whose rights are asked for; an older kernel gives those it has.
const LANDLOCK: ABI = ABI::V6;
/// What is kept: netlink's multicast groups, NFLOG and large buffers need it.
const KEPT: [Capability; 1] = [Capability::CAP_NET_ADMIN];
/// What may be read: names, certificates, the time zone, libraries that look names up, the kernel's own figures.
const READ: [&str; 8] = ["/etc", "/usr", "/lib", "/lib64", "/run", "/proc", "/sys", "/dev/urandom"];
/// Directories in directories that are handed over; ours are not deeper.
const DEPTH_MAX: u32 = 4;

/// Somebody who processes run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    gid: Gid,
}

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// What this kernel or machine could not do, as sentences.
    pub missing: Vec<String>,
}

/// It cannot be given up.
#[derive(Debug, Error)]
pub enum ConfineError {
    /// The user.
    #[error("cannot become the user with number {uid}; is CAP_SETUID taken away from the service?")]
    User {
        /// Its number.
        uid: u32,
        /// What the kernel said.
        source: Errno,
    },
    /// Capabilities.
    #[error("cannot give up capabilities")]
    Capabilities(#[from] caps::errors::CapsError),
    /// The way back to them.
    #[error("cannot give up ever gaining privileges")]
    Privileges(#[source] Errno),
    /// Whose child it is.
    #[error("cannot be told of the end of the process that keeps this one")]
    Keeper(#[source] Errno),
    /// Files.
    #[error("cannot give up files by Landlock")]
    Files(#[from] RulesetError),
    /// A directory that is to be kept.
    #[error("cannot keep {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// What was said.
        source: PathFdError,
    },
    /// System calls.
    #[error("cannot give up system calls by seccomp")]
    Calls(#[from] calls::CallsError),
}

impl User {
    /// By their name. `None`: there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = unistd::User::from_name(name).ok()??;
        Some(Self { uid: found.uid, gid: found.gid })
    }

    /// Whether something is theirs already.
    #[must_use]
    pub fn owns(self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == self.uid.as_raw())
    }

    /// Gives them a directory and what is in it, as far as it is root's or theirs. Links are not followed, a file with a second
    /// name is left alone, and what is looked at is what is given, whoever moves names about meanwhile.
    ///
    /// # Errors
    /// When it is no directory, somebody else's, or the kernel refuses.
    pub fn own(self, dir: &Path) -> io::Result<()> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = open(dir, OFlag::O_RDONLY | flags, Mode::empty()).map_err(|error| match error {
            Errno::ELOOP | Errno::ENOTDIR => io::Error::other("it is no directory but a link or a file"),
            error => error.into(),
        })?;
        self.own_open(open, DEPTH_MAX)
    }

    fn own_open(self, dir: OwnedFd, depth: u32) -> io::Result<()> {
        let about = fstat(&dir)?;
        if about.st_uid != 0 && about.st_uid != self.uid.as_raw() {
            return Err(io::Error::other(format!("it belongs to the user with number {}", about.st_uid)));
        }
        fchown(&dir, Some(self.uid), Some(self.gid))?;
        let mut listed = Dir::from_fd(dir.try_clone()?)?;
        for entry in listed.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            // A handle that reads nothing and follows no link: what is looked at is what is given.
            let handle = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let Ok(file) = openat(&dir, name, handle, Mode::empty()) else { continue };
            let about = fstat(&file)?;
            let kind = SFlag::from_bits_truncate(about.st_mode & SFlag::S_IFMT.bits());
            if kind == SFlag::S_IFDIR && depth > 0 {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                self.own_open(openat(&dir, name, flags, Mode::empty())?, depth - 1)?;
            } else if kind == SFlag::S_IFREG && about.st_nlink == 1 && about.st_uid == 0 {
                fchownat(&file, c"", Some(self.uid), Some(self.gid), AtFlags::AT_EMPTY_PATH)?;
            }
        }
        Ok(())
    }
}

/// Gives up everything but watching, for good: this thread, those it will start, and what they would start. Files below
/// `written` may be written. It ends when the process `keeper` does.
///
/// Call it while there is one thread.
///
/// # Errors
/// When something was not given up that this kernel could take. What it could not take is said in what comes back.
pub fn confine(user: Option<User>, written: &[&Path], keeper: u32) -> Result<Confined, ConfineError> {
    if let Some(user) = user {
        become_user(user)?;
    }
    let kept: CapsHashSet = KEPT.into_iter().collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    prctl::set_no_new_privs().map_err(ConfineError::Privileges)?;
    // After the user was changed: that takes it back.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(ConfineError::Keeper)?;
    if getppid() != Pid::from_raw(i32::try_from(keeper).unwrap_or_default()) {
        return Err(ConfineError::Keeper(Errno::ESRCH));
    }
    let mut missing = Vec::new();
    if files(written)? == RulesetStatus::NotEnforced {
        missing.push("this kernel has no Landlock, so files are kept from it by their owners alone".to_owned());
    }
    if !calls::only_those_of_watching()? {
        missing.push(format!("system calls are not filtered on {}", std::env::consts::ARCH));
    }
    Ok(Confined { missing })
}

/// Capabilities stay permitted over the change.
fn become_user(user: User) -> Result<(), ConfineError> {
    let failed = |source| ConfineError::User { uid: user.uid.as_raw(), source };
    caps::securebits::set_keepcaps(true)?;
    setgroups(&[]).map_err(failed)?;
    setresgid(user.gid, user.gid, user.gid).map_err(failed)?;
    setresuid(user.uid, user.uid, user.uid).map_err(failed)
}

fn files(written: &[&Path]) -> Result<RulesetStatus, ConfineError> {
    let all = AccessFs::from_all(LANDLOCK);
    let write = all & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        // Signals and abstract sockets of others.
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    let open =
        |path: &Path| PathFd::new(path).map_err(|source| ConfineError::Directory { path: path.to_owned(), source });
    for path in READ.map(Path::new).into_iter().filter(|path| path.exists()) {
        rules = rules.add_rule(PathBeneath::new(open(path)?, read))?;
    }
    // What threads and libraries throw away.
    rules =
        rules.add_rule(PathBeneath::new(open(Path::new("/dev/null"))?, AccessFs::ReadFile | AccessFs::WriteFile))?;
    for path in written {
        rules = rules.add_rule(PathBeneath::new(open(path)?, write))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
