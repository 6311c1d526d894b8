//! OpenRC: scripts in `/etc/init.d`, links in `/etc/runlevels`.

use segwall_core::plan::{BOOT_SERVICE, ServiceState};

use super::super::files::Root;
use super::super::run::{self, Overdue};
use super::{ANSWER, CHANGE};
use crate::apply::HostError;

const RUNLEVELS: &str = "/etc/runlevels";

/// What loads the rules comes before the network, which is in `boot`.
fn runlevel(name: &str) -> &'static str {
    if name == BOOT_SERVICE { "boot" } else { "default" }
}

fn has(script: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(script).lines().any(|line| !line.trim_start().starts_with('#') && line.contains(word))
}

pub(super) fn state(root: &Root, name: &str) -> Result<ServiceState, HostError> {
    let installed = root.at(&format!("/etc/init.d/{name}")).is_file();
    let mut enabled = false;
    for level in root.list(RUNLEVELS)? {
        enabled |= root.at(&format!("{RUNLEVELS}/{level}/{name}")).symlink_metadata().is_ok();
    }
    let running = installed && run::run("rc-service", &["--quiet", name, "status"], ANSWER, Overdue::Kill)?.ok();
    Ok(ServiceState { installed, enabled, running })
}

pub(super) fn enable(name: &str, enabled: bool) -> Result<(), HostError> {
    if enabled {
        run::must(&format!("start {name} at boot"), "rc-update", &["add", name, runlevel(name)], ANSWER)
    } else {
        run::must(&format!("keep {name} from starting at boot"), "rc-update", &["--all", "delete", name], ANSWER)
    }
}

pub(super) fn run(name: &str, running: bool) -> Result<(), HostError> {
    let verb = if running { "start" } else { "stop" };
    run::must(&format!("{verb} the service {name}"), "rc-service", &[name, verb], CHANGE)
}

pub(super) fn renew(root: &Root, name: &str, anew: bool) -> Result<(), HostError> {
    // Not every script can reload.
    let script = root.read(&format!("/etc/init.d/{name}"))?;
    let reloads = !anew && script.is_some_and(|script| has(&script.bytes, "reload"));
    let verb = if reloads { "reload" } else { "restart" };
    run::must(&format!("{verb} the service {name}"), "rc-service", &[name, verb], CHANGE)
}
