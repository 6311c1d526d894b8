//! Packets that the lab can put before the gateway's kernel, as a set: a proof that has the choice shows one of these.
//!
//! What the kernel decides before any hook (martians, groups that nobody joined), and descriptions that fit no real packet
//! (an address that is local although no interface has it, another day than today), are outside. A packet outside may
//! still be sent; [`super::tried`] says what came of it.

use std::net::IpAddr;

use jiff::Timestamp;
use segwall_core::netfilter::Hook;
use segwall_core::ruleset::Ruleset;
use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Place, Set, Space, TcpFlags, interface, proto};

use crate::topology::Topology;

/// How long after the present a packet of the proof may be.
const SOON_S: i64 = 120;
/// With more interfaces packets that come by one and have to do with the box's address on another are left out: they are
/// as many as there are pairs.
const PAIRS_OF_MAX: usize = 64;
/// `RTN_UNICAST`, `RTN_LOCAL`, `RTN_BROADCAST`, `RTN_MULTICAST`.
const UNICAST: u128 = 1;
const LOCAL: u128 = 2;
const BROADCAST: u128 = 3;
const MULTICAST: u128 = 5;

/// ff02::1; all routers are the next.
const ALL_NODES: u128 = 0xff02_u128 << 112 | 1;

/// What connection tracking calls untracked by itself: neighbour discovery and MLD.
const UNTRACKED: [(u128, u128); 2] = [(130, 136), (143, 143)];
/// Protocols without ports that connection tracking takes as they are.
const PLAIN: [u8; 4] = [2, 47, 50, 89];
/// Of these the first packet makes a connection.
const PORTED: [u8; 4] = [proto::UDP, proto::UDPLITE, proto::SCTP, proto::DCCP];
/// TCP flags of which connection tracking makes nothing.
const STRAY: [u8; 3] = [0, TcpFlags::FIN, TcpFlags::RST];

/// The network that packets are sent into, and the present.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Who is wired to whom.
    pub topology: &'a Topology,
    /// With the addresses that an uplink has in the lab.
    pub ruleset: &'a Ruleset,
    /// What the kernel's clock says.
    pub now: Timestamp,
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(u32::from(addr)),
        IpAddr::V6(addr) => u128::from(addr),
    }
}

fn family_number(family: Family) -> u128 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

fn only(field: Field, values: &[u128]) -> Cube {
    let ranges: Vec<(u128, u128)> = values.iter().map(|value| (*value, *value)).collect();
    Cube::all().with_ranges(field, &ranges)
}

