//! A box in a namespace: its directory, its wires, and policies for it.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use segwall_host::apply::{Candidate, Compiled, Host, Manifest, Outcome, Request, Who};
use segwall_host::linux::{Direct, Init, Linux, Root};
use segwall_host::netns::Netns;
use segwall_host::rtnl::{Change, Rtnl, VethEnd};
use segwall_host::{sysctl, userns};

/// User, network and mount namespaces: nothing that is mounted here is seen outside.
pub fn enter() -> Result<(), String> {
    userns::enter().map_err(|error| error.to_string())?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("no mount namespace: {error}"))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(|error| format!("mounts cannot be made private: {error}"))?;
    guard().map_err(|error| format!("no stand-in for the guard: {error}"))
}

/// Seconds after which a stand-in ends by itself.
const STAND_IN_S: u32 = 120;

/// Services of ours call `segwall`, which is not installed here. What stands in for it runs, and does nothing: what a guard
/// does to rules is not what these tests are about.
fn guard() -> std::io::Result<()> {
    let dir = Path::new("/mnt");
    mount(None::<&str>, dir, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    let program = dir.join("segwall");
    fs::write(&program, format!("#!/bin/sh\nexec sleep {STAND_IN_S}\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH").unwrap_or_default();
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("PATH", format!("{}:{path}", dir.display())) };
    Ok(())
}

/// A directory that stands for `/`; gone when dropped.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("segwall-linux-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("etc")).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn linux(&self) -> Linux {
        linux(&self.0)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The box whose files are here; its watchdog is this program.
pub fn linux(dir: &Path) -> Linux {
    let mut linux = Linux::with_init(Root::below(dir), Init::Direct(Direct::default()));
    linux.call_watchdog([crate::helpers::MARK, "watchdog", dir.to_str().unwrap()].map(Into::into).to_vec());
    linux
}

/// A fresh network namespace with one end of each of these wires, all down; the other ends are in the second one.
pub fn wired(names: &[&str]) -> (Netns, Netns) {
    let (gateway, other) = (Netns::create().unwrap(), Netns::create().unwrap());
    let mut base = Rtnl::open().unwrap();
    for (number, name) in (1u8..).zip(names) {
        let end = |name: String, last, netns| VethEnd { name, mac: [2, 0, 0, 0, number, last], netns };
        let (a, b) = (end((*name).to_owned(), 1, gateway.as_fd()), end(format!("far{number}"), 2, other.as_fd()));
        base.apply(&[Change::Veth(a, b)]).unwrap();
    }
    gateway
        .run(|| {
            let _ = sysctl::set_if_present("net/ipv6/conf/default/accept_dad", "0");
        })
        .unwrap();
    (gateway, other)
}

pub fn manifest() -> Manifest {
    Manifest {
        number: 0,
        applied_s: 1_790_000_000,
        file: "segwall.toml".to_owned(),
        timezone: "UTC".to_owned(),
        compiled_s: Some(1_790_000_000),
        weekday_zone_s: 0,
        digest: String::new(),
        version: "test".to_owned(),
        who: Who { user: "tester".to_owned(), via: "test".to_owned() },
        comment: None,
        outcome: Outcome::Open,
    }
}

pub fn compiled(linux: &mut Linux, number: u64, policy: &str) -> Compiled {
    linux.compile(number, policy, &manifest()).unwrap_or_else(|error| panic!("{}", error.chain()))
}

pub fn request(policy: &str, confirm_within_ms: Option<u64>) -> Request {
    Request {
        candidate: Candidate { policy: policy.to_owned(), manifest: manifest() },
        confirm_within_ms,
        allow_unproved: true,
        take_over: false,
    }
}

/// Two segments without VLANs; from left to right these services.
pub fn policy(services: &str) -> String {
    format!(
        r#"
[segments.left]
interface = "left"
subnets = ["192.0.2.0/24", "2001:db8:1::/64"]
ipv6 = "none"
[segments.right]
interface = "right"
subnets = ["198.51.100.0/24", "2001:db8:2::/64"]
ipv6 = "none"
[[accept]]
from = "left"
to = "right"
service = [{services}]
[dhcp]
server = "none"
"#
    )
}
