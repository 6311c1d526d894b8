//! Our own services.

use super::check::{Checks, Fault};
use super::{Facts, Subject, Verb, command};
use crate::emit::GUARD;
use crate::plan::{BOOT_SERVICE, ServiceState, WantedService};

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    boot(checks, subject, facts);
    guard(checks, subject, facts);
    files(checks, subject, facts);
}

pub(super) fn state(facts: &Facts, name: &str) -> ServiceState {
    facts.inventory.services.get(name).copied().unwrap_or_default()
}

/// Services that serve segments.
pub(super) fn daemons<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a WantedService> {
    subject
        .wanted
        .services
        .iter()
        .filter(|service| service.ours && ![BOOT_SERVICE, GUARD].contains(&service.name.as_str()))
}

fn boot(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    if facts.held.is_none() {
        return checks.not_needed("boot-service", "nothing was applied yet");
    }
    let state = state(facts, BOOT_SERVICE);
    let fault = if !state.installed {
        Some(Fault::new(
            "the boot service segwall is not installed",
            "after a boot the box has no rules, and forwards nothing",
            "segwall apply",
        ))
    } else if !state.enabled {
        Some(Fault::new(
            "the boot service segwall does not start at boot",
            "after a boot the box has no rules, and forwards nothing",
            match subject.system {
                crate::emit::System::Alpine => format!("rc-update add {BOOT_SERVICE} boot"),
                crate::emit::System::Debian => command(subject.system, Verb::Enable, BOOT_SERVICE),
            },
        ))
    } else {
        None
    };
    checks.faults(
        "boot-service",
        fault.into_iter().collect(),
        "the boot service loads the rules before the network comes up",
    );
}

fn guard(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    if facts.held.is_none() || subject.wanted.services.iter().all(|service| service.name != GUARD) {
        return checks.not_needed("guard", "nothing was applied yet");
    }
    let now = state(facts, GUARD);
    let cause = "nobody notices when another program flushes our rules, or when a schedule has to be renewed";
    let fault = if !now.installed {
        Some(Fault::new(format!("the service {GUARD} is not installed"), cause, "segwall apply"))
    } else if !now.running {
        Some(Fault::new(
            format!("the service {GUARD} does not run"),
            cause,
            command(subject.system, Verb::Start, GUARD),
        ))
    } else if !now.enabled {
        let next = command(subject.system, Verb::Enable, GUARD);
        Some(Fault::new(format!("the service {GUARD} does not start at boot"), cause, next))
    } else {
        None
    };
    checks.faults("guard", fault.into_iter().collect(), "the guard brings our rules back when somebody flushes them");
}

/// Our files, those of the DHCP server aside.
fn files(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let Some(held) = &facts.held else {
        return checks.not_needed("files", "nothing was applied yet");
    };
    let read_by_daemons = |path: &String| daemons(subject).any(|service| service.files.contains(path));
    let differing = differing(subject, facts).filter(|path| !read_by_daemons(path));
    let faults = differing
        .map(|path| {
            let verb = if facts.inventory.files.contains_key(path) { "was changed" } else { "is missing" };
            Fault::new(
                format!("{path} {verb}"),
                format!("it is not what generation {} wrote", held.number),
                "segwall drift shows what differs; segwall apply writes it anew; what you want to keep belongs in a file of your own",
            )
        })
        .collect();
    checks.faults("files", faults, "our files are what they were written as");
}

/// Files of ours that are not what they should be.
pub(super) fn differing<'a>(subject: &Subject<'a>, facts: &Facts) -> impl Iterator<Item = &'a String> {
    subject
        .wanted
        .files
        .iter()
        .filter(|(path, file)| facts.inventory.files.get(*path) != Some(file))
        .map(|(path, _)| path)
}
