//! One set, one id, whatever way it was made.

use segwall_packetset::{Cube, Field, Set, Space};

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
