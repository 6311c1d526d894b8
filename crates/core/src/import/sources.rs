//! Sources that the rules translate: MASQUERADE and SNAT.

use std::collections::BTreeSet;

use segwall_packetset::{GaveUp, Set, Space};

use super::terms::number;
use crate::netfilter::meaning;
use crate::netfilter::{Hook, NatKind, Program};
use crate::ruleset::{Role, Ruleset};

/// Sources that the rules translate to the address of the interface, after routing; and what else they translate there.
pub(super) fn sources(space: &mut Space, programs: &[&Program], ruleset: &Ruleset) -> Result<(Set, Set, bool), GaveUp> {
    let found = meaning::translation(space, programs, Hook::Postrouting)?;
    let own: BTreeSet<u128> = ruleset
        .interfaces
        .iter()
        .filter(|interface| interface.role == Role::Uplink && !interface.dynamic)
        .flat_map(|interface| interface.addresses.iter().map(|addr| number(*addr)))
        .collect();
    let (mut same, mut other) = (Set::EMPTY, Set::EMPTY);
    for (nat, set) in &found.uses {
        let to_own = nat.to.is_some_and(|(first, last)| first == last && own.contains(&first));
        let into = match nat.kind {
            NatKind::Masquerade => &mut same,
            NatKind::Source if to_own => &mut same,
            NatKind::Source | NatKind::Destination | NatKind::Redirect | NatKind::Netmap => &mut other,
        };
        *into = space.union(*into, *set)?;
    }
    Ok((same, other, found.unknown.is_empty()))
}
