//! How types of addresses follow from addresses.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Cube, Field, GaveUp, Set, Space};

/// `RTN_*` of the kernel's `rtnetlink.h`.
const UNICAST: u128 = 1;
const LOCAL: u128 = 2;
const BROADCAST: u128 = 3;
const MULTICAST: u128 = 5;
const TYPE_MAX: u128 = 11;
/// 255.255.255.255 and, to the kernel, 0.0.0.0.
const BROADCASTS_V4: [(u128, u128); 2] = [(0xffff_ffff, 0xffff_ffff), (0, 0)];
/// 224.0.0.0/4 and ff00::/8.
const MULTICAST_V4: (u128, u128) = (0xe000_0000, 0xefff_ffff);
const MULTICAST_V6: (u128, u128) = (0xff << 120, u128::MAX);
/// 127.0.0.0/8 and ::1.
const LOOPBACK_V4: (u128, u128) = (0x7f00_0000, 0x7fff_ffff);
const LOOPBACK_V6: (u128, u128) = (1, 1);
/// Networks of these lengths have no broadcast address (RFC 3021).
const BROADCAST_LEN_MAX: u8 = 30;

/// An address of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Its interface, as [`Field::In`] has it.
    pub interface: u128,
    /// The address.
    pub addr: IpAddr,
    /// Its network.
    pub prefix_len: u8,
}

/// Packets whose types of addresses fit their addresses, on a box with these addresses: to intersect with.
///
/// Types that routes alone decide (unreachable, blackhole, anycast) are left open: what is none of the box's own, no
/// broadcast and no multicast address is anything but local, broadcast or multicast.
///
/// # Errors
/// When the space's budget ends.
pub fn local_addresses(space: &mut Space, addresses: &[Address]) -> Result<Set, GaveUp> {
    let mut all = Set::ALL;
    for (family, v4) in [(0, true), (1, false)] {
        let of_family: Vec<Address> = addresses.iter().copied().filter(|own| own.addr.is_ipv4() == v4).collect();
        let own: Vec<(u128, u128)> = of_family.iter().map(|own| (number(own.addr), number(own.addr))).collect();
        let loopback = if v4 { LOOPBACK_V4 } else { LOOPBACK_V6 };
        let broadcast: Vec<(u128, u128)> = of_family.iter().filter_map(|own| broadcast(*own)).collect();
        for (addr, kind, here) in
            [(Field::Src, Field::SrcType, Field::SrcTypeHere), (Field::Dst, Field::DstType, Field::DstTypeHere)]
        {
            let mut types = Types { space: &mut *space, addr, kind, rest: Set::ALL, fits: Set::EMPTY };
            let local: Vec<(u128, u128)> = own.iter().copied().chain([loopback]).collect();
            types.are(&local, LOCAL)?;
            if v4 {
                types.are(&BROADCASTS_V4, BROADCAST)?;
            }
            types.are(&broadcast, BROADCAST)?;
            types.are(&[if v4 { MULTICAST_V4 } else { MULTICAST_V6 }], MULTICAST)?;
            let anywhere = types.finish()?;
            let on_interface = self::here(space, &of_family, v4, (addr, here))?;
            let other = space.range(Field::Family, 1 - family, 1 - family)?;
            for fits in [anywhere, on_interface] {
                let fits = space.union(other, fits)?;
                all = space.intersect(all, fits)?;
            }
        }
    }
    Ok(all)
}

/// On the interface a packet came by, only that interface's own addresses are local.
fn here(space: &mut Space, own: &[Address], v4: bool, (addr, here): (Field, Field)) -> Result<Set, GaveUp> {
    let mut fits = Set::EMPTY;
    let mut elsewhere = Set::ALL;
    let mut interfaces: Vec<u128> = own.iter().map(|own| own.interface).collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    for interface in interfaces {
        let at = space.range(Field::In, interface, interface)?;
        elsewhere = space.minus(elsewhere, at)?;
        let local: Vec<(u128, u128)> = own
            .iter()
            .filter(|own| own.interface == interface)
            .map(|own| (number(own.addr), number(own.addr)))
            .collect();
        let broadcast: Vec<(u128, u128)> =
            own.iter().filter(|own| own.interface == interface).filter_map(|own| broadcast(*own)).collect();
        let mut types = Types { space: &mut *space, addr, kind: here, rest: Set::ALL, fits: Set::EMPTY };
        types.are(&local, LOCAL)?;
        if v4 {
            types.are(&BROADCASTS_V4, BROADCAST)?;
        }
        types.are(&broadcast, BROADCAST)?;
        types.are(&[if v4 { MULTICAST_V4 } else { MULTICAST_V6 }], MULTICAST)?;
        let part = types.finish()?;
        let part = space.intersect(at, part)?;
        fits = space.union(fits, part)?;
    }
    // Interfaces without an address of the family: nothing is said.
    space.union(fits, elsewhere)
}

/// One address field and its type.
struct Types<'s> {
    space: &'s mut Space,
    addr: Field,
    kind: Field,
    rest: Set,
    fits: Set,
}

impl Types<'_> {
    fn are(&mut self, ranges: &[(u128, u128)], kind: u128) -> Result<(), GaveUp> {
        let addresses = self.space.ranges(self.addr, ranges)?;
        let addresses = self.space.intersect(addresses, self.rest)?;
        self.rest = self.space.minus(self.rest, addresses)?;
        let kind = self.space.range(self.kind, kind, kind)?;
        let part = self.space.intersect(addresses, kind)?;
        self.fits = self.space.union(self.fits, part)?;
        Ok(())
    }

    fn finish(self) -> Result<Set, GaveUp> {
        let others = Cube::all().with_ranges(self.kind, &[(0, UNICAST), (4, 4), (MULTICAST + 1, TYPE_MAX)]);
        let others = self.space.cube(&others)?;
        let part = self.space.intersect(self.rest, others)?;
        self.space.union(self.fits, part)
    }
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(addr.to_bits()),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

fn broadcast(own: Address) -> Option<(u128, u128)> {
    if own.addr.is_ipv6() || own.prefix_len > BROADCAST_LEN_MAX {
        return None;
    }
    let last = number(AddrRange::prefix(own.addr, own.prefix_len).last());
    Some((last, last))
}
