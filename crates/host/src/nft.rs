//! Loads rule sets with `nft`.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use thiserror::Error;

use crate::exec::{self, ExecError};
use crate::netns::Netns;
use crate::userns;

/// Everything that the kernel holds, as JSON: without what counters have counted, and with protocols as numbers. nft looks
/// the name of each up in a file, for every element: a quarter of the time of a large listing.
pub const LISTING: [&str; 5] = ["-j", "-s", "-p", "list", "ruleset"];

/// Of nft's complaint this many lines are kept; it repeats itself for every element.
const COMPLAINT_LINES_MAX: usize = 12;

/// A rule set could not be loaded.
#[derive(Debug, Error)]
pub enum NftError {
    /// There is no `nft`.
    #[error("nft is not installed; on Debian and Ubuntu: apt install nftables, on Alpine: apk add nftables")]
    NotFound,
    /// The kernel has no nf_tables.
    #[error("this kernel has no nf_tables; load the module (modprobe nf_tables) or take a kernel that has it")]
    NoKernelSupport,
    /// nft or the kernel refused the text.
    #[error("nft refused the rule set:\n{0}")]
    Refused(String),
    /// nft could not be run.
    #[error("cannot run nft")]
    Run(#[source] ExecError),
    /// The text could not be handed over.
    #[error("cannot hand the rule set to nft")]
    Input(#[source] io::Error),
}

/// The program.
#[derive(Debug, Clone)]
pub struct Nft {
    path: PathBuf,
}

impl Nft {
    /// Looks for `nft` in `PATH`, `/usr/sbin` and `/sbin`.
    ///
    /// # Errors
    /// When it is nowhere.
    pub fn find() -> Result<Self, NftError> {
        exec::find("nft").map(|path| Self { path }).ok_or(NftError::NotFound)
    }

    /// Loads a text as one transaction inside a namespace.
    ///
    /// # Errors
    /// See [`NftError`].
    pub fn load(&self, netns: &Netns, text: &str) -> Result<(), NftError> {
        self.run(netns, &["-f", "-"], text).map(drop)
    }

    /// What the namespace's kernel holds, as nft prints it with these arguments.
    ///
    /// # Errors
    /// See [`NftError`].
    pub fn list(&self, netns: &Netns, args: &[&str]) -> Result<String, NftError> {
        self.run(netns, args, "")
    }

    /// What a text means to nft: it is loaded into a network namespace made for it, and listed as JSON. Nothing of this
    /// machine's own is touched or seen; interfaces that a rule names by `iif` have to be `lo`.
    ///
    /// # Errors
    /// See [`NftError`].
    pub fn read_text(&self, text: &str) -> Result<String, NftError> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", r#""$0" -f - && exec "$0" -j list ruleset"#])
            .arg(&self.path)
            .stdin(Stdio::from(memory_file(text).map_err(NftError::Input)?))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("TZ", "UTC")
            .env("LC_ALL", "C");
        exec::die_with_us(&mut command);
        userns::enter_in_child(&mut command);
        let child =
            command.spawn().map_err(|source| NftError::Run(ExecError::Start { program: "nft".to_owned(), source }))?;
        collect(child)
    }

    fn run(&self, netns: &Netns, args: &[&str], input: &str) -> Result<String, NftError> {
        let mut command = Command::new(&self.path);
        command
            .args(args)
            .stdin(Stdio::from(memory_file(input).map_err(NftError::Input)?))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // nft reads hours in the time zone, and speaks, as the environment says.
            .env("TZ", "UTC")
            .env("LC_ALL", "C");
        collect(exec::spawn(netns, &mut command).map_err(NftError::Run)?)
    }
}

fn collect(child: Child) -> Result<String, NftError> {
    let output = child
        .wait_with_output()
        .map_err(|source| NftError::Run(ExecError::Wait { program: "nft".to_owned(), source }))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(complaint(&String::from_utf8_lossy(&output.stderr)))
}

/// nft can read it at its own pace while we collect what it says.
fn memory_file(text: &str) -> io::Result<File> {
    let mut file = exec::memory_file("segwall-nft")?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn complaint(stderr: &str) -> NftError {
    // What libmnl's socket and the kernel say when nf_tables is not there.
    let no_kernel = ["Unable to initialize Netlink socket", "cache initialization failed: Invalid argument"];
    if no_kernel.iter().any(|words| stderr.contains(words)) {
        return NftError::NoKernelSupport;
    }
    let mut lines: Vec<&str> = stderr.trim_end().lines().take(COMPLAINT_LINES_MAX).collect();
    if stderr.trim_end().lines().count() > COMPLAINT_LINES_MAX {
        lines.push("…");
    }
    NftError::Refused(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        let gone = "netlink: Error: cache initialization failed: Invalid argument\n";
        assert!(matches!(complaint(gone), NftError::NoKernelSupport));
        let long = "line\n".repeat(100);
        let NftError::Refused(text) = complaint(&long) else { panic!("refused") };
        assert_eq!(text.lines().count(), COMPLAINT_LINES_MAX + 1);
    }
}
