//! What does not fit ends in an honest answer, and the space goes on.

use proptest::prelude::*;
use segwall_packetset::{Cube, Field, GaveUp, Point, Set, Space};

use crate::cases;

/// Sets that multiply: equal low bits of two fields, which no interval can say.
fn alternating(space: &mut Space, field: Field, from: u128) -> Result<Set, GaveUp> {
    let ranges: Vec<(u128, u128)> = (0..64).map(|at| (from + 2 * at, from + 2 * at)).collect();
    space.ranges(field, &ranges)
}

#[test]
fn growth_ends_in_giving_up_and_the_space_still_answers() {
    let mut space = Space::new(2_000);
    let web = space.range(Field::Dport, 80, 80).expect("small");
    let tcp = space.range(Field::Proto, 6, 6).expect("small");
    let mut grown = Set::EMPTY;
    let mut known = vec![Set::EMPTY, Set::ALL, web, tcp];
    let mut gave_up = None;
    for at in 0..10_000u128 {
        let cube = Cube::all().with(Field::Src, at * 3, at * 5 + 2).with(Field::Dst, at * 7, at * 11).with(
            Field::Sport,
            at % 60_000,
            at % 60_000 + 9,
        );
        let next = space.cube(&cube).and_then(|set| space.union(grown, set));
        match next {
            Ok(next) => {
                grown = next;
                known.push(grown);
            }
            Err(error) => {
                gave_up = Some(error);
                break;
            }
        }
    }
    let gave_up = gave_up.expect("two thousand nodes do not hold it");
    assert!(gave_up.nodes <= 2_000 && gave_up.nodes > 1_900, "{gave_up:?}");
    assert_eq!(gave_up.to_string(), format!("gave up after {} nodes", gave_up.nodes));
    assert!(space.nodes() <= 2_000);

    // Everything known before is what it was.
    for set in &known {
        let point = space.witness(*set);
        assert_eq!(point.is_none(), set.is_empty());
        assert!(point.is_none_or(|point| space.contains(*set, &point)));
        assert_eq!(space.union(*set, *set), Ok(*set));
    }
    assert_eq!(space.range(Field::Dport, 80, 80), Ok(web), "known nodes cost nothing");
    let both = space.intersect(web, tcp).expect("what was rolled back made room for one");
    assert!(space.contains(both, &Point::default().with(Field::Proto, 6).with(Field::Dport, 80)));
    assert!(!space.contains(both, &Point::default().with(Field::Proto, 17).with(Field::Dport, 80)));
}

#[test]
fn giving_up_costs_the_space_nothing() {
    let mut space = Space::new(3_000);
    let a = alternating(&mut space, Field::Src, 1 << 40).expect("one node");
    let before = (space.nodes(), space.edges());
    // Thousands of different boxes, each with a port of its own.
    let cubes: Vec<Cube> = (0..6_000u128)
        .map(|at| {
            Cube::all().with(Field::Src, at, at).with(Field::Dport, at, at + at % 7).with(Field::Mac, at, 1 << 40)
        })
        .collect();
    for _ in 0..3 {
        assert!(space.cubes(&cubes).is_err());
        assert_eq!((space.nodes(), space.edges()), before);
    }
    let few = space.cubes(&cubes[..100]).expect("fits");
    let singly: Vec<Set> = cubes[..100].iter().map(|cube| space.cube(cube).expect("fits")).collect();
    assert_eq!(space.union_all(&singly), Ok(few));
    assert_eq!(alternating(&mut space, Field::Src, 1 << 40), Ok(a));
}

/// What was remembered of an answer that was given up must not be taken for one about new nodes with the same ids.
#[test]
fn nothing_of_a_failed_answer_is_remembered() {
    let leaves = |space: &mut Space| -> (Vec<Set>, Vec<Set>) {
        let cube = |space: &mut Space, field, at: u128| {
            space.cube(&Cube::all().with(field, at, at).with(Field::Mark, 7 * at, 7 * at + 3)).expect("fits")
        };
        let many = (0..200).map(|at| cube(space, Field::Sport, at)).collect();
        (many, (0..60).map(|at| cube(space, Field::Dport, at)).collect())
    };
    let mut roomy = Space::default();
    let (many, few) = leaves(&mut roomy);
    let before = roomy.nodes();
    roomy.union_all(&many).expect("roomy");
    let needed = roomy.nodes() - before;
    let right = roomy.union_all(&few).expect("roomy");

    // Pairs of pairs have been joined when it gives up, and the nodes of all of them are forgotten.
    let mut tight = Space::new(before + needed * 9 / 10);
    assert_eq!(leaves(&mut tight), (many.clone(), few.clone()));
    assert!(tight.union_all(&many).is_err());
    assert_eq!(tight.nodes(), before);
    let answer = tight.union_all(&few).expect("less than that");
    let boxes: Vec<Cube> = tight.boxes(answer).collect();
    assert_eq!(roomy.cubes(&boxes), Ok(right));
}

