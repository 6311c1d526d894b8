//! Programs of the box, each within a bound of time: what hangs does not hang us.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::apply::HostError;
use crate::exec;

const POLL: Duration = Duration::from_millis(5);
/// Of what a program says this much is kept.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024;
/// Where system programs are, whatever the environment of who called us says.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What became of a program.
#[derive(Debug)]
pub(super) struct Ran {
    /// How it ended; `None`: it had not by the end of its time.
    pub status: Option<ExitStatus>,
    /// What it said, on both streams.
    pub said: String,
}

impl Ran {
    pub(super) fn ok(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// What is done with a program whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It is killed, and what it started with it.
    Kill,
    /// It runs on in the background.
    LetRun,
}

/// Runs a program. What it said is read from a file: a daemon that it left behind keeps no pipe of ours open.
pub(super) fn run(program: &str, args: &[&str], bound: Duration, overdue: Overdue) -> Result<Ran, HostError> {
    run_limited(program, args, None, bound, overdue, OUTPUT_BYTES_MAX)
}

/// As [`run`], with a text on its standard input.
pub(super) fn run_with(
    program: &str,
    args: &[&str],
    input: &str,
    bound: Duration,
    overdue: Overdue,
) -> Result<Ran, HostError> {
    run_limited(program, args, Some(input), bound, overdue, OUTPUT_BYTES_MAX)
}

/// All that a program says, where it succeeds.
pub(super) fn output(program: &str, args: &[&str], bound: Duration) -> Result<Option<String>, HostError> {
    let ran = run_limited(program, args, None, bound, Overdue::Kill, u64::MAX)?;
    Ok(ran.ok().then(|| ran.said + "\n"))
}

fn run_limited(
    program: &str,
    args: &[&str],
    input: Option<&str>,
    bound: Duration,
    overdue: Overdue,
    output_max: u64,
) -> Result<Ran, HostError> {
    let doing = || format!("run `{}`", [&[program], args].concat().join(" "));
    let path = exec::find(program).ok_or_else(|| HostError::new(doing(), format!("{program} is not installed")))?;
    let mut output = exec::memory_file("segwall-output").map_err(|error| HostError::new(doing(), error))?;
    let stream = |file: &File| file.try_clone().map(Stdio::from);
    let (out, err) =
        stream(&output).and_then(|out| Ok((out, stream(&output)?))).map_err(|error| HostError::new(doing(), error))?;
    let stdin = match input {
        None => Stdio::null(),
        Some(text) => {
            let file = exec::memory_file("segwall-input").and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.rewind()?;
                Ok(file)
            });
            Stdio::from(file.map_err(|error| HostError::new(doing(), error))?)
        }
    };
    let mut command = Command::new(path);
    command.args(args).stdin(stdin).stdout(out).stderr(err).env("LC_ALL", "C").env("PATH", PATH).process_group(0);
    if overdue == Overdue::Kill {
        exec::die_with_us(&mut command);
    }
    let mut child = command.spawn().map_err(|error| HostError::new(doing(), error))?;
    let status = wait(&mut child, bound, overdue).map_err(|error| HostError::new(doing(), error))?;
    let mut said = Vec::new();
    // What it said is a comfort; without it the exit code still counts.
    let _ = output.rewind().and_then(|()| (&mut output).take(output_max).read_to_end(&mut said));
    Ok(Ran { status, said: String::from_utf8_lossy(&said).trim().to_owned() })
}

/// Runs a program that has to succeed.
pub(super) fn must(doing: &str, program: &str, args: &[&str], bound: Duration) -> Result<(), HostError> {
    let ran = run(program, args, bound, Overdue::Kill)?;
    if ran.ok() { Ok(()) } else { Err(HostError::new(doing, sentence(program, args, &ran, bound))) }
}

/// Why a program did not succeed.
pub(super) fn sentence(program: &str, args: &[&str], ran: &Ran, bound: Duration) -> String {
    let call = [&[program], args].concat().join(" ");
    let end = match ran.status {
        Some(status) => format!("`{call}` failed ({status})"),
        None => format!("`{call}` had not ended after {} s", bound.as_secs()),
    };
    if ran.said.is_empty() { end } else { format!("{end}: {}", ran.said.lines().collect::<Vec<_>>().join("; ")) }
}

fn wait(child: &mut Child, bound: Duration, overdue: Overdue) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= bound {
            break;
        }
        std::thread::sleep(POLL);
    }
    if overdue == Overdue::Kill {
        // It leads a group of its own.
        if let Ok(group) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        child.wait()?;
    }
    Ok(None)
}
