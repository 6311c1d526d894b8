//! DHCP, router advertisements and the resolver.

use super::check::{Checks, Fault};
use super::services::{daemons, differing, state};
use super::{Facts, Listener, Subject, Verb, command};
use crate::policy::{DhcpKind, Policy};

/// Ports that DHCP (both families) and DNS are served at.
pub const SERVER_PORTS: [u16; 3] = [53, 67, 547];
/// A pool is nearly full when fewer than a tenth of it is free.
const FREE_MIN_TENTHS: u128 = 1;
/// Services of the distributions that would serve beside ours.
pub(super) const SERVICES: [&str; 6] =
    ["dnsmasq", "isc-dhcp-server", "dhcpd", "kea-dhcp4", "kea-dhcp4-server", "systemd-resolved"];
/// What every command line of ours holds.
const OURS: &str = "/etc/segwall/";

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let serves = daemons(subject).next().is_some();
    if !serves || facts.held.is_none() {
        let why = if serves { "nothing was applied yet" } else { "the box serves no segment" };
        for name in ["dhcp-running", "dhcp-config", "other-server", "pool"] {
            checks.not_needed(name, why);
        }
        return;
    }
    running(checks, subject, facts);
    config(checks, subject, facts);
    others(checks, subject, facts);
    pools(checks, subject, facts);
}

fn running(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let faults = daemons(subject)
        .filter_map(|service| {
            let now = state(facts, &service.name);
            let name = &service.name;
            if !now.installed {
                let cause = "its script was removed; segments get no addresses or names";
                return Some(Fault::new(format!("the service {name} is not installed"), cause, "segwall apply"));
            }
            if !now.running {
                let cause = "segments get no addresses or names from the box";
                let next =
                    format!("{}; the system's log says why it ended", command(subject.system, Verb::Start, name));
                return Some(Fault::new(format!("the service {name} does not run"), cause, next));
            }
            (!now.enabled).then(|| {
                Fault::new(
                    format!("the service {name} does not start at boot"),
                    "after a boot segments get no addresses or names",
                    command(subject.system, Verb::Enable, name),
                )
            })
        })
        .collect();
    let names: Vec<&str> = daemons(subject).map(|service| service.name.as_str()).collect();
    checks.faults("dhcp-running", faults, format!("running: {}", names.join(", ")));
}

fn config(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let is_read = |path: &&String| daemons(subject).any(|service| service.files.contains(path));
    let faults = differing(subject, facts)
        .filter(is_read)
        .map(|path| {
            let verb = if facts.inventory.files.contains_key(path) { "was changed" } else { "is missing" };
            Fault::new(
                format!("{path} {verb}"),
                "the DHCP server says something else than the policy, now or after its next start",
                "segwall drift shows what differs; segwall apply writes it anew",
            )
        })
        .collect();
    checks.faults("dhcp-config", faults, "the servers' files are what the policy says");
}

/// Who else serves DHCP, or holds the ports that ours need.
fn others(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let Some(listeners) = &facts.listeners else {
        return checks.unknown("other-server", "who listens for DHCP and DNS cannot be seen", "run as root");
    };
    let wanted = |port: u16| match port {
        53 => resolves(subject.policy),
        _ => daemons(subject).any(|service| !service.name.ends_with("-dns")),
    };
    // What answers this box alone (a resolver on 127.0.0.53) is in nobody's way.
    let foreign = |one: &&Listener| !one.command.contains(OURS) && !one.addr.is_loopback() && wanted(one.port);
    let mut seen: Vec<(u32, &Listener, Vec<u16>)> = Vec::new();
    for one in listeners.iter().filter(foreign) {
        match seen.iter_mut().find(|(pid, ..)| *pid == one.pid) {
            Some((.., ports)) if ports.contains(&one.port) => {}
            Some((.., ports)) => ports.push(one.port),
            None => seen.push((one.pid, one, vec![one.port])),
        }
    }
    let faults = seen
        .into_iter()
        .map(|(pid, one, ports)| {
            let service =
                SERVICES.iter().find(|name| state(facts, name).running && name.starts_with(one.program.as_str()));
            let next = match service {
                Some(name) => {
                    let (stop, disable) =
                        (command(subject.system, Verb::Stop, name), command(subject.system, Verb::Disable, name));
                    format!("{stop}; {disable}")
                }
                None => format!("stop it (`kill {pid}`), and look for what started it"),
            };
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            Fault::new(
                format!("{} (process {pid}) listens on port {}", one.program, ports.join(" and ")),
                "it is not ours: it answers the segments' hosts in our place, or keeps our server from starting",
                next,
            )
        })
        .collect();
    checks.faults("other-server", faults, "nobody else on this box serves DHCP or DNS to segments");
}

fn resolves(policy: &Policy) -> bool {
    let asks = |dhcp: &crate::policy::SegmentDhcp| dhcp.dns.contains(&crate::policy::ServerRef::Gateway);
    policy.segments.iter().any(|segment| segment.dhcp.as_ref().is_some_and(asks))
}

fn pools(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let pools = subject.policy.segments.iter().filter_map(|segment| Some((segment, segment.dhcp.as_ref()?.pool?)));
    let pools: Vec<_> = pools.collect();
    if pools.is_empty() {
        return checks.not_needed("pool", "no segment has a pool");
    }
    if subject.policy.dhcp.kind == DhcpKind::IscDhcpd {
        return checks.not_needed("pool", "the leases of ISC dhcpd are not read");
    }
    let Some(leases) = &facts.leases else {
        return checks.unknown("pool", "the leases cannot be read", "segwall leases says why");
    };
    let faults = pools
        .iter()
        .filter_map(|(segment, pool)| {
            let taken = leases.get(&segment.name).copied().unwrap_or_default().taken;
            let free = pool.len().saturating_sub(taken);
            (free * 10 < pool.len() * FREE_MIN_TENTHS).then(|| {
                Fault::new(
                    format!(
                        "the pool of {} is nearly full: {taken} of {} addresses are taken",
                        segment.name,
                        pool.len()
                    ),
                    "the next hosts get no address; many leases with strange names may be an attack",
                    format!(
                        "segwall leases --segment {0}; widen `pool` of [segments.{0}] or shorten its lease",
                        segment.name
                    ),
                )
            })
        })
        .collect();
    checks.faults("pool", faults, format!("{} pools, each with a tenth or more free", pools.len()));
}
