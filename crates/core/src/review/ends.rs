//! Ends of flows as a rule would name them.

use std::net::IpAddr;

use segwall_packetset::Place;

use crate::policy::Policy;
use crate::ruleset::{Role, Ruleset};

/// A whole zone, as a rule names it; `None`: no interface of the policy.
pub(super) fn zone(ruleset: &Ruleset, place: Place) -> Option<&str> {
    match place {
        Place::Gateway => Some("gateway"),
        Place::Interface(id) => {
            let interface = ruleset.interface(id);
            Some(if interface.role == Role::Uplink { "internet" } else { &interface.zone })
        }
        Place::Elsewhere => None,
    }
}

/// An address in its zone: the host's name where the policy has one; the internet and the box are named as a whole.
pub(super) fn end(policy: &Policy, ruleset: &Ruleset, place: Place, addr: IpAddr) -> Option<String> {
    let zone = zone(ruleset, place)?;
    if matches!(zone, "gateway" | "internet") {
        return Some(zone.to_owned());
    }
    Some(host(policy, addr).map_or_else(|| format!("{zone}/{addr}"), str::to_owned))
}

/// The name of the policy's host with this address alone: a name stands for all of a host's.
pub(super) fn host(policy: &Policy, addr: IpAddr) -> Option<&str> {
    policy.hosts.iter().find(|host| host.addresses == [addr]).map(|host| host.name.as_str())
}