#[test]
fn memory_is_limited_too() {
    let mut space = Space::new(1_000);
    let ranges = |from: u128| -> Vec<(u128, u128)> { (0..30_000).map(|at| (from + 2 * at, from + 2 * at)).collect() };
    let given_up = (0..100).find_map(|at| space.ranges(Field::Src, &ranges(at << 64)).err());
    assert!(given_up.expect("a million edges do not fit").nodes < 100);
    assert!(space.bytes() <= Space::BYTES_MIN && space.bytes() > Space::BYTES_MIN * 9 / 10);
    assert!(space.range(Field::Src, 1, 1).is_ok());
}

/// For value `at` of the source, a set of ports of parity `odd` that lacks one, another one for each of `sets`.
fn cycling(space: &mut Space, values: u128, block: u128, odd: u128) -> Set {
    const SETS: u128 = 100;
    let ports = |lacking: u128| (0..2_000).filter(move |port| *port != lacking).map(move |port| 2 * port + odd);
    let parts: Vec<Set> = (0..SETS)
        .map(|set| {
            let ports: Vec<(u128, u128)> = ports(set).map(|port| (port, port)).collect();
            let sources: Vec<(u128, u128)> =
                (0..values).filter(|at| at % SETS == set).map(|at| (at * block, at * block + block - 1)).collect();
            space.cube(&Cube::all().with_ranges(Field::Src, &sources).with_ranges(Field::Dport, &ports)).expect("fits")
        })
        .collect();
    space.union_all(&parts).expect("fits")
}

#[test]
fn work_without_nodes_ends_too() {
    // Each of a hundred sets of even ports meets each of a hundred sets of odd ones: 40 million steps to see that nothing
    // is in both, and not one node.
    let ask = |mut space: Space| {
        let (even, odd) = (cycling(&mut space, 100, 100, 0), cycling(&mut space, 10_000, 1, 1));
        let before = space.nodes();
        (space.intersect(even, odd), before)
    };
    assert_eq!(ask(Space::default()).0, Ok(Set::EMPTY));
    let (answer, nodes) = ask(Space::new(100_000));
    assert_eq!(answer, Err(GaveUp { nodes }));
}

proptest! {
    #![proptest_config(cases(30, 300))]

    /// With any budget an answer is either given up or the one that a roomy space gives.
    #[test]
    fn an_answer_is_right_or_given_up(budget in 3..200usize, seed: u64) {
        let (mut tight, mut roomy) = (Space::new(budget), Space::default());
        let mut state = seed | 1;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut known = vec![(Set::EMPTY, Set::EMPTY), (Set::ALL, Set::ALL)];
        let fields = [Field::Proto, Field::Src, Field::Dport, Field::Mac];
        let mut given_up = 0;
        for _ in 0..300 {
            let ((a, wide_a), (b, wide_b)) = (known[random(known.len() as u64) as usize], known[random(known.len() as u64) as usize]);
            let field = fields[random(4) as usize];
            let (first, len) = (u128::from(random(6)), u128::from(random(4)));
            let (answer, right) = match random(7) {
                0 | 1 => (tight.range(field, first, first + len), roomy.range(field, first, first + len)),
                2 => (tight.union(a, b), roomy.union(wide_a, wide_b)),
                3 => (tight.intersect(a, b), roomy.intersect(wide_a, wide_b)),
                4 => (tight.minus(a, b), roomy.minus(wide_a, wide_b)),
                5 => (tight.exists(a, &[field]), roomy.exists(wide_a, &[field])),
                _ => (tight.restrict(a, field, first), roomy.restrict(wide_a, field, first)),
            };
            match answer {
                Ok(answer) => known.push((answer, right.expect("roomy"))),
                Err(error) => {
                    given_up += 1;
                    prop_assert!(error.nodes <= budget);
                }
            }
            prop_assert!(tight.nodes() <= budget);
        }
        for (a, wide_a) in &known {
            for (b, wide_b) in &known {
                prop_assert_eq!(a == b, wide_a == wide_b);
            }
            let boxes: Vec<Cube> = tight.boxes(*a).collect();
            prop_assert_eq!(roomy.cubes(&boxes), Ok(*wide_a));
        }
        prop_assert!(budget > 20 || given_up > 0, "a budget of {} was never felt", budget);
    }
}
