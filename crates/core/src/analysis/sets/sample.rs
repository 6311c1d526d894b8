//! One packet of a set that looks like those that people see.

use segwall_packetset::{Cube, Field, Point, Set, Space, interface};

use crate::analysis::proof::WISHES;

/// Addresses of documentation (RFC 5737, RFC 3849): a host on each side.
const SENDERS: [u128; 2] = [0xc000_020a, (0x2001_0db8 << 96) + 0x10];
const RECEIVERS: [u128; 2] = [0xc633_6407, (0x2001_0db8 << 96) + (1 << 80) + 7];
/// In a network the first addresses are seldom hosts.
const OFFSETS: [u128; 3] = [10, 1, 0];
const HTTPS: u128 = 443;
const ECHO: [u128; 2] = [8, 128];

/// A packet of the set that lies in the box, as ordinary as the two allow; if none does, any of the set. `None`: the set
/// is empty. The same arguments give the same packet.
#[must_use]
pub fn sample(space: &Space, set: Set, cube: &Cube, more: &[(Field, u128)]) -> Option<Point> {
    let family = match cube.get(Field::Family) {
        Some([(first, _), ..]) => usize::from(*first == 1),
        Some([]) | None => 0,
    };
    let mut wishes = vec![(Field::Family, family as u128)];
    for field in [Field::Proto, Field::Translated, Field::State, Field::Day] {
        let known = WISHES.iter().chain(more).find(|(wish, _)| *wish == field).map(|(_, value)| *value);
        wishes.extend(inside(cube, field, known.as_slice(), &[0]).into_iter().map(|value| (field, value)));
    }
    let named = |name: &str| interface(name).unwrap_or_default();
    for (field, usual, offsets) in [
        (Field::In, vec![named("eth0"), named("eth1")], &OFFSETS[2..]),
        (Field::Out, vec![named("eth1"), named("eth0")], &OFFSETS[2..]),
        (Field::Src, vec![SENDERS[family]], &OFFSETS),
        (Field::Dst, vec![RECEIVERS[family]], &OFFSETS),
        (Field::SentDst, vec![RECEIVERS[family]], &OFFSETS),
        (Field::Dport, vec![HTTPS], &OFFSETS[2..]),
        (Field::SentDport, vec![HTTPS], &OFFSETS[2..]),
        (Field::IcmpType, vec![ECHO[family]], &OFFSETS[2..]),
        (Field::Second, Vec::new(), &OFFSETS[2..]),
    ] {
        wishes.extend(inside(cube, field, &usual, offsets).into_iter().map(|value| (field, value)));
    }
    wishes.extend(more);
    wishes.extend(WISHES);
    space.witness_preferring(set, &wishes)
}

/// Values of a field in a box, the usual ones first. A range that begins with 0 is what is left beside others.
fn inside(cube: &Cube, field: Field, usual: &[u128], offsets: &[u128]) -> Vec<u128> {
    let Some(ranges) = cube.get(field) else { return usual.to_vec() };
    let has = |value: &u128| ranges.iter().any(|(first, last)| (first..=last).contains(&value));
    let mut values: Vec<u128> = usual.iter().copied().filter(has).collect();
    let from = ranges.iter().find(|(first, _)| *first > 0).or(ranges.first());
    if let Some((first, last)) = from {
        values.extend(offsets.iter().filter(|offset| **offset <= last - first).map(|offset| first + offset));
    }
    values
}
