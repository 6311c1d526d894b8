//! Classes of addresses and ports: where the ranges that a policy names cut a universe into pieces.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::{AddrRange, Family, PortRange};

/// A value, and which of the lists of ranges hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Representative<T> {
    /// The value.
    pub value: T,
    /// One for each list.
    pub inside: Vec<bool>,
}

/// One address for each class that the lists of ranges cut the universe into: addresses of a class lie in the same
/// lists. `preferred` stands for its class if it lies in the universe.
#[must_use]
pub fn address_classes(
    universe: &[AddrRange],
    lists: &[Vec<AddrRange>],
    preferred: &[IpAddr],
) -> Vec<Representative<IpAddr>> {
    let mut classes: BTreeMap<Vec<bool>, AddrRange> = BTreeMap::new();
    let signature = |addr: IpAddr| -> Vec<bool> { lists.iter().map(|list| holds(list, addr)).collect() };
    for whole in universe {
        let mut starts = vec![whole.first()];
        for range in lists.iter().flatten().filter_map(|range| range.intersection(whole)) {
            starts.push(range.first());
            starts.extend(range.after().filter(|after| whole.contains(*after)));
        }
        starts.sort_unstable();
        starts.dedup();
        for (at, start) in starts.iter().enumerate() {
            let last = match starts.get(at + 1) {
                Some(next) => AddrRange::single(*next).before().unwrap_or(*start),
                None => whole.last(),
            };
            let Some(piece) = AddrRange::new(*start, last) else { continue };
            // The widest piece stands for its class.
            let entry = classes.entry(signature(*start)).or_insert(piece);
            if piece.len() > entry.len() {
                *entry = piece;
            }
        }
    }
    let stands_for = |inside: &Vec<bool>, piece: &AddrRange| {
        let liked = preferred.iter().copied().find(|addr| holds(universe, *addr) && signature(*addr) == *inside);
        liked.or_else(|| piece.nth(piece.len() / 2)).unwrap_or(piece.first())
    };
    classes
        .iter()
        .map(|(inside, piece)| Representative { value: stands_for(inside, piece), inside: inside.clone() })
        .collect()
}

