//! Interfaces and networks that rules, or those who know, name.

use std::collections::BTreeSet;

use segwall_packetset::{AddrRange, Family, Field, interface, interface_text};

use super::rules::named;
use super::{Interface, Rules};
use crate::analysis::proof::LOOPBACK;
use crate::analysis::proof::terms::{address, number};
use crate::netfilter::TableFamily;

/// Networks that are looked at one by one; a rule set with more is not a network of segments but a list.
const NETWORKS_MAX: usize = 256;
/// Interfaces that are looked at one by one.
const INTERFACES_MAX: usize = 64;
/// A network has room for a box and hosts.
const NETWORK_ADDRESSES_MIN: u128 = 4;
/// Names for interfaces that no rule names, the first two that are free.
const OTHERS: [&str; 5] = ["other0", "other1", "lan98", "lan99", "zz0"];

/// Addresses that are nobody's on the internet: RFC 1918, RFC 6598, RFC 4193.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// What is named.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Interfaces by name, in order, without the loopback interface.
    pub interfaces: Vec<u128>,
    /// An interface that no rule names and no pattern covers: what is true of it is true of every such interface.
    pub other: Option<u128>,
    /// Another one.
    pub beyond: Option<u128>,
    /// Private networks, in the order of their addresses.
    pub networks: Vec<AddrRange>,
}

impl Names {
    pub fn of(rules: &[Rules<'_>], known: Option<&[Interface]>) -> Self {
        let (mut ranges, mut networks) = (BTreeSet::new(), BTreeSet::new());
        for program in rules.iter().map(|rules| rules.program) {
            for field in [Field::In, Field::Out] {
                named(program, field, |_, range| {
                    ranges.insert(range);
                });
            }
            for field in [Field::Src, Field::Dst] {
                named(program, field, |table, range| networks.extend(network(table.family, range)));
            }
        }
        let mut interfaces: BTreeSet<u128> =
            ranges.iter().filter(|(first, last)| first == last).map(|(first, _)| *first).collect();
        let everything = |(first, last): &(u128, u128)| *first <= 1 && *last == u128::MAX;
        let free = |name: &u128| {
            !ranges.iter().filter(|range| !everything(range)).any(|(first, last)| (first..=last).contains(&name))
        };
        for one in known.into_iter().flatten() {
            interfaces.extend(interface(&one.name));
            networks.extend(one.networks.iter().filter(|network| is_private(**network)));
        }
        interfaces.remove(&interface(LOOPBACK).expect("a name"));
        interfaces.retain(|name| interface_text(*name).is_some());
        let mut others = OTHERS.iter().filter_map(|name| interface(name)).filter(free);
        let (other, beyond) = (others.next(), others.next());
        Self {
            interfaces: interfaces.into_iter().take(INTERFACES_MAX).collect(),
            other,
            beyond,
            networks: networks.into_iter().take(NETWORKS_MAX).collect(),
        }
    }
}

/// A private network of a rule.
fn network(family: TableFamily, (first, last): (u128, u128)) -> Option<AddrRange> {
    let family = match family {
        TableFamily::Ip => Family::V4,
        TableFamily::Ip6 => Family::V6,
        // A table of both families names its addresses with the family beside them; 32 bits are IPv4's.
        _ if last <= u128::from(u32::MAX) && first > u128::from(u16::MAX) => Family::V4,
        _ => Family::V6,
    };
    let at = |value| address(u128::from(family == Family::V6), value);
    let range = AddrRange::new(at(first), at(last))?;
    // All of IPv6 has one address more than a number can count.
    (last - first >= NETWORK_ADDRESSES_MIN - 1 && is_private(range)).then_some(range)
}

/// Whether a range lies in addresses that are nobody's on the internet.
pub(super) fn is_private(range: AddrRange) -> bool {
    PRIVATE.iter().any(|text| {
        let private: AddrRange = text.parse().expect("a constant");
        private.contains(range.first()) && private.contains(range.last())
    })
}

/// Addresses of a family that are not private, as numbers.
pub(super) fn public(family: Family) -> Vec<(u128, u128)> {
    let private = PRIVATE.iter().map(|text| text.parse::<AddrRange>().expect("a constant"));
    let mut private: Vec<(u128, u128)> = private.filter(|range| range.family() == family).map(ends).collect();
    private.sort_unstable();
    let (mut list, mut next) = (Vec::new(), 0);
    for (first, last) in private {
        if next < first {
            list.push((next, first - 1));
        }
        next = last + 1;
    }
    let (_, last) = ends(AddrRange::all(family));
    list.push((next, last));
    list
}

/// A host of a network: the tenth where there is one.
pub(super) fn host_of(network: AddrRange) -> u128 {
    const TENTH: u128 = 10;
    let (first, last) = (number(network.first()), number(network.last()));
    first.saturating_add(TENTH).min(last)
}

/// The box's own address in a network, as most boxes have it: the first.
pub(super) fn own_of(network: AddrRange) -> u128 {
    number(network.first()).saturating_add(1).min(number(network.last()))
}

/// Both ends of a range as numbers.
pub(super) fn ends(range: AddrRange) -> (u128, u128) {
    (number(range.first()), number(range.last()))
}
