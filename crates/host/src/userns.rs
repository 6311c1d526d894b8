//! Entering a user namespace, so that nothing the lab does can reach the real network.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use thiserror::Error;

/// What keeps the lab apart from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A user namespace and a network namespace in it: no rights over anything outside.
    UserNamespace,
    /// A network namespace only, as real root, where user namespaces are switched off.
    NetworkNamespace,
}

/// Why no namespace could be entered.
#[derive(Debug, Error)]
pub enum UsernsError {
    /// A user namespace takes the whole process, so it must have one thread.
    #[error("namespaces must be entered before the first thread starts; this process has {0} threads")]
    Threads(usize),
    /// The kernel refused a user namespace to an ordinary user.
    #[error(
        "the kernel allows no user namespaces here. As root: `sysctl -w user.max_user_namespaces=10000`, \
         on older Debian also `sysctl -w kernel.unprivileged_userns_clone=1`; in a container, allow them there; \
         or run this as root"
    )]
    Refused(#[source] io::Error),
    /// The user namespace came without rights.
    #[error(
        "the user namespace may not make networks: AppArmor restricts it. \
         As root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or run this as root"
    )]
    Restricted(#[source] io::Error),
    /// `/proc` could not be used.
    #[error("cannot use {path}; is /proc mounted?")]
    Proc {
        /// The file.
        path: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Network namespaces do not work even as root.
    #[error("the kernel makes no network namespaces (CONFIG_NET_NS, or a container without CAP_SYS_ADMIN)")]
    NoNetworkNamespaces(#[source] io::Error),
}

/// Moves this process into a fresh user namespace, as root there, and a fresh network namespace.
///
/// Real root gets a user namespace as well, so that a bug cannot touch the real network.
///
/// # Errors
/// See [`UsernsError`]; the text says what to do.
pub fn enter() -> Result<Isolation, UsernsError> {
    let threads = fs::read_dir("/proc/self/task")
        .map_err(|source| UsernsError::Proc { path: "/proc/self/task", source })?
        .count();
    if threads != 1 {
        return Err(UsernsError::Threads(threads));
    }
    let (uid, gid) = (geteuid(), getegid());
    match unshare(CloneFlags::CLONE_NEWUSER) {
        Ok(()) => {}
        Err(refused) if uid.is_root() => {
            // Root without user namespaces: a network namespace alone still keeps the real network out of reach of
            // everything that goes through it.
            unshare(CloneFlags::CLONE_NEWNET).map_err(|_| UsernsError::NoNetworkNamespaces(refused.into()))?;
            return Ok(Isolation::NetworkNamespace);
        }
        Err(refused) => return Err(UsernsError::Refused(refused.into())),
    }
    write_map("/proc/self/setgroups", "deny")?;
    write_map("/proc/self/uid_map", &format!("0 {uid} 1\n"))?;
    write_map("/proc/self/gid_map", &format!("0 {gid} 1\n"))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|refused| UsernsError::Restricted(refused.into()))?;
    Ok(Isolation::UserNamespace)
}

/// Makes a command run in a network namespace of its own; as an ordinary user in a user namespace of its own as well.
/// This process stays where it is, whatever threads it has.
pub fn enter_in_child(command: &mut Command) -> &mut Command {
    let uid_map = format!("0 {} 1\n", geteuid());
    let gid_map = format!("0 {} 1\n", getegid());
    let write = |path: &CStr, text: &[u8]| {
        // SAFETY: open, write and close are async-signal-safe; pointers and lengths describe living bytes.
        let done = unsafe {
            let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            let done = libc::write(file, text.as_ptr().cast(), text.len());
            libc::close(file);
            done
        };
        if usize::try_from(done) == Ok(text.len()) { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec only system calls are made; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            if libc::unshare(libc::CLONE_NEWNET) == 0 {
                return Ok(());
            }
            if libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) != 0 {
                return Err(io::Error::last_os_error());
            }
            write(c"/proc/self/setgroups", b"deny")?;
            write(c"/proc/self/uid_map", uid_map.as_bytes())?;
            write(c"/proc/self/gid_map", gid_map.as_bytes())
        })
    }
}

/// The kernel allows these files one write each, whole.
fn write_map(path: &'static str, text: &str) -> Result<(), UsernsError> {
    fs::write(path, text).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => UsernsError::Restricted(source),
        _ => UsernsError::Proc { path, source },
    })
}
