//! One set, one id, whatever way it was made.

use proptest::prelude::*;
use segwall_packetset::{Cube, Field, Point, Set, Space};

use crate::cases;

#[test]
fn ranges_that_touch_are_one_range() {
    let mut space = Space::default();
    for field in Field::ALL {
        let max = field.max();
        let whole = space.range(field, 0, max).expect("small");
        assert!(whole.is_all(), "{field:?}");
        let (low, high) = (space.range(field, 0, 0).expect("small"), space.range(field, 1, max).expect("small"));
        assert_eq!(space.union(low, high), Ok(Set::ALL));
        assert_eq!(space.complement(low), Ok(high));
        assert_eq!(space.range(field, 1, u128::MAX), Ok(high), "cut to the domain");
        assert_eq!(space.ranges(field, &[(max, max), (1, max), (5, 2)]), Ok(high));
        assert_eq!(space.range(field, 1, 0), Ok(Set::EMPTY));
        assert_eq!(space.ranges(field, &[]), Ok(Set::EMPTY));
    }
}

#[test]
fn different_routes_lead_to_one_id() {
    let mut space = Space::default();
    let tcp = space.range(Field::Proto, 6, 6).expect("small");
    let web = space.ranges(Field::Dport, &[(443, 443), (80, 80)]).expect("small");
    let net = space.range(Field::Src, 0x0a00_0000, 0x0aff_ffff).expect("small");
    let one = [tcp, web, net].into_iter().try_fold(Set::ALL, |all, set| space.intersect(all, set)).expect("small");
    let two = space.intersect_all(&[net, web, tcp]).expect("small");
    let cube = |first, last, port| {
        Cube::all().with(Field::Dport, port, port).with(Field::Src, first, last).with(Field::Proto, 6, 6)
    };
    // In pieces that overlap, one of them twice.
    let pieces = [
        cube(0x0a00_0000, 0x0a80_0000, 80),
        cube(0x0a10_0000, 0x0aff_ffff, 80),
        cube(0x0a10_0000, 0x0aff_ffff, 443),
        cube(0x0a00_0000, 0x0a80_0000, 443),
        cube(0x0a10_0000, 0x0aff_ffff, 80),
    ];
    let three = space.cubes(&pieces).expect("small");
    let outside = [tcp, web, net].map(|set| space.complement(set).expect("small"));
    let outside = space.union_all(&outside).expect("small");
    let four = space.complement(outside).expect("small");
    assert_eq!([one, one, one], [two, three, four]);
    let union = space.union(outside, one).expect("small");
    assert!(union.is_all());
    assert_eq!(space.boxes(one).count(), 1, "one box a person can read");
}

#[test]
fn the_boxes_of_nothing_and_everything() {
    let mut space = Space::default();
    assert_eq!(space.boxes(Set::EMPTY).count(), 0);
    assert_eq!(space.boxes(Set::ALL).collect::<Vec<_>>(), [Cube::all()]);
    assert_eq!(space.cubes(&[]), Ok(Set::EMPTY));
    assert_eq!(space.cubes(&[Cube::all()]), Ok(Set::ALL));
    assert_eq!(space.cubes(&[Cube::all().with_ranges(Field::In, &[])]), Ok(Set::EMPTY));
    assert_eq!(space.witness(Set::EMPTY), None);
    assert_eq!(space.fields(Set::ALL), []);
    assert_eq!(space.classes(&[Set::ALL], Field::Day), Ok(vec![vec![(0, 6)]]));
    assert_eq!(space.union_all(&[]), Ok(Set::EMPTY));
    assert_eq!(space.intersect_all(&[]), Ok(Set::ALL));
}

/// A range within a field: often one value, often aligned, sometimes anything, sometimes the same as another's.
fn a_range(field: Field) -> impl Strategy<Value = (u128, u128)> {
    let max = field.max();
    let bits = 128 - max.leading_zeros();
    let aligned = (0..=max, 0..bits).prop_map(move |(value, free)| {
        let host = (1u128 << free) - 1;
        (value & !host, (value | host).min(max))
    });
    let any = (0..=max, 0..=max).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![(0..20u128).prop_map(|value| (value, value + 1)), aligned, any]
}

fn a_cube() -> impl Strategy<Value = Cube> {
    let fields = [Field::Proto, Field::In, Field::Src, Field::Dport, Field::Mark];
    fields.map(|field| proptest::option::of(proptest::collection::vec(a_range(field), 1..4))).prop_map(move |chosen| {
        fields.iter().zip(chosen).fold(Cube::all(), |cube, (field, ranges)| match ranges {
            Some(ranges) => cube.with_ranges(*field, &ranges),
            None => cube,
        })
    })
}

proptest! {
    #![proptest_config(cases(50, 500))]

    #[test]
    fn the_sweep_and_the_pairs_make_the_same_set(cubes in proptest::collection::vec(a_cube(), 0..60), points: [u64; 32]) {
        let mut space = Space::default();
        let swept = space.cubes(&cubes).expect("fits");
        let singly: Vec<Set> = cubes.iter().map(|cube| space.cube(cube).expect("fits")).collect();
        prop_assert_eq!(space.union_all(&singly), Ok(swept));
        let reversed: Vec<Cube> = cubes.iter().rev().cloned().collect();
        prop_assert_eq!(space.cubes(&reversed), Ok(swept));
        // Packets at the corners of the boxes, and beside them.
        for point in points {
            let Some(cube) = cubes.get(point as usize % cubes.len().max(1)) else { continue };
            let point = cube.fields().enumerate().fold(Point::default(), |packet, (at, (field, ranges))| {
                let (first, last) = ranges[0];
                let value = match point >> (3 * at + 8) & 7 {
                    0..3 => first,
                    3..6 => last,
                    6 => last.saturating_add(1),
                    _ => first.saturating_sub(1),
                };
                packet.with(field, value)
            });
            prop_assert_eq!(space.contains(swept, &point), cubes.iter().any(|cube| cube.contains(&point)));
        }
    }

    #[test]
    fn the_first_match_decides(rules in proptest::collection::vec((a_cube(), 0..3usize), 0..40)) {
        let mut space = Space::default();
        let rules: Vec<(Set, usize)> =
            rules.iter().map(|(cube, verdict)| (space.cube(cube).expect("fits"), *verdict)).collect();
        let mut one_by_one = vec![Set::EMPTY; 3];
        let mut rest = Set::ALL;
        for (set, verdict) in &rules {
            let held = space.intersect(rest, *set).expect("fits");
            one_by_one[*verdict] = space.union(one_by_one[*verdict], held).expect("fits");
            rest = space.minus(rest, *set).expect("fits");
        }
        prop_assert_eq!(space.first_match(&rules, 3), Ok(one_by_one));
    }
}
