//! Exactly which packets a part of an explanation is about: what its words say, as cubes.

use std::collections::BTreeSet;

use segwall_packetset::{AddrRange, Cube, Family, Field, Place, proto};

use super::always::output_number;
use super::classes::{AddrClass, Classes};
use super::proof::terms::{family_number, is, port, ranges_of};
use super::service_classes::Piece;

/// The cubes of a product of classes, in one family.
pub(super) fn area(
    classes: &Classes,
    product: &[BTreeSet<usize>; 3],
    family: Family,
    output: Place,
    forwarded: bool,
) -> Vec<Cube> {
    let ranges = |chosen: &BTreeSet<usize>, list: &[AddrClass]| {
        let of_family = chosen.iter().map(|at| &list[*at]).filter(|class| class.family() == family);
        let ranges: Vec<AddrRange> = of_family.flat_map(|class| class.ranges.iter().copied()).collect();
        ranges_of(&AddrRange::merge(ranges), family)
    };
    let (src, dst) = (ranges(&product[0], &classes.src), ranges(&product[1], &classes.dst));
    let cube = is(Cube::all(), Field::Family, family_number(family));
    let cube = is(is(cube, Field::Out, output_number(output)), Field::Translated, u128::from(forwarded));
    let cube = cube.with_ranges(Field::Src, &src).with_ranges(Field::Dst, &dst);
    let all: Vec<Piece> = classes.services.iter().flat_map(|class| class.pieces.iter().copied()).collect();
    let chosen = product[2].iter().flat_map(|at| classes.services[*at].pieces.iter());
    chosen.filter_map(|piece| of_piece(&cube, *piece, &all, family)).collect()
}

/// `None` where the family has no such packets.
fn of_piece(cube: &Cube, piece: Piece, all: &[Piece], family: Family) -> Option<Cube> {
    let icmp = if family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
    let of = |protocol: u8| is(cube.clone(), Field::Proto, u128::from(protocol));
    match piece {
        Piece::Ports(protocol, range) => Some(port(of(protocol), Field::Dport, range)),
        Piece::Plain(protocol) => Some(of(protocol)),
        Piece::Misplaced(protocol) => (protocol != icmp).then(|| of(protocol)),
        Piece::Icmp(protocol, kind, code) => {
            let cube = is(of(protocol), Field::IcmpType, u128::from(kind));
            (protocol == icmp).then(|| match code {
                Some(code) => is(cube, Field::IcmpCode, u128::from(code)),
                None => cube,
            })
        }
        Piece::IcmpRest(protocol, kind, _) => {
            let named = all.iter().filter_map(|other| match other {
                Piece::Icmp(of, named, Some(code)) if (*of, *named) == (protocol, kind) => Some(*code),
                _ => None,
            });
            let cube = is(of(protocol), Field::IcmpType, u128::from(kind));
            (protocol == icmp).then(|| cube.with_ranges(Field::IcmpCode, &left(named)))
        }
        Piece::Others => {
            let named = all.iter().filter_map(|other| match other {
                Piece::Ports(protocol, _) | Piece::Plain(protocol) => Some(*protocol),
                Piece::Misplaced(protocol) | Piece::Icmp(protocol, ..) | Piece::IcmpRest(protocol, ..) => {
                    Some(*protocol)
                }
                Piece::Others => None,
            });
            Some(cube.clone().with_ranges(Field::Proto, &left(named)))
        }
    }
}

/// Every number of a byte but those.
fn left(without: impl Iterator<Item = u8>) -> Vec<(u128, u128)> {
    let without: BTreeSet<u8> = without.collect();
    (0..=u8::MAX).filter(|number| !without.contains(number)).map(|n| (u128::from(n), u128::from(n))).collect()
}

/// ICMP in IPv6 and ICMPv6 in IPv4: no host speaks it, and no explanation does.
///
/// # Errors
/// When the space gives up.
#[cfg(feature = "testing")]
pub(super) fn misplaced(
    space: &mut segwall_packetset::Space,
) -> Result<segwall_packetset::Set, segwall_packetset::GaveUp> {
    let of = |family, protocol: u8| {
        is(is(Cube::all(), Field::Family, family_number(family)), Field::Proto, u128::from(protocol))
    };
    space.cubes(&[of(Family::V6, proto::ICMP), of(Family::V4, proto::ICMPV6)])
}
