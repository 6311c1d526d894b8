//! Programs that the box needs, and the packages that bring them.

use super::check::{Checks, Fault};
use super::{Facts, Subject};
use crate::emit::{System, daemon_programs};

/// A program, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The package.
    pub package: &'static str,
    /// What for.
    pub purpose: &'static str,
}

/// Programs that a policy needs on a box.
#[must_use]
pub fn programs(subject: &Subject<'_>) -> Vec<Program> {
    let pick = |alpine, debian| match subject.system {
        System::Alpine => alpine,
        System::Debian => debian,
    };
    let program = |name, package, purpose| Program { name, package, purpose };
    let mut list = vec![
        program("nft", "nftables", "nothing can be loaded or read"),
        program("ifup", pick("ifupdown-ng", "ifupdown"), "no interface comes up at boot"),
    ];
    for name in daemon_programs(subject.policy, subject.system) {
        // Debian's dnsmasq-base comes without a service that would hold our ports.
        let package = match name {
            "kea-dhcp4" => pick("kea-dhcp4", "kea-dhcp4-server"),
            "kea-dhcp6" => pick("kea-dhcp6", "kea-dhcp6-server"),
            "dhcpd" => pick("dhcp-server-vanilla", "isc-dhcp-server"),
            _ => pick("dnsmasq", "dnsmasq-base"),
        };
        list.push(program(name, package, "segments get no addresses or names"));
    }
    if subject.policy.log.remote.is_some() {
        list.push(program("rsyslogd", "rsyslog", "nothing is sent to the log collector"));
    }
    list
}

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let needed = programs(subject);
    let install = match subject.system {
        System::Alpine => "apk add",
        System::Debian => "apt install",
    };
    let faults = needed
        .iter()
        .filter(|program| !facts.programs.contains(program.name))
        .map(|program| {
            Fault::new(
                format!("{} is not installed", program.name),
                format!("without it {}", program.purpose),
                format!("{install} {}", program.package),
            )
        })
        .collect();
    let names: Vec<&str> = needed.iter().map(|program| program.name).collect();
    checks.faults("programs", faults, format!("installed: {}", names.join(", ")));
}