impl Ground<'_> {
    /// Packets of a hook that can be sent.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn sendable(&self, space: &mut Space, hook: Hook) -> Result<Set, GaveUp> {
        let ways = match hook {
            Hook::Forward => self.through(space)?,
            Hook::Input => self.at_the_box(space)?,
            Hook::Output => self.out_of_the_box(space)?,
            Hook::Prerouting => {
                // Where it leaves is not known yet.
                let through = self.through(space)?;
                let through = space.exists(through, &[Field::Out])?;
                let inside = self.at_the_box(space)?;
                let all = space.union(through, inside)?;
                let nowhere = space.range(Field::Out, 0, 0)?;
                space.intersect(all, nowhere)?
            }
            Hook::Postrouting => {
                let (through, own) = (self.through(space)?, self.out_of_the_box(space)?);
                space.union(through, own)?
            }
            Hook::Ingress | Hook::Egress => Set::EMPTY,
        };
        let now = self.present(space)?;
        let ways = space.intersect(ways, now)?;
        let states = self.states(space, hook)?;
        let ways = space.intersect(ways, states)?;
        let wellformed = space.wellformed()?;
        space.intersect(ways, wellformed)
    }

    fn present(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let start = u128::try_from(self.now.as_nanosecond()).unwrap_or(0);
        let second = u128::try_from(self.now.as_second().rem_euclid(86_400)).unwrap_or(0);
        let soon = u128::try_from(SOON_S).unwrap_or(0);
        let zone_s = i64::from(segwall_host::linux::weekday_zone_s());
        let days = (self.now.as_second() + zone_s).div_euclid(86_400);
        // The first of January 1970 was a Thursday; Sunday is 0.
        let day = u128::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
        space.cube(
            &only(Field::Day, &[day])
                .with(Field::Second, second, (second + soon).min(Field::Second.max()))
                .with(Field::Time, start, start + soon * 1_000_000_000)
                .with_only(Field::Mark, 0),
        )
    }

    /// What is in which state when the lab sends it, and what it is then taken for.
    fn states(&self, space: &mut Space, hook: Hook) -> Result<Set, GaveUp> {
        let state = |number| only(Field::State, &[number]);
        let of = |cube: Cube, field, values: &[u8]| {
            let ranges: Vec<(u128, u128)> =
                values.iter().map(|value| (u128::from(*value), u128::from(*value))).collect();
            cube.with_ranges(field, &ranges)
        };
        let mut cubes = vec![
            of(of(state(0), Field::Proto, &[proto::TCP]), Field::Flags, &[TcpFlags::SYN, TcpFlags::ACK]),
            of(state(0), Field::Proto, &PORTED),
            of(state(0), Field::Proto, &PLAIN).with_only(Field::Translated, 0),
            of(of(state(1), Field::Proto, &[proto::TCP]), Field::Flags, &[TcpFlags::ACK])
                .with_only(Field::Translated, 0),
            of(state(1), Field::Proto, &[proto::UDP]).with_only(Field::Translated, 0),
            of(of(state(3), Field::Proto, &[proto::TCP]), Field::Flags, &STRAY),
        ];
        // Wrong checksums are seen where packets enter.
        if hook != Hook::Output {
            cubes.push(of(state(3), Field::Proto, &[proto::UDP]));
        }
        for (family, icmp, echo, errors) in [(0, proto::ICMP, 8, [3, 11]), (1, proto::ICMPV6, 128, [1, 3])] {
            let cube = |number| of(state(number), Field::Proto, &[icmp]).with_only(Field::Family, family);
            cubes.push(of(cube(0), Field::IcmpType, &[echo]));
            cubes.push(of(cube(2), Field::IcmpType, &errors).with_only(Field::Translated, 0));
        }
        cubes.push(
            of(state(4), Field::Proto, &[proto::ICMPV6])
                .with_only(Field::Family, 1)
                .with_ranges(Field::IcmpType, &UNTRACKED),
        );
        space.cubes(&cubes)
    }

    /// Sources that may cross the gateway: addresses of hosts, and the gateway's own.
    fn sources(&self, family: Family, own: bool) -> Vec<Cube> {
        let of = Cube::all().with_only(Field::Family, family_number(family));
        let mut list =
            vec![of.clone().with_ranges(Field::Src, &self.unicast(family)).with_only(Field::SrcType, UNICAST)];
        let own = own && self.topology.hosts.len() <= PAIRS_OF_MAX;
        for (id, addr) in self.own(family).filter(|(_, addr)| own && !is_link_local(*addr)) {
            let cube = of.clone().with_only(Field::Src, number(addr)).with_only(Field::SrcType, LOCAL);
            let here = self.name(id);
            list.push(cube.clone().with_only(Field::In, here).with_only(Field::SrcTypeHere, LOCAL));
            list.push(cube.with_ranges(Field::In, &but(here)).with_only(Field::SrcTypeHere, UNICAST));
        }
        list
    }

    fn through(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let mut sources = self.sources(Family::V4, true);
        sources.extend(self.sources(Family::V6, true));
        let sources = space.cubes(&sources)?;
        let mut ways = Vec::new();
        for family in Family::BOTH {
            for (ranges, out) in self.routes(family) {
                ways.push(
                    only(Field::Family, &[family_number(family)])
                        .with_ranges(Field::Dst, &ranges)
                        .with_only(Field::Out, out)
                        .with_only(Field::DstType, UNICAST)
                        .with_only(Field::DstTypeHere, UNICAST)
                        .with_ranges(Field::In, &self.names())
                        .with_only(Field::PktType, 0)
                        // One is taken on the way, and the last one is never forwarded.
                        .with(Field::Hops, 1, 254),
                );
            }
        }
        let ways = space.cubes(&ways)?;
        space.intersect(ways, sources)
    }

    fn at_the_box(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let mut cubes = Vec::new();
        let some = |cube: Cube| cube.with(Field::Hops, 1, 255).with_only(Field::Out, 0);
        for family in Family::BOTH {
            let mut near = Vec::new();
            for (id, addr) in self.own(family) {
                let here = self.name(id);
                let cube = some(only(Field::Dst, &[number(addr)]).with_only(Field::DstType, LOCAL))
                    .with_only(Field::PktType, 0);
                near.push(cube.clone().with_only(Field::In, here).with_only(Field::DstTypeHere, LOCAL));
                if !is_link_local(addr) && self.topology.hosts.len() <= PAIRS_OF_MAX {
                    let others: Vec<(u128, u128)> = self.names().into_iter().filter(|name| name.0 != here).collect();
                    near.push(cube.with_ranges(Field::In, &others).with_only(Field::DstTypeHere, UNICAST));
                }
            }
            let near = space.cubes(&near)?;
            let sources = space.cubes(&self.sources(family, false))?;
            cubes.push(space.intersect(near, sources)?);
        }
        // Who has no address yet speaks to everybody, who has only a link-local one to those on the wire.
        let first = only(Field::Family, &[0])
            .with_only(Field::Src, 0)
            .with_only(Field::Dst, u128::from(u32::MAX))
            .with_only(Field::PktType, 1)
            .with_only(Field::DstType, BROADCAST)
            .with_only(Field::DstTypeHere, BROADCAST);
        let group = only(Field::Family, &[1])
            .with_ranges(Field::Src, &[(0, 0), (0xfe80_u128 << 112 | 0x1000, 0xfe80_u128 << 112 | 0x1fff)])
            .with_ranges(Field::Dst, &[(ALL_NODES, ALL_NODES + 1)])
            .with_only(Field::PktType, 2)
            .with_only(Field::DstType, MULTICAST)
            .with_only(Field::DstTypeHere, MULTICAST);
        for cube in [first, group] {
            cubes.push(space.cube(&some(cube).with_ranges(Field::In, &self.names()))?);
        }
        let inside = space.cubes(&self.inside(Field::In, Field::Out))?;
        cubes.push(inside);
        space.union_all(&cubes)
    }

    fn out_of_the_box(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let mut cubes = Vec::new();
        for family in Family::BOTH {
            let own: Vec<u128> =
                self.own(family).filter(|(_, addr)| !is_link_local(*addr)).map(|(_, addr)| number(addr)).collect();
            if own.is_empty() {
                continue;
            }
            for (ranges, out) in self.routes(family) {
                cubes.push(
                    only(Field::Src, &own)
                        .with_only(Field::Family, family_number(family))
                        .with_ranges(Field::Dst, &ranges)
                        .with_only(Field::Out, out)
                        .with_only(Field::In, 0)
                        .with_only(Field::SrcType, LOCAL)
                        .with_only(Field::DstType, UNICAST)
                        .with(Field::Hops, 1, 255),
                );
            }
        }
        // Neighbour discovery and MLD of the box itself.
        for (id, addr) in self.own(Family::V6).filter(|(_, addr)| is_link_local(*addr)) {
            cubes.push(
                only(Field::Src, &[number(addr)])
                    .with_only(Field::Family, 1)
                    .with_ranges(Field::Dst, &[(ALL_NODES, ALL_NODES + 1)])
                    .with_only(Field::Out, self.name(id))
                    .with_only(Field::In, 0)
                    .with_only(Field::SrcType, LOCAL)
                    .with_only(Field::DstType, MULTICAST)
                    .with_only(Field::Proto, u128::from(proto::ICMPV6))
                    .with(Field::Hops, 1, 255),
            );
        }
        cubes.extend(self.inside(Field::Out, Field::In));
        space.cubes(&cubes)
    }

    /// What the box sends to itself: it leaves by `by`, or comes by it, and has no other interface.
    fn inside(&self, by: Field, other: Field) -> Vec<Cube> {
        let of = |family, first| {
            let own: Vec<u128> = self
                .own(family)
                .filter(|(_, addr)| !is_link_local(*addr))
                .map(|(_, addr)| number(addr))
                .chain([first])
                .collect();
            only(Field::Src, &own)
                .with_ranges(Field::Dst, &own.iter().map(|own| (*own, *own)).collect::<Vec<_>>())
                .with_only(Field::Family, family_number(family))
                .with_only(by, interface("lo").unwrap_or(0))
                .with_only(other, 0)
                .with_only(Field::SrcType, LOCAL)
                .with_only(Field::DstType, LOCAL)
                .with(Field::Hops, 1, 255)
        };
        vec![of(Family::V4, 0x7f00_0001), of(Family::V6, 1)]
    }

    fn name(&self, id: segwall_packetset::InterfaceId) -> u128 {
        interface(&self.ruleset.interface(id).name).unwrap_or(0)
    }

    fn names(&self) -> Vec<(u128, u128)> {
        self.topology.ids().map(|id| self.name(id)).map(|name| (name, name)).collect()
    }

    fn own(&self, family: Family) -> impl Iterator<Item = (segwall_packetset::InterfaceId, IpAddr)> {
        let hosts = self.topology.ids().zip(&self.topology.hosts);
        hosts
            .flat_map(|(id, host)| host.gateway_addresses.iter().map(move |(addr, _)| (id, *addr)))
            .filter(move |(_, addr)| Family::of(*addr) == family)
    }

    /// Addresses that a host may have, without those of the gateway and the ends of its networks.
    fn unicast(&self, family: Family) -> Vec<(u128, u128)> {
        let mut ranges: Vec<(u128, u128)> = match family {
            Family::V4 => [(1, 10), (11, 126), (128, 169), (170, 223)]
                .map(|(first, last)| (first << 24, (last << 24) | 0x00ff_ffff))
                .to_vec(),
            Family::V6 => vec![(0x0100_u128 << 112, (0xfe00_u128 << 112) - 1)],
        };
        // 11/8 begins where 10/8 ends, and 169.254/16 is taken out as a whole with its neighbours.
        if family == Family::V4 {
            ranges[2].1 = (169 << 24) - 1;
        }
        for host in &self.topology.hosts {
            for (addr, len) in host.gateway_addresses.iter().filter(|(addr, _)| Family::of(*addr) == family) {
                let network = AddrRange::prefix(*addr, *len);
                for taken in [*addr, network.first(), network.last()] {
                    ranges = without(ranges, number(taken), number(taken));
                }
            }
        }
        ranges
    }

    /// Destinations, and the interface by which the gateway sends to them.
    fn routes(&self, family: Family) -> Vec<(Vec<(u128, u128)>, u128)> {
        let mut rest = self.unicast(family);
        let mut list = Vec::new();
        for (id, interface) in self.ruleset.interface_ids().filter(|(id, _)| self.ruleset.is_segment(*id)) {
            let mut ranges = Vec::new();
            for network in interface.sources.iter().chain(&interface.networks) {
                if network.family() == family {
                    let (first, last) = (number(network.first()), number(network.last()));
                    ranges.extend(within(&rest, first, last));
                    rest = without(rest, first, last);
                }
            }
            list.push((ranges, self.name(id)));
        }
        let uplink = self.ruleset.interface_ids().map(|(id, _)| id).find(|id| !self.ruleset.is_segment(*id));
        // The route decides, and this is only what is meant to be the same.
        list.extend(
            uplink
                .filter(|id| self.topology.route(self.ruleset, probe(family)) == Place::Interface(*id))
                .map(|id| (rest, self.name(id))),
        );
        list.retain(|(ranges, _)| !ranges.is_empty());
        list
    }
}

/// An address that no policy names: TEST-NET of benchmarks, and the documentation prefix' last.
fn probe(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([198, 19, 255, 254]),
        Family::V6 => IpAddr::from([0x3fff, 0xfff, 0, 0, 0, 0, 0, 1]),
    }
}

fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local())
}

fn but(value: u128) -> [(u128, u128); 2] {
    [(1, value.saturating_sub(1)), (value.saturating_add(1), u128::MAX)]
}

fn within(ranges: &[(u128, u128)], first: u128, last: u128) -> Vec<(u128, u128)> {
    ranges.iter().map(|(a, b)| ((*a).max(first), (*b).min(last))).filter(|(a, b)| a <= b).collect()
}

fn without(ranges: Vec<(u128, u128)>, first: u128, last: u128) -> Vec<(u128, u128)> {
    let mut left = Vec::with_capacity(ranges.len() + 1);
    for (a, b) in ranges {
        if last < a || first > b {
            left.push((a, b));
            continue;
        }
        if a < first {
            left.push((a, first - 1));
        }
        if last < b {
            left.push((last + 1, b));
        }
    }
    left
}
