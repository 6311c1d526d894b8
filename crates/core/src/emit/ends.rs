//! Addresses of a box's ends, by family.

use std::sync::Arc;

use segwall_packetset::{AddrRange, Family};

/// Addresses of one end in one family.
#[derive(Debug, Clone, Copy)]
pub(super) enum Addrs<'a> {
    /// Every one, of both families.
    Free,
    /// Every one of the family.
    Family,
    /// These: part of a sorted list.
    Ranges(&'a [AddrRange]),
}

/// An end's addresses of a family; `None` when it has none of it.
pub(super) fn addrs_of<'a>(ranges: Option<&'a Arc<[AddrRange]>>, family: Family) -> Option<Addrs<'a>> {
    let Some(ranges) = ranges else { return Some(Addrs::Free) };
    // Sorted: IPv4 before IPv6.
    let split = ranges.partition_point(|range| range.family() == Family::V4);
    let part = match family {
        Family::V4 => &ranges[..split],
        Family::V6 => &ranges[split..],
    };
    match part {
        [] => None,
        [whole] if *whole == AddrRange::all(family) => Some(Addrs::Family),
        part => Some(Addrs::Ranges(part)),
    }
}
