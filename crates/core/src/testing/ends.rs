//! Random ends of rules: zones, hosts, sets, narrowed zones, groups, `segments` and `any`.

use std::net::IpAddr;

use segwall_packetset::AddrRange;

use super::Dice;
use crate::policy::{End, Host, Segment, SegmentId, Uplink, Zone};
use crate::source::Span;

/// What ends may name.
pub(super) struct Places<'p> {
    pub segments: &'p [Segment],
    pub uplink: Option<&'p Uplink>,
    pub hosts: &'p [Host],
}

/// Whether a list of ends may hold the box, and `any`.
#[derive(Clone, Copy)]
pub(super) struct Allowed {
    pub gateway: bool,
    pub any: bool,
}

fn end(zone: Zone, addresses: Option<Vec<AddrRange>>, direct: bool) -> End {
    End { zone, addresses, direct, span: Span::default() }
}

fn range(text: &str) -> AddrRange {
    text.parse().expect("a constant of this file")
}

/// One to three ends; `any` stands for itself.
pub(super) fn random_ends(dice: &mut Dice, places: &Places, allowed: Allowed) -> Vec<End> {
    if allowed.any && dice.one_in(8) {
        let mut ends = vec![end(Zone::Segments, None, false)];
        if places.uplink.is_some() {
            ends.push(end(Zone::Internet, None, false));
        }
        return ends;
    }
    (0..=dice.below(3)).map(|_| random_end(dice, places, allowed)).collect()
}

fn random_end(dice: &mut Dice, places: &Places, allowed: Allowed) -> End {
    let segment = SegmentId(u32::try_from(dice.below(places.segments.len())).expect("a handful"));
    let direct = !dice.one_in(4);
    match dice.below(10) {
        0..=2 => end(Zone::Segment(segment), None, direct),
        3 | 4 => end(Zone::Segment(segment), Some(inside(dice, &places.segments[segment.index()])), direct),
        5 if !places.hosts.is_empty() => {
            let host = dice.of(places.hosts);
            let addresses = host.addresses.iter().copied().map(AddrRange::single).collect();
            end(Zone::Segment(host.segment), Some(addresses), direct)
        }
        6 if places.uplink.is_some() => end(Zone::Internet, None, direct),
        7 if places.uplink.is_some() => end(Zone::Internet, Some(outside(dice)), direct),
        8 if allowed.gateway => {
            let addresses = dice.one_in(2).then(|| vec![AddrRange::single(own(dice, places))]);
            end(Zone::Gateway, addresses, true)
        }
        9 => end(Zone::Segments, None, false),
        _ => end(Zone::Segment(segment), None, true),
    }
}

/// Addresses of a segment: single ones, ranges, prefixes, a whole subnet, something behind a route.
fn inside(dice: &mut Dice, segment: &Segment) -> Vec<AddrRange> {
    (0..=dice.below(3))
        .map(|_| {
            let networks: Vec<AddrRange> = segment
                .subnets
                .iter()
                .map(|subnet| subnet.network)
                .chain(segment.routes.iter().map(|route| route.to))
                .collect();
            let network = *dice.of(&networks);
            let nth = |offset: u128| network.nth(offset).expect("networks hold at least 16 addresses");
            match dice.below(5) {
                0 => AddrRange::single(nth(10)),
                1 => AddrRange::prefix(nth(8), network.family().bits() - 2),
                2 => AddrRange::new(nth(9), nth(13)).expect("in order"),
                3 => AddrRange::single(nth(2 + dice.below(12) as u128)),
                _ => network,
            }
        })
        .collect()
}

/// Addresses of the internet.
fn outside(dice: &mut Dice) -> Vec<AddrRange> {
    const CHOICES: [&str; 6] = [
        "198.51.100.7",
        "198.51.100.0/24",
        "192.0.2.5-192.0.2.9",
        "2001:db8:99::/48",
        "2001:db8:99::7",
        "203.0.113.128/25",
    ];
    (0..=dice.below(2)).map(|_| range(CHOICES[dice.below(CHOICES.len())])).collect()
}

/// One of the box's own addresses.
fn own(dice: &mut Dice, places: &Places) -> IpAddr {
    let mut addresses: Vec<IpAddr> =
        places.segments.iter().flat_map(|segment| segment.subnets.iter().map(|subnet| subnet.gateway)).collect();
    addresses.extend(places.uplink.iter().flat_map(|uplink| uplink.addresses.iter().map(|address| address.addr)));
    *dice.of(&addresses)
}

/// What a port forward may listen to.
pub(super) fn forward_from(dice: &mut Dice) -> Vec<End> {
    let addresses = dice.one_in(3).then(|| outside(dice));
    vec![end(Zone::Internet, addresses, true)]
}
