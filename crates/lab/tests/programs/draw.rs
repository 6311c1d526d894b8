//! Packets that can be sent, and those of them that show most: at the edges of what a program tells apart.

use segwall_core::testing::Seeded;
use segwall_packetset::{Cube, Field, Point, Set, Space, interface, proto};

use crate::packet::{SENTINEL_PORT, mac_number, opens};
use crate::wire::NAMES;

/// Boxes of a set that are looked at.
const BOXES_MAX: usize = 4000;
const V4_SOURCES: (u128, u128) = (0xac10_0000, 0xac1f_ff00);
const UNICAST: u128 = 1;

/// Every packet that the wire can carry and connection tracking sees as the point says.
pub fn possible(space: &mut Space) -> Set {
    let mut cubes = Vec::new();
    for family in [0, 1] {
        for (from, input) in NAMES.into_iter().enumerate() {
            for (to, output) in NAMES.into_iter().enumerate() {
                let exactly = |cube: Cube, field, value| cube.with(field, value, value);
                let mut base = exactly(Cube::all(), Field::Family, family);
                for field in [Field::Translated, Field::SentDst, Field::SentDport, Field::Mark, Field::PktType] {
                    base = exactly(base, field, 0);
                }
                for field in [Field::SrcType, Field::DstType, Field::SrcTypeHere, Field::DstTypeHere] {
                    base = exactly(base, field, UNICAST);
                }
                for field in [Field::Day, Field::Second, Field::Time] {
                    base = exactly(base, field, 0);
                }
                base = exactly(base, Field::In, interface(input).unwrap());
                base = exactly(base, Field::Out, interface(output).unwrap());
                base = exactly(base, Field::Mac, mac_number(from)).with(Field::Hops, 1, 254);
                let (src, dst) = pools(family == 0, u128::try_from(to + 1).unwrap());
                base = base.with(Field::Src, src.0, src.1).with(Field::Dst, dst.0, dst.1);
                cubes.extend(transports(family == 0, &base));
            }
        }
    }
    space.cubes(&cubes).unwrap()
}

fn pools(is_v4: bool, to: u128) -> ((u128, u128), (u128, u128)) {
    if is_v4 {
        let net = 0x0a00_0000 | to << 16;
        (V4_SOURCES, (net | 0x100, net | 0xfe00))
    } else {
        let prefix = 0x2001_0db8_u128 << 96;
        let net = prefix | to << 80 | 1 << 64;
        let sources = prefix | 0x100 << 80;
        ((sources, sources | ((1 << 86) - 1)), (net, net | ((1 << 64) - 1)))
    }
}

fn transports(is_v4: bool, base: &Cube) -> Vec<Cube> {
    let flags =
        |new: bool| (0..=u8::MAX).filter(move |flags| opens(*flags) == new).map(|flags| (flags.into(), flags.into()));
    let of = |number: u8| base.clone().with(Field::Proto, number.into(), number.into());
    let zero = |mut cube: Cube, fields: &[Field]| {
        for field in fields {
            cube = cube.with(*field, 0, 0);
        }
        cube
    };
    let icmp = [Field::IcmpType, Field::IcmpCode];
    let ports = [Field::Sport, Field::Dport];
    let open = |cube: Cube| {
        let first = u128::from(SENTINEL_PORT) + 1;
        cube.with(Field::Sport, first, 0xffff).with(Field::Dport, first, 0xffff)
    };
    let states = |cube: Cube, states: &[u128]| {
        cube.with_ranges(Field::State, &states.iter().map(|state| (*state, *state)).collect::<Vec<_>>())
    };
    let new: Vec<(u128, u128)> = flags(true).collect();
    let odd: Vec<(u128, u128)> = flags(false).collect();
    let tcp = open(zero(of(proto::TCP), &icmp));
    let mut cubes = vec![
        states(tcp.clone().with_ranges(Field::Flags, &new), &[0, 3]),
        states(tcp.with_ranges(Field::Flags, &odd), &[3]),
        states(open(zero(zero(of(proto::UDP), &icmp), &[Field::Flags])), &[0, 1, 3]),
    ];
    let icmp_number = if is_v4 { proto::ICMP } else { proto::ICMPV6 };
    let messages = zero(zero(of(icmp_number), &ports), &[Field::Flags]);
    let (asks, others) = if is_v4 {
        (vec![(8, 8), (13, 13)], vec![(0, 0), (3, 3), (14, 14), (30, 200)])
    } else {
        (vec![(128, 128)], vec![(1, 1), (129, 129)])
    };
    cubes.push(states(messages.clone().with_ranges(Field::IcmpType, &asks), &[0]));
    cubes.push(states(messages.with_ranges(Field::IcmpType, &others), &[3]));
    for number in [proto::ESP, proto::OSPF, 103] {
        let cube = zero(zero(zero(of(number), &icmp), &ports), &[Field::Flags]);
        // ESP is followed by extension headers' rules in IPv6; it ends the chain there.
        cubes.push(states(cube, &[0]));
    }
    cubes
}

/// Draws points from a set's boxes.
pub struct Drawer {
    boxes: Vec<Cube>,
}

impl Drawer {
    pub fn new(space: &Space, set: Set) -> Self {
        Self { boxes: space.boxes(set).take(BOXES_MAX).collect() }
    }

    /// A point of some box: with edges, its values are the ends of ranges two times in three.
    pub fn point(&self, choices: &mut Seeded, edges: bool) -> Option<Point> {
        if self.boxes.is_empty() {
            return None;
        }
        let cube = &self.boxes[below(choices, self.boxes.len())];
        let mut point = Point::default();
        for field in Field::ALL {
            let all = [(0, field.max())];
            let ranges = cube.get(field).unwrap_or(&all);
            let (first, last) = ranges[below(choices, ranges.len())];
            point.set(
                field,
                match choices.below(3) {
                    0 if edges => first,
                    1 if edges => last,
                    _ => within(choices, first, last),
                },
            );
        }
        Some(point)
    }
}

pub fn below(choices: &mut Seeded, bound: usize) -> usize {
    usize::try_from(choices.below(bound as u64)).unwrap()
}

fn within(choices: &mut Seeded, first: u128, last: u128) -> u128 {
    let wide = u128::from(choices.below(u64::MAX)) << 64 | u128::from(choices.below(u64::MAX));
    match (last - first).checked_add(1) {
        Some(count) => first + wide % count,
        None => wide,
    }
}
