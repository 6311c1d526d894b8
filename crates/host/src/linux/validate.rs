//! Before anything is touched: each program says of its own file whether it would take it, and there is room.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::run::{self, Overdue};
use super::{Init, Linux};
use crate::apply::{Compiled, HostError, ROOT};
use crate::exec;

const CHECK: Duration = Duration::from_secs(20);
/// What the journal, the generation and the file systems' own blocks take beside the files.
const SPARE_BYTES: u64 = 1024 * 1024;

/// A program that checks a file, by the file's place on the box: name, and what it is called with before the file.
const CHECKS: [(&str, &str, &[&str]); 8] = [
    ("/etc/segwall/dnsmasq.conf", "dnsmasq", &["--test", "-C"]),
    ("/etc/segwall/dnsmasq-dns.conf", "dnsmasq", &["--test", "-C"]),
    ("/etc/segwall/kea-dhcp4.conf", "kea-dhcp4", &["-t"]),
    ("/etc/segwall/kea-dhcp6.conf", "kea-dhcp6", &["-t"]),
    ("/etc/segwall/dhcpd.conf", "dhcpd", &["-t", "-cf"]),
    ("/etc/segwall/dhcpd6.conf", "dhcpd", &["-t", "-6", "-cf"]),
    ("/etc/rsyslog.d/segwall.conf", "rsyslogd", &["-N1", "-f"]),
    ("/etc/logrotate.d/segwall", "logrotate", &["-d"]),
];

/// Programs without which a file is of no use.
const SERVERS: [(&str, &str); 6] = [
    ("/etc/segwall/dnsmasq.conf", "dnsmasq"),
    ("/etc/segwall/dnsmasq-dns.conf", "dnsmasq"),
    ("/etc/segwall/kea-dhcp4.conf", "kea-dhcp4"),
    ("/etc/segwall/kea-dhcp6.conf", "kea-dhcp6"),
    ("/etc/segwall/dhcpd.conf", "dhcpd"),
    ("/etc/segwall/dhcpd6.conf", "dhcpd"),
];

impl Linux {
    /// What speaks against a generation on this box: sentences, none when nothing does.
    ///
    /// # Errors
    /// When it cannot be tried.
    pub fn validate(&mut self, compiled: &Compiled) -> Result<Vec<String>, HostError> {
        let mut faults = Vec::new();
        let scratch = Scratch::make().map_err(|error| HostError::new("make a directory for a trial", error))?;
        let in_scratch = |error| HostError::new(format!("write to {}", scratch.0.display()), error);

        let rules = scratch.0.join("rules.nft");
        fs::write(&rules, compiled.program.script()).map_err(in_scratch)?;
        faults.extend(refused("the rules", "nft", &["-c", "-f"], &rules)?);

        if matches!(self.init, Init::Unknown) {
            faults.push("this box runs neither OpenRC nor systemd; nothing would load the rules at boot".to_owned());
        }
        for (path, program) in SERVERS {
            if compiled.wanted.files.contains_key(path) && exec::find(program).is_none() {
                faults.push(format!(
                    "{program} is not installed, and the policy needs it: apk add {0}, or apt install {0}",
                    if program == "dnsmasq" {
                        "dnsmasq"
                    } else if program.starts_with("kea") {
                        "kea"
                    } else {
                        "isc-dhcp-server"
                    }
                ));
            }
        }
        for (path, program, args) in CHECKS {
            if let (Some(file), Some(_)) = (compiled.wanted.files.get(path), exec::find(program)) {
                let trial = scratch.0.join(path.trim_start_matches('/').replace('/', "-"));
                fs::write(&trial, &file.bytes).map_err(in_scratch)?;
                fs::set_permissions(&trial, fs::Permissions::from_mode(0o644)).map_err(in_scratch)?;
                faults.extend(refused(path, program, args, &trial)?);
            }
        }
        faults.extend(self.room(compiled));
        faults.extend(self.writable());
        Ok(faults)
    }

    /// Whether the files fit, beside the old ones: each is written whole before it takes the other's place.
    fn room(&self, compiled: &Compiled) -> Option<String> {
        let needed: u64 =
            compiled.wanted.files.values().map(|file| file.bytes.len() as u64 * 2).sum::<u64>() + SPARE_BYTES;
        let etc = self.root.at("/etc");
        let disk = statvfs(&etc).ok()?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        let kib = |bytes: u64| bytes.div_ceil(1024);
        (free < needed)
            .then(|| format!("{} has {} KiB free, and {} are needed; make room", etc.display(), kib(free), kib(needed)))
    }

    /// Asked of the kernel, which knows of file systems mounted read-only; nothing is written.
    fn writable(&self) -> Option<String> {
        let place = self.root.at(ROOT);
        let there = place.ancestors().find(|above| above.exists())?;
        let refused = access(there, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
        let why = std::io::Error::from(refused);
        Some(format!("cannot write to {}: {why}; is the file system mounted read-only?", there.display()))
    }
}

fn refused(what: &str, program: &str, args: &[&str], file: &Path) -> Result<Option<String>, HostError> {
    let name = file.to_string_lossy().into_owned();
    let args = [args, &[name.as_str()]].concat();
    let ran = run::run(program, &args, CHECK, Overdue::Kill)?;
    if ran.ok() {
        return Ok(None);
    }
    let why = run::sentence(program, &args, &ran, CHECK);
    Ok(Some(format!("{program} does not take {what} as Segwall wrote it: {why}")))
}

/// A directory that is gone when we are done with it.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        for number in 0..u32::MAX {
            let dir = parent.join(format!("segwall-trial-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o755).create(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other.map(|()| Self(dir)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
