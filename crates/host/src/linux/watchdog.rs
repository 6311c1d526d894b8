//! The watchdog of an apply: it outlives who started it, and leads the box back unless somebody confirms in time.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lock::{self, Lock};
use super::run::{self, PATH};
use super::services::Init;
use super::{Linux, clock};
use crate::apply::{Back, Host, HostError, Journal, Phase, Recovery, Scope, Store, recover};

/// What our own program is called with.
pub(super) const COMMAND: &str = "watchdog";
const JOURNAL: &str = "/etc/segwall/journal.json";
const LOG: &str = "/run/segwall/watchdog.log";
const LOG_BYTES_MAX: u64 = 256 * 1024;
const SYSLOG: &str = "/dev/log";
/// Facility daemon, severity notice (RFC 5424).
const SYSLOG_PRIORITY: u8 = 3 * 8 + 5;
/// How often it is looked whether somebody confirmed.
const POLL: Duration = Duration::from_millis(200);
/// A way back that is stuck is tried again after this long, twice as long each time,
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// at most this long,
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// and this often. Then the next command, or the boot, has to do it.
const RETRIES_MAX: usize = 15;
const START: Duration = Duration::from_secs(10);
/// Whoever holds the lock and was stopped, is ended after this long: it would keep the box half changed, and the clock
/// from deciding.
const STOPPED_MAX: Duration = Duration::from_secs(3);
/// Whoever holds the lock this long hangs. No apply takes so long: every program that it runs has its own bound.
const HELD_MAX: Duration = Duration::from_secs(15 * 60);

/// Starts one, so that neither the end of our session nor of our service takes it along.
pub(super) fn start(linux: &Linux) -> Result<(), HostError> {
    // What runs in the session of an SSH service is ended with it, unless systemd itself started it.
    if let (Init::Systemd(_), true) = (&linux.init, linux.root.is_real()) {
        let exe = std::env::current_exe().map_err(|error| HostError::new(DOING, error))?;
        let unit = format!("--unit=segwall-watchdog-{}-{}", std::process::id(), clock::boot_ms()?);
        let exe = exe.to_string_lossy().into_owned();
        let own: Vec<String> = linux.watchdog.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let mut args =
            vec!["--quiet", "--collect", "--property=Type=exec", "--property=Restart=on-failure", &unit, &exe];
        args.extend(own.iter().map(String::as_str));
        // Without systemd-run, or where it refuses, a process of its own session has to do.
        if run::must(DOING, "systemd-run", &args, START).is_ok() {
            return Ok(());
        }
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(&linux.watchdog).current_dir("/").env_clear().env("PATH", PATH).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    detach(&mut command);
    let mut between = command.spawn().map_err(|error| HostError::new(DOING, error))?;
    // The process between us and it has ended by now: it is nobody's child of ours.
    between.wait().map(drop).map_err(|error| HostError::new(DOING, error))
}

const DOING: &str = "start the watchdog, without which nothing leads the box back";

/// A session of its own, no descriptor of ours, and init for a parent.
fn detach(command: &mut Command) {
    // SAFETY: between fork and exec only system calls are made; nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            match libc::fork() {
                -1 => return Err(io::Error::last_os_error()),
                0 => {}
                _ => libc::_exit(0),
            }
            // Rust's own are closed by exec anyway; an old kernel without this call leaves what others opened.
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}

