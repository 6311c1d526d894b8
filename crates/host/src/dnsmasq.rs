//! dnsmasq with a file of ours, in a namespace, gone when we are.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use thiserror::Error;

use crate::exec::{self, ExecError};
use crate::netns::Netns;

/// A DHCP server could not be run.
#[derive(Debug, Error)]
pub enum DnsmasqError {
    /// Its files could not be written.
    #[error("cannot write {path} for dnsmasq")]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It could not be started.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// A running dnsmasq. It ends, and its files go, when this is dropped.
#[derive(Debug)]
pub struct Dnsmasq {
    child: Child,
    dir: PathBuf,
}

/// Whether it is installed.
#[must_use]
pub fn is_installed() -> bool {
    exec::find("dnsmasq").is_some()
}

impl Dnsmasq {
    /// Starts it with what a box would give it. Leases lie in a directory of their own, and it stays the user that we are:
    /// a user namespace knows no other.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(netns: &Netns, name: &str, conf: &str) -> Result<Self, DnsmasqError> {
        let dir = std::env::temp_dir().join(format!("segwall-dhcp-{}-{name}", std::process::id()));
        let failed = |path: &PathBuf| {
            let path = path.clone();
            move |source| DnsmasqError::Write { path, source }
        };
        fs::create_dir_all(&dir).map_err(failed(&dir))?;
        let leases = dir.join("leases");
        let lines = conf.lines().filter(|line| !line.starts_with("user=")).map(|line| {
            if line.starts_with("dhcp-leasefile=") {
                format!("dhcp-leasefile={}", leases.display())
            } else {
                line.to_owned()
            }
        });
        let text = lines.fold(String::new(), |text, line| text + &line + "\n");
        let file = dir.join("dnsmasq.conf");
        fs::write(&file, text).map_err(failed(&file))?;
        let log = fs::File::create(dir.join("log")).map_err(failed(&dir.join("log")))?;
        let mut command = Command::new(exec::find("dnsmasq").unwrap_or_else(|| PathBuf::from("dnsmasq")));
        // In the foreground, and without a change of user.
        command.args(["--no-daemon", "--log-facility=-"]);
        command.arg(format!("--conf-file={}", file.display())).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = exec::spawn(netns, &mut command)?;
        Ok(Self { child, dir })
    }

    /// What it said, where it has ended already.
    pub fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            _ => Some(fs::read_to_string(self.dir.join("log")).unwrap_or_default().trim().to_owned()),
        }
    }

    /// Its lease file, as it is now.
    #[must_use]
    pub fn leases(&self) -> String {
        fs::read_to_string(self.dir.join("leases")).unwrap_or_default()
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
