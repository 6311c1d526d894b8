//! Modules, interfaces, cables and VLANs.

use super::check::{Checks, Fault};
use super::{Facts, Subject};

/// The module that makes VLAN devices.
const VLAN_MODULE: &str = "8021q";

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    module(checks, subject, facts);
    interfaces(checks, subject, facts);
    vlans(checks, subject, facts);
    up(checks, subject, facts);
    carrier(checks, subject, facts);
}

/// Whether VLANs cannot be made: then that they are missing needs no word of its own.
fn lacks_vlans(subject: &Subject<'_>, facts: &Facts) -> bool {
    !subject.wanted.vlans.is_empty() && !facts.inventory.modules.contains(VLAN_MODULE)
}

fn module(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    if subject.wanted.modules.is_empty() {
        return checks.not_needed("module", "no kernel module is needed");
    }
    let missing = subject.wanted.modules.iter().filter(|name| !facts.inventory.modules.contains(*name));
    let faults = missing
        .map(|name| {
            let cause = match name.as_str() {
                VLAN_MODULE => "without it there are no VLAN devices",
                _ => "without it the rules cannot do their work",
            };
            Fault::new(
                format!("the kernel module {name} is not loaded"),
                cause,
                format!(
                    "modprobe {name}; /etc/modules-load.d/segwall.conf, which `segwall apply` writes, loads it at boot"
                ),
            )
        })
        .collect();
    checks.faults("module", faults, format!("loaded: {}", subject.wanted.modules.join(", ")));
}

/// Interfaces that must be on the box and that nobody makes: trunks, uplinks, untagged segments.
fn interfaces(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let (there, policy) = (&facts.inventory.links, subject.policy);
    let mut needed: Vec<&str> = subject.wanted.vlans.iter().map(|(_, trunk, _)| trunk.as_str()).collect();
    let devices = policy.segments.iter().map(|segment| &segment.device);
    needed.extend(devices.chain(policy.uplinks.iter().map(|uplink| &uplink.device)).map(String::as_str));
    needed.retain(|name| !subject.is_vlan(name));
    needed.sort_unstable();
    needed.dedup();
    let others: Vec<&str> = there.keys().map(String::as_str).filter(|name| *name != "lo").collect();
    let others = if others.is_empty() { "no other".to_owned() } else { others.join(", ") };
    let faults = needed
        .iter()
        .filter(|name| !there.contains_key(**name))
        .map(|name| {
            Fault::new(
                format!("there is no interface {name}"),
                format!("the policy names it, and this box has {others}"),
                "plug the card in and load its module (`dmesg | grep -i eth`), or name the right interface in the policy",
            )
        })
        .collect();
    checks.faults("interface", faults, format!("there: {}", needed.join(", ")));
}

fn vlans(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let (wanted, there) = (&subject.wanted.vlans, &facts.inventory.links);
    if wanted.is_empty() {
        return checks.not_needed("vlan", "the policy has no VLANs that Segwall makes");
    }
    if lacks_vlans(subject, facts) {
        return checks.not_needed("vlan", format!("waits for the module {VLAN_MODULE}"));
    }
    let on_trunk = wanted.iter().filter(|(_, trunk, _)| there.contains_key(trunk));
    let faults = on_trunk
        .filter_map(|(name, trunk, id)| match there.get(name) {
            None => Some(Fault::new(
                format!("there is no VLAN device {name}"),
                format!("{trunk} carries the segment as VLAN {id}, and nothing takes it from there"),
                format!("ifup {name}, or segwall apply"),
            )),
            Some(link) => {
                let is = match &link.vlan {
                    Some((on, other)) if (on, other) == (trunk, id) => return None,
                    Some((on, other)) => format!("VLAN {other} on {on}"),
                    None => "no VLAN device".to_owned(),
                };
                Some(Fault::new(
                    format!("{name} is {is}, not VLAN {id} on {trunk}"),
                    "somebody else made an interface of that name; the segment's hosts are not behind it",
                    format!("ip link delete {name}, then segwall apply"),
                ))
            }
        })
        .collect();
    checks.faults("vlan", faults, format!("{} VLAN devices, each with its number on its trunk", wanted.len()));
}

fn up(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let links = &facts.inventory.links;
    let down: Vec<&String> = subject.devices().filter(|name| links.get(*name).is_some_and(|link| !link.up)).collect();
    let trunk_of = |name: &String| subject.wanted.vlans.iter().find(|vlan| vlan.0 == *name).map(|vlan| &vlan.1);
    let faults = down
        .iter()
        // With its trunk a VLAN goes down; the trunk is what has to be mended.
        .filter(|name| trunk_of(name).is_none_or(|trunk| !down.contains(&trunk)))
        .map(|name| {
            Fault::new(
                format!("{name} is down"),
                "nothing is sent or received by it",
                format!("ip link set {name} up; if it was not up after a boot, look at `ifquery {name}`"),
            )
        })
        .collect();
    checks.faults("link-up", faults, "every interface of the policy that is there is up");
}

fn carrier(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let dead = subject.devices().filter(|name| {
        let link = facts.inventory.links.get(*name);
        !subject.is_vlan(name) && link.is_some_and(|link| link.up && !link.carrier)
    });
    let faults = dead
        .map(|name| {
            Fault::new(
                format!("{name} has no carrier"),
                "no cable, or the switch's port is off",
                format!("look at the cable and the switch; `ip -s link show {name}` counts errors"),
            )
        })
        .collect();
    checks.faults("carrier", faults, "every interface has a live other end");
}