/// What it does: waits until whoever applies is done or dead, then until somebody confirms or the time is over, and leads
/// the box back unless it was kept. Ends when there is nothing more to do.
///
/// # Errors
/// When the box cannot be led back, after many attempts; the journal stays.
pub fn watch_over(linux: &mut Linux) -> Result<Recovery, HostError> {
    // Whoever started us holds the lock and has not written its journal yet: there is no moment at which a journal has no
    // watchdog. Where two applies follow at once two may wait for the second; the later of them finds nothing to do.
    let mut pause = RETRY_FIRST;
    let mut failures = 0;
    loop {
        match attempt(linux) {
            Ok(Some(Recovery::WentBack { back: Back::Stuck(left), .. })) => {
                tell(linux, &format!("not all could be undone yet: {}", left.join("; ")));
            }
            Ok(Some(done)) => {
                if let Recovery::WentBack { generation, .. } = &done {
                    tell(linux, &format!("generation {generation} was given up; the box is what it was before"));
                }
                return Ok(done);
            }
            Ok(None) => {
                if let Err(error) = wait(linux) {
                    tell(linux, &error.chain());
                    thread::sleep(POLL);
                }
                continue;
            }
            Err(error) => tell(linux, &error.chain()),
        }
        failures += 1;
        if failures >= RETRIES_MAX {
            let why = "it was tried many times; run `segwall rollback`, or boot the box";
            tell(linux, &format!("cannot lead the box back: {why}"));
            return Err(HostError::new("lead the box back", why));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(RETRY_LONGEST);
    }
}

/// Does what is to be done with the journal; `None` when it waits to be confirmed.
fn attempt(linux: &mut Linux) -> Result<Option<Recovery>, HostError> {
    let _lock = lock(linux)?;
    let Some(journal) = Journal::read(linux)? else { return Ok(Some(Recovery::Nothing)) };
    let now = linux.clock()?;
    let is_kept = Store::confirmed(linux)? == Some(journal.generation);
    if journal.phase == Phase::Waiting && !is_kept && journal.left_ms(&now) != Some(0) {
        return Ok(None);
    }
    let cause = match journal.phase {
        Phase::Waiting => "nobody confirmed it in time",
        Phase::Applying | Phase::Undoing => "it was interrupted",
    };
    tell(linux, &format!("generation {}: {}", journal.generation, if is_kept { "kept" } else { cause }));
    recover(linux, Scope::Live, cause).map(Some)
}

/// The lock, which nobody keeps from us for ever.
fn lock(linux: &Linux) -> Result<Lock, HostError> {
    let mut held: Option<(Pid, Instant)> = None;
    let mut stopped: Option<Instant> = None;
    loop {
        if let Some(lock) = linux.lock_try()? {
            return Ok(lock);
        }
        let now = Instant::now();
        match (lock::holder(&linux.root), held) {
            (Some(pid), Some((same, since))) if pid == same => {
                stopped = lock::is_stopped(pid).then(|| stopped.unwrap_or(now));
                let why = match stopped {
                    Some(since) if now - since >= STOPPED_MAX => Some("was stopped halfway"),
                    _ if now - since >= HELD_MAX => Some("hangs"),
                    _ => None,
                };
                if let Some(why) = why {
                    tell(linux, &format!("process {pid}, which changes the box, {why}; it is ended"));
                    // What it runs is ended with it.
                    let _ = kill(pid, Signal::SIGKILL);
                    stopped = None;
                }
            }
            (holder, _) => {
                held = holder.map(|pid| (pid, now));
                stopped = None;
            }
        }
        thread::sleep(POLL);
    }
}

/// Until the journal changes or its time is over.
fn wait(linux: &mut Linux) -> Result<(), HostError> {
    let Some(journal) = Journal::read(linux)? else { return Ok(()) };
    let place = linux.root.at(JOURNAL);
    let mark = || {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(&place).ok().map(|data| (data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
    };
    let seen = mark();
    loop {
        let left = journal.left_ms(&clock::now()?).map_or(POLL, Duration::from_millis);
        if left.is_zero() || mark() != seen {
            return Ok(());
        }
        thread::sleep(left.min(POLL));
    }
}

/// Writes a line down where somebody may look for it. The watchdog's work does not depend on it.
pub(super) fn tell(linux: &Linux, text: &str) {
    let line = text.replace(|c: char| c.is_control(), " ");
    if let Ok(socket) = UnixDatagram::unbound()
        && linux.root.is_real()
    {
        // A log that nobody reads must not hold us up.
        let _ = socket.set_nonblocking(true);
        let _ = socket.send_to(format!("<{SYSLOG_PRIORITY}>segwall: {line}").as_bytes(), SYSLOG);
    }
    let place = linux.root.at(LOG);
    let is_full = fs::metadata(&place).is_ok_and(|data| data.len() > LOG_BYTES_MAX);
    let file = OpenOptions::new()
        .create(true)
        .append(!is_full)
        .write(true)
        .truncate(is_full)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(place);
    if let (Ok(mut file), Ok(now)) = (file, clock::now()) {
        let _ = writeln!(file, "{} {line}", jiff::Timestamp::from_second(now.unix_s).unwrap_or_default());
    }
}
