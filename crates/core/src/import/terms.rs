//! Words of the packet space that this module needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Set, Space, interface};

/// The number of a family in [`Field::Family`].
pub(super) fn family_number(family: Family) -> u128 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// The family of a number.
pub(super) fn family_of(number: u128) -> Family {
    if number == 0 { Family::V4 } else { Family::V6 }
}

/// An address as a number.
pub(super) fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(u32::from(addr)),
        IpAddr::V6(addr) => u128::from(addr),
    }
}

/// The address of a number in a family.
pub(super) fn address(family: Family, value: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(value).unwrap_or(u32::MAX))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(value)),
    }
}

/// An interface's name as a number.
pub(super) fn name(device: &str) -> u128 {
    interface(device).expect("interfaces of a policy have names that the kernel takes")
}

/// Ranges of one family as numbers.
pub(super) fn numbers(ranges: &[AddrRange], family: Family) -> Vec<(u128, u128)> {
    let same = ranges.iter().filter(|range| range.family() == family);
    same.map(|range| (number(range.first()), number(range.last()))).collect()
}

/// Numbers of one family as ranges.
pub(super) fn ranges(family: Family, numbers: &[(u128, u128)]) -> Vec<AddrRange> {
    let max = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
    let inside = numbers.iter().filter(|(first, _)| *first <= max);
    inside
        .filter_map(|(first, last)| AddrRange::new(address(family, *first), address(family, (*last).min(max))))
        .collect()
}

/// Packets of one family.
pub(super) fn of_family(family: Family) -> Cube {
    Cube::all().with_only(Field::Family, family_number(family))
}

/// Packets with an address of these, whatever the family.
pub(super) fn among(space: &mut Space, field: Field, list: &[AddrRange]) -> Result<Set, GaveUp> {
    let cubes: Vec<Cube> = Family::BOTH
        .into_iter()
        .map(|family| (family, numbers(list, family)))
        .filter(|(_, numbers)| !numbers.is_empty())
        .map(|(family, numbers)| of_family(family).with_ranges(field, &numbers))
        .collect();
    space.cubes(&cubes)
}

/// Whether all of one set is in another.
pub(super) fn within(space: &mut Space, set: Set, other: Set) -> Result<bool, GaveUp> {
    Ok(space.minus(set, other)?.is_empty())
}
