//! Which interfaces' sources come by no other: what lets a source address stand for its interface in a key.

use segwall_packetset::AddrRange;

use crate::ruleset::{Role, Ruleset};

/// For each interface whether its sources belong to no other. With a second uplink no uplink's do.
pub(super) fn exclusive(ruleset: &Ruleset) -> Vec<bool> {
    let mut all: Vec<(AddrRange, usize)> = ruleset
        .interfaces
        .iter()
        .enumerate()
        .flat_map(|(at, interface)| interface.sources.iter().map(move |range| (*range, at)))
        .collect();
    all.sort_unstable();
    let uplinks = ruleset.interfaces.iter().filter(|interface| interface.role == Role::Uplink).count();
    let mut exclusive: Vec<bool> =
        ruleset.interfaces.iter().map(|interface| interface.role != Role::Uplink || uplinks == 1).collect();
    // Sorted by first address: a range overlaps an earlier one exactly when it begins before the furthest end.
    let mut furthest: Option<(AddrRange, usize)> = None;
    for (range, at) in all {
        if let Some((wide, owner)) = furthest
            && wide.overlaps(&range)
            && owner != at
        {
            exclusive[owner] = false;
            exclusive[at] = false;
        }
        if furthest.is_none_or(|(wide, _)| wide.family() != range.family() || range.last() > wide.last()) {
            furthest = Some((range, at));
        }
    }
    exclusive
}
