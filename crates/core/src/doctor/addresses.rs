//! The box's own addresses.

use std::net::IpAddr;

use super::check::{Checks, Fault};
use super::{Facts, Subject};
use crate::plan::Link;

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    own(checks, subject, facts);
    uplink(checks, subject, facts);
    duplicates(checks, facts);
}

fn own(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let links = &facts.inventory.links;
    let mut faults = Vec::new();
    let mut misplaced = Vec::new();
    for (link, addr, len) in &subject.wanted.addresses {
        let Some(there) = links.get(link) else { continue };
        // An interface that goes down loses its IPv6 addresses: it being down is the fault.
        if there.addresses.contains(&(*addr, *len)) || (addr.is_ipv6() && !there.up) {
            continue;
        }
        let on_other = links.iter().find(|(_, other)| other.addresses.iter().any(|(own, _)| own == addr));
        match on_other {
            Some((other, _)) if other != link => misplaced.push(Fault::new(
                format!("{addr} is on {other} and belongs on {link}"),
                format!("hosts behind {link} find no gateway, and answers to them go out by {other}"),
                format!("ip addr del {addr}/{len} dev {other}, then segwall apply"),
            )),
            Some((_, other)) => {
                let seen = other.addresses.iter().find(|(own, _)| own == addr).map_or(0, |(_, len)| *len);
                faults.push(Fault::new(
                    format!("{addr} is on {link} with the prefix length {seen}, not {len}"),
                    "the box takes other hosts for neighbours than the policy does",
                    format!("ip addr del {addr}/{seen} dev {link}, then segwall apply"),
                ));
            }
            None => faults.push(Fault::new(
                format!("{link} lacks {addr}/{len}"),
                "its hosts find no gateway there",
                format!("ip addr add {addr}/{len} dev {link}, or segwall apply"),
            )),
        }
    }
    let count = subject.wanted.addresses.len();
    let waits = subject.wanted.addresses.iter().any(|(link, ..)| !links.contains_key(link));
    if waits && faults.is_empty() {
        checks.not_needed("address", "waits for the interfaces that are missing");
        return checks.faults("address-elsewhere", misplaced, "no address of the box is on another interface");
    }
    checks.faults("address", faults, format!("{count} addresses of the box, each as the policy says"));
    checks.faults("address-elsewhere", misplaced, "no address of the box is on another interface");
}

/// Uplinks that others give their addresses.
fn uplink(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let given: Vec<_> = subject.policy.uplinks.iter().filter(|uplink| uplink.dhcp || uplink.ra).collect();
    if given.is_empty() {
        return checks.not_needed("uplink-address", "no uplink asks others for an address");
    }
    let is_ready = |link: &&Link| link.up && link.carrier;
    if !given.iter().any(|uplink| facts.inventory.links.get(&uplink.device).is_some_and(|link| is_ready(&link))) {
        return checks.not_needed("uplink-address", "waits for the uplink's interface");
    }
    let faults = given
        .iter()
        .filter_map(|uplink| {
            let link = facts.inventory.links.get(&uplink.device).filter(is_ready)?;
            let is_global = |addr: &IpAddr| match addr {
                IpAddr::V4(v4) => uplink.dhcp && !v4.is_link_local(),
                IpAddr::V6(v6) => uplink.ra && !v6.is_unicast_link_local(),
            };
            (!link.addresses.iter().any(|(addr, _)| is_global(addr))).then(|| {
                Fault::new(
                    format!("the uplink {} has no address", uplink.device),
                    "the provider's DHCP or router advertisements did not give one",
                    format!("ifup {0}; `ip addr show {0}`", uplink.device),
                )
            })
        })
        .collect();
    checks.faults("uplink-address", faults, "uplinks have addresses");
}

fn duplicates(checks: &mut Checks, facts: &Facts) {
    let Some(found) = &facts.duplicates else {
        return checks.unknown(
            "address-duplicate",
            "whether somebody else has an address of the box was not asked",
            "run `segwall doctor` as root, without --quick",
        );
    };
    let faults = found
        .iter()
        .map(|one| {
            let mac = one.mac.map(|byte| format!("{byte:02x}")).join(":");
            Fault::new(
                format!("{mac} behind {} answers for {} too", one.link, one.addr),
                "hosts send to whichever answers last; the segment is cut off now and then, or somebody listens in",
                format!("find {mac} (`segwall leases`, the switch's table) and give it another address"),
            )
        })
        .collect();
    checks.faults("address-duplicate", faults, "nobody else answers for an address of the box");
}