/// Both ends of every range, and the addresses just outside, as far as the universe has them.
#[must_use]
pub fn address_edges(universe: &[AddrRange], ranges: &[AddrRange]) -> Vec<IpAddr> {
    let mut edges: Vec<IpAddr> = ranges
        .iter()
        .flat_map(|range| [Some(range.first()), Some(range.last()), range.before(), range.after()])
        .flatten()
        .collect();
    // Where a range is cut off by the universe, the universe's end is the edge.
    edges.extend(
        ranges
            .iter()
            .flat_map(|range| universe.iter().filter_map(|whole| whole.intersection(range)))
            .flat_map(|part| [part.first(), part.last()]),
    );
    edges.retain(|edge| holds(universe, *edge));
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// One port for each class that the lists cut all ports into.
#[must_use]
pub fn port_classes(lists: &[Vec<PortRange>]) -> Vec<Representative<u16>> {
    let mut starts: Vec<u32> = vec![0];
    for range in lists.iter().flatten() {
        starts.push(u32::from(range.first));
        starts.push(u32::from(range.last) + 1);
    }
    starts.sort_unstable();
    starts.dedup();
    let mut classes: BTreeMap<Vec<bool>, (u32, u32)> = BTreeMap::new();
    for (at, start) in starts.iter().enumerate() {
        let Ok(port) = u16::try_from(*start) else { continue };
        let end = starts.get(at + 1).copied().unwrap_or(1 << 16);
        let inside: Vec<bool> = lists.iter().map(|list| list.iter().any(|range| range.contains(port))).collect();
        let entry = classes.entry(inside).or_insert((*start, end));
        if end - start > entry.1 - entry.0 {
            *entry = (*start, end);
        }
    }
    let middle = |(start, end): (u32, u32)| u16::try_from(start + (end - start) / 2).unwrap_or(u16::MAX);
    classes.into_iter().map(|(inside, piece)| Representative { value: middle(piece), inside }).collect()
}

/// Both ends of a port range, and the ports just outside.
#[must_use]
pub fn port_edges(range: PortRange) -> Vec<u16> {
    let mut edges = vec![range.first, range.last];
    edges.extend(range.first.checked_sub(1));
    edges.extend(range.last.checked_add(1));
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Whether one of the ranges holds the address.
#[must_use]
pub fn holds(ranges: &[AddrRange], addr: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(addr))
}

/// Ranges without the given addresses and ranges.
#[must_use]
pub fn without(ranges: &[AddrRange], holes: &[AddrRange]) -> Vec<AddrRange> {
    let mut left = ranges.to_vec();
    for hole in AddrRange::merge(holes.to_vec()) {
        left = left
            .into_iter()
            .flat_map(|range| match range.intersection(&hole) {
                None => vec![range],
                Some(cut) => {
                    let below =
                        AddrRange::single(cut.first()).before().and_then(|end| AddrRange::new(range.first(), end));
                    let above =
                        AddrRange::single(cut.last()).after().and_then(|start| AddrRange::new(start, range.last()));
                    below.into_iter().chain(above).collect()
                }
            })
            .collect();
    }
    left
}

/// Addresses that a host on the internet may have: what the kernel itself never forwards is left out.
#[must_use]
pub fn unicast(family: Family) -> Vec<AddrRange> {
    let v4 = |a, b, c, d, len| AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), len);
    let v6 = |a, len| AddrRange::prefix(IpAddr::V6(Ipv6Addr::new(a, 0, 0, 0, 0, 0, 0, 0)), len);
    let special = match family {
        // This network, loopback, link-local, multicast, reserved and broadcast.
        Family::V4 => vec![v4(0, 0, 0, 0, 8), v4(127, 0, 0, 0, 8), v4(169, 254, 0, 0, 16), v4(224, 0, 0, 0, 3)],
        // Unspecified, loopback, mapped IPv4 and their like; link-local, site-local, multicast.
        Family::V6 => vec![v6(0, 8), v6(0xfe80, 10), v6(0xfec0, 10), v6(0xff00, 8)],
    };
    without(&[AddrRange::all(family)], &special)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> AddrRange {
        text.parse().expect(text)
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn a_range_in_a_universe_makes_two_classes() {
        let universe = [range("192.0.2.0/24")];
        let lists = [vec![range("192.0.2.16/28")]];
        let classes = address_classes(&universe, &lists, &[addr("192.0.2.200")]);
        let values: Vec<_> = classes.iter().map(|class| (class.value, class.inside[0])).collect();
        assert_eq!(values, [(addr("192.0.2.200"), false), (addr("192.0.2.24"), true)]);
        let edges = ["192.0.2.15", "192.0.2.16", "192.0.2.31", "192.0.2.32"].map(addr);
        assert_eq!(address_edges(&universe, &lists[0]), edges);
    }

    #[test]
    fn edges_end_with_the_universe() {
        let universe = [range("192.0.2.1-192.0.2.254")];
        assert_eq!(address_edges(&universe, &[range("192.0.0.0/16")]), ["192.0.2.1", "192.0.2.254"].map(addr));
        assert_eq!(address_edges(&universe, &[range("198.51.100.0/24")]), [] as [IpAddr; 0]);
    }

    #[test]
    fn holes_are_cut_out() {
        let left = without(&[range("10.0.0.0/30")], &[range("10.0.0.1"), range("10.0.0.3")]);
        assert_eq!(left, [range("10.0.0.0"), range("10.0.0.2")]);
        assert_eq!(without(&[range("10.0.0.0/30")], &[range("10.0.0.0/8")]), []);
    }

    proptest! {
        /// Every address has a representative that lies in the same lists.
        #[test]
        fn no_class_is_forgotten(cuts in prop::collection::vec((0u32..300, 0u32..300), 0..6), probe in 0u32..256) {
            let v4 = |value: u32| IpAddr::V4((0x0a00_0000 + value).into());
            let lists: Vec<Vec<AddrRange>> = cuts
                .iter()
                .map(|(a, b)| AddrRange::new(v4(*a.min(b)), v4(*a.max(b))).into_iter().collect())
                .collect();
            let universe = [range("10.0.0.0/24")];
            let classes = address_classes(&universe, &lists, &[]);
            let inside: Vec<bool> = lists.iter().map(|list| holds(list, v4(probe))).collect();
            prop_assert_eq!(classes.iter().filter(|class| class.inside == inside).count(), 1);
            for class in &classes {
                prop_assert!(universe[0].contains(class.value));
                let really: Vec<bool> = lists.iter().map(|list| holds(list, class.value)).collect();
                prop_assert_eq!(&really, &class.inside);
            }
        }

        #[test]
        fn no_port_class_is_forgotten(cuts in prop::collection::vec((0u16.., 0u16..), 0..6), probe: u16) {
            let lists: Vec<Vec<PortRange>> =
                cuts.iter().map(|(a, b)| PortRange::new(*a.min(b), *a.max(b)).into_iter().collect()).collect();
            let classes = port_classes(&lists);
            let inside: Vec<bool> =
                lists.iter().map(|list| list.iter().any(|range| range.contains(probe))).collect();
            prop_assert_eq!(classes.iter().filter(|class| class.inside == inside).count(), 1);
        }
    }
}
