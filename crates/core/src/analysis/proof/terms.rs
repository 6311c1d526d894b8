//! The ruleset's words as sets of packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::{
    AddrRange, Cube, Family, Field, GaveUp, InterfaceId, PortRange, Set, Space, TcpFlags, interface, proto,
};

use crate::policy::{Ports, Service};
use crate::ruleset::Ruleset;

/// Numbers of connection states in [`Field::State`].
pub const NEW: u128 = 0;
pub const ESTABLISHED: u128 = 1;
pub const RELATED: u128 = 2;
pub const UNTRACKED: u128 = 4;

/// `RTN_LOCAL` of the kernel's `rtnetlink.h`.
pub const LOCAL: u128 = 2;

/// The number of a family in [`Field::Family`].
pub fn family_number(family: Family) -> u128 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// An address as a number.
pub fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(u32::from(addr)),
        IpAddr::V6(addr) => u128::from(addr),
    }
}

/// The address of a number in a family.
pub fn address(family: u128, value: u128) -> IpAddr {
    if family == family_number(Family::V4) {
        IpAddr::V4(Ipv4Addr::from(u32::try_from(value).unwrap_or(u32::MAX)))
    } else {
        IpAddr::V6(Ipv6Addr::from(value))
    }
}

/// An interface's name as a number.
pub fn name_number(name: &str) -> u128 {
    interface(name).expect("names of interfaces were checked when the policy was read")
}

/// A set of names, sorted.
pub fn names<'a>(list: impl Iterator<Item = &'a str>) -> Vec<(u128, u128)> {
    let mut list: Vec<(u128, u128)> = list.map(name_number).map(|name| (name, name)).collect();
    list.sort_unstable();
    list
}

/// Names of interfaces by id, as numbers.
pub fn name_of(ruleset: &Ruleset, id: InterfaceId) -> u128 {
    name_number(&ruleset.interface(id).name)
}

/// Ranges of one family as numbers.
pub fn ranges_of(ranges: &[AddrRange], family: Family) -> Vec<(u128, u128)> {
    ranges
        .iter()
        .filter(|range| range.family() == family)
        .map(|range| (number(range.first()), number(range.last())))
        .collect()
}

/// A cube with one value of a field.
pub fn is(cube: Cube, field: Field, value: u128) -> Cube {
    cube.with_only(field, value)
}

/// A cube with a port range.
pub fn port(cube: Cube, field: Field, range: PortRange) -> Cube {
    cube.with(field, u128::from(range.first), u128::from(range.last))
}

/// A cube narrowed to a service; `None` where the family has no such packets.
pub fn of_service(cube: Cube, service: &Service, family: Family) -> Option<Cube> {
    let cube = is(cube, Field::Proto, u128::from(service.proto));
    match service.ports {
        Ports::All => Some(cube),
        Ports::Range(range) => Some(port(cube, Field::Dport, range)),
        Ports::Icmp { kind, code } => {
            let own = match family {
                Family::V4 => proto::ICMP,
                Family::V6 => proto::ICMPV6,
            };
            let cube = is(cube, Field::IcmpType, u128::from(kind));
            (service.proto == own).then(|| match code {
                Some(code) => is(cube, Field::IcmpCode, u128::from(code)),
                None => cube,
            })
        }
    }
}

/// ICMP in IPv4 and ICMPv6 in IPv6.
pub fn icmp(space: &mut Space) -> Result<Set, GaveUp> {
    let of = |family, protocol: u8| {
        is(is(Cube::all(), Field::Family, family_number(family)), Field::Proto, u128::from(protocol))
    };
    space.cubes(&[of(Family::V4, proto::ICMP), of(Family::V6, proto::ICMPV6)])
}

/// TCP that cannot open a connection: no bare SYN.
pub fn not_bare_syn(space: &mut Space) -> Result<Set, GaveUp> {
    let flags: Vec<(u128, u128)> =
        (0..=u8::MAX).filter(|flags| !TcpFlags(*flags).is_bare_syn()).map(|f| (u128::from(f), u128::from(f))).collect();
    let cube = is(Cube::all(), Field::Proto, u128::from(proto::TCP)).with_ranges(Field::Flags, &flags);
    space.cube(&cube)
}
