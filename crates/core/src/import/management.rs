//! Who manages the box: for `[gateway] management`.

use std::collections::BTreeSet;

use super::grants::{End, Grant, Place};
use crate::policy::{Ports, Verdict};
use crate::ruleset::{Role, Ruleset};

/// Segments that a rule by their names lets open SSH to the box.
pub(super) fn management(ruleset: &Ruleset, grants: &[Grant]) -> Vec<String> {
    const SSH: u16 = 22;
    let ssh = |grant: &&Grant| {
        grant.verdict == Verdict::Accept
            && grant.to.contains(&End::Whole(Place::Gateway))
            && grant.services.as_ref().is_none_or(|list| {
                list.iter().any(|service| {
                    service.proto == segwall_packetset::proto::TCP
                        && match service.ports {
                            Ports::All => true,
                            Ports::Range(range) => range.first <= SSH && SSH <= range.last,
                            Ports::Icmp { .. } => false,
                        }
                })
            })
    };
    let mut zones = BTreeSet::new();
    for grant in grants.iter().filter(ssh) {
        for end in &grant.from {
            match end {
                End::Whole(Place::Zone(zone)) => zones.insert(*zone),
                _ => false,
            };
        }
    }
    let segment = |zone: &usize| ruleset.interfaces[*zone].role != Role::Uplink;
    zones.into_iter().filter(segment).map(|zone| ruleset.interfaces[zone].zone.clone()).collect()
}
