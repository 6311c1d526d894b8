//! Child processes: found on the usual paths, run in a namespace, gone when we are.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, killpg, signal};
use nix::unistd::Pid;
use thiserror::Error;

use crate::netns::{Netns, NetnsError};

/// Looked at after `PATH`: an ordinary user's `PATH` often lacks them.
const SYSTEM_DIRS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/// What a shell says of a command that a signal ended.
const SIGNAL_BASE: i32 = 128;
const FEED_POLL: Duration = Duration::from_millis(10);

/// A command could not be run.
#[derive(Debug, Error)]
pub enum ExecError {
    /// It was not started.
    #[error("cannot start {program}")]
    Start {
        /// What was to run.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its end was not seen.
    #[error("cannot wait for {program}")]
    Wait {
        /// What ran.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its namespace could not be entered.
    #[error("cannot run {program} in its namespace")]
    Netns {
        /// What was to run.
        program: String,
        /// What went wrong.
        source: NetnsError,
    },
}

/// A program in `PATH` or in the system's directories.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Makes the kernel kill the child when this thread ends, however it ends.
pub fn die_with_us(command: &mut Command) -> &mut Command {
    let parent = std::process::id();
    // SAFETY: between fork and exec only prctl and getppid are called, both async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have ended before the line above.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        })
    }
}

/// Starts a command inside a namespace; it dies with us.
///
/// # Errors
/// When it cannot be started there.
pub fn spawn(netns: &Netns, command: &mut Command) -> Result<Child, ExecError> {
    let program = command.get_program().to_string_lossy().into_owned();
    die_with_us(command);
    match netns.run(|| command.spawn()) {
        Ok(Ok(child)) => Ok(child),
        Ok(Err(source)) => Err(ExecError::Start { program, source }),
        Err(source) => Err(ExecError::Netns { program, source }),
    }
}

/// How a program that was fed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// By itself: its exit code, or 128 and the signal that ended it.
    Ended(i32),
    /// It had not within its time, and was killed with all that it started.
    Overdue,
}

/// Runs a program with these bytes on its standard input, in a group of processes of its own; what it says is thrown away.
/// It need not read them.
///
/// # Errors
/// When it cannot be started.
pub fn feed(words: &[String], input: &[u8], within: Duration) -> Result<Fed, ExecError> {
    let (program, args) = words.split_first().map_or(("", &[][..]), |(program, args)| (program.as_str(), args));
    let start = |source| ExecError::Start { program: program.to_owned(), source };
    // A file instead of a pipe: nobody has to be there to fill it.
    let mut file = memory_file("segwall-input").map_err(start)?;
    file.write_all(input).and_then(|()| file.rewind()).map_err(start)?;
    let mut command = Command::new(program);
    command.args(args).stdin(file).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = die_with_us(&mut command).spawn().map_err(start)?;
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Fed::Ended(code(status))),
            Ok(None) if begun.elapsed() < within => thread::sleep(FEED_POLL),
            Ok(None) | Err(_) => {
                if let Ok(group) = i32::try_from(child.id()) {
                    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                }
                let _ = child.wait();
                return Ok(Fed::Overdue);
            }
        }
    }
}

/// A command that a person uses: it has our standard streams, and Ctrl-C is for it alone.
#[derive(Debug)]
pub struct Interactive {
    child: Child,
    program: String,
    interrupt: SigHandler,
    quit: SigHandler,
}

impl Interactive {
    /// Starts it inside a namespace with these further variables in its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(netns: &Netns, program: &OsStr, args: &[OsString], env: &[(&str, &str)]) -> Result<Self, ExecError> {
        let name = program.to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(args).envs(env.iter().copied());
        let child = spawn(netns, &mut command)?;
        let ignore = |kind| {
            // SAFETY: ignoring a signal runs no code of ours.
            unsafe { signal(kind, SigHandler::SigIgn) }.unwrap_or(SigHandler::SigDfl)
        };
        // Ignored only now: the child keeps the ordinary handling.
        Ok(Self { child, program: name, interrupt: ignore(Signal::SIGINT), quit: ignore(Signal::SIGQUIT) })
    }

    /// Its exit code, once it has ended; returns at once.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn try_wait(&mut self) -> Result<Option<i32>, ExecError> {
        self.child
            .try_wait()
            .map(|status| status.map(code))
            .map_err(|source| ExecError::Wait { program: self.program.clone(), source })
    }

    /// Waits until it ends: its exit code, or 128 and the signal that ended it, as shells say it.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn wait(mut self) -> Result<i32, ExecError> {
        self.child.wait().map(code).map_err(|source| ExecError::Wait { program: self.program.clone(), source })
    }
}

impl Drop for Interactive {
    fn drop(&mut self) {
        for (kind, before) in [(Signal::SIGINT, self.interrupt), (Signal::SIGQUIT, self.quit)] {
            // SAFETY: puts back what was there before `start`.
            let _ = unsafe { signal(kind, before) };
        }
    }
}

/// A file without a name, for what another process reads or writes at its own pace.
///
/// # Errors
/// When the kernel has none to give.
pub fn memory_file(name: &str) -> io::Result<File> {
    let name = CString::new(name)?;
    // SAFETY: the name is NUL-terminated and lives; the descriptor is fresh and owned by nobody else.
    unsafe {
        let fd = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(File::from(OwnedFd::from_raw_fd(fd)))
    }
}

fn code(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => SIGNAL_BASE + signal,
        (None, None) => SIGNAL_BASE,
    }
}
