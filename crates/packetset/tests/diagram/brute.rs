//! Against truth tables.

use proptest::prelude::*;
use segwall_packetset::{Cube, Field, Set, Space};

use crate::cases;
use crate::expr::{diagram, expressions, table};
use crate::table::{AXES, Table, cell, cells, cube, place_of, places, point};

/// The table's set by another way: the union of its places.
fn set_of(space: &mut Space, table: &Table) -> Set {
    let cubes: Vec<Cube> = places().filter(|place| table.has(place)).map(|place| cube(&place)).collect();
    space.cubes(&cubes).expect("small")
}

proptest! {
    #![proptest_config(cases(400, 4000))]

    #[test]
    fn an_expression_means_what_its_table_says(expr in expressions(), ends: [u8; 3]) {
        let mut space = Space::default();
        let set = diagram(&mut space, &expr).expect("small");
        let table = table(&expr);
        prop_assert_eq!(set.is_empty(), table.is_empty());
        prop_assert_eq!(set.is_all(), table.is_all());
        prop_assert_eq!(set, set_of(&mut space, &table), "equal sets have equal ids");
        for place in places() {
            for ends in ends {
                let point = point(&place, ends);
                prop_assert_eq!(space.contains(set, &point), table.has(&place), "{:?}", point);
                prop_assert_eq!(place_of(&point), place);
            }
        }
    }

    #[test]
    fn equal_ids_are_equal_tables(a in expressions(), b in expressions()) {
        let mut space = Space::default();
        let (set_a, set_b) = (diagram(&mut space, &a).expect("small"), diagram(&mut space, &b).expect("small"));
        prop_assert_eq!(set_a == set_b, table(&a) == table(&b));
    }

    #[test]
    fn boxes_are_disjoint_and_make_up_the_set(expr in expressions()) {
        let mut space = Space::default();
        let set = diagram(&mut space, &expr).expect("small");
        let boxes: Vec<Cube> = space.boxes(set).collect();
        for place in places() {
            let point = point(&place, 0);
            let holding = boxes.iter().filter(|cube| cube.contains(&point)).count();
            prop_assert_eq!(holding, usize::from(space.contains(set, &point)), "{:?}", point);
        }
        prop_assert_eq!(space.cubes(&boxes), Ok(set));
        let singly: Vec<Set> = boxes.iter().map(|cube| space.cube(cube).expect("small")).collect();
        prop_assert_eq!(space.union_all(&singly), Ok(set));
    }

    #[test]
    fn a_witness_is_inside_and_has_what_was_wished(expr in expressions(), wishes in proptest::array::uniform6(0..5usize), order in Just([0, 1, 2, 3, 4, 5usize]).prop_shuffle(), ends: u8) {
        let mut space = Space::default();
        let set = diagram(&mut space, &expr).expect("small");
        let table = table(&expr);
        prop_assert_eq!(space.witness(set).is_some(), !table.is_empty());
        let wishes: Vec<(usize, usize)> = order.into_iter().map(|axis| (axis, wishes[axis] % cells(axis))).collect();
        let values: Vec<(Field, u128)> = wishes.iter().map(|(axis, at)| {
            let (first, last) = cell(*axis, *at);
            (AXES[*axis].0, if ends >> axis & 1 == 0 { first } else { last })
        }).collect();
        if let Some(point) = space.witness_preferring(set, &values) {
            prop_assert!(space.contains(set, &point));
            prop_assert_eq!(Some(point), space.witness_preferring(set, &values));
            // Greedily, as the wishes come.
            let mut left: Vec<_> = places().filter(|place| table.has(place)).collect();
            for ((axis, at), (field, value)) in wishes.iter().zip(&values) {
                if left.iter().any(|place| place[*axis] == *at) {
                    left.retain(|place| place[*axis] == *at);
                    prop_assert_eq!(point.get(*field), *value);
                }
            }
        }
    }

    #[test]
    fn the_lowest_witness_is_the_first_place(expr in expressions()) {
        let mut space = Space::default();
        let set = diagram(&mut space, &expr).expect("small");
        let table = table(&expr);
        let first = places().find(|place| table.has(place));
        prop_assert_eq!(space.witness(set).map(|point| place_of(&point)), first);
    }

    #[test]
    fn classes_are_the_columns_that_are_alike(exprs in proptest::collection::vec(expressions(), 0..3), axis in 0..AXES.len()) {
        let mut space = Space::default();
        let sets: Vec<Set> = exprs.iter().map(|expr| diagram(&mut space, expr).expect("small")).collect();
        let tables: Vec<Table> = exprs.iter().map(table).collect();
        let classes = space.classes(&sets, AXES[axis].0).expect("small");
        let class_of = |value: u128| {
            let holding: Vec<usize> = (0..classes.len())
                .filter(|class| classes[*class].iter().any(|(first, last)| (*first..=*last).contains(&value)))
                .collect();
            assert_eq!(holding.len(), 1, "{value} is in classes {holding:?}");
            holding[0]
        };
        let alike = |a: usize, b: usize| tables.iter().all(|table| {
            table.moved(|place| place[axis] = a) == table.moved(|place| place[axis] = b)
        });
        for a in 0..cells(axis) {
            let (first, last) = cell(axis, a);
            prop_assert_eq!(class_of(first), class_of(last));
            for b in 0..a {
                prop_assert_eq!(class_of(first) == class_of(cell(axis, b).0), alike(a, b));
            }
        }
        for class in &classes {
            prop_assert!(class.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "in order and apart: {:?}", class);
        }
        let lowest: Vec<u128> = classes.iter().map(|class| class[0].0).collect();
        prop_assert!(lowest.is_sorted());
    }

    #[test]
    fn support_is_what_makes_a_difference(expr in expressions()) {
        let mut space = Space::default();
        let set = diagram(&mut space, &expr).expect("small");
        let table = table(&expr);
        let asked: Vec<Field> = (0..AXES.len())
            .filter(|axis| (1..cells(*axis)).any(|at| table.moved(|place| place[*axis] = at) != table.moved(|place| place[*axis] = 0)))
            .map(|axis| AXES[axis].0)
            .collect();
        prop_assert_eq!(space.fields(set), asked);
    }

    #[test]
    fn assigning_is_forgetting_and_fixing(expr in expressions(), axis in 0..AXES.len(), at in 0..5usize) {
        let at = at % cells(axis);
        let (first, last) = cell(axis, at);
        let mut space = Space::default();
        let set = diagram(&mut space, &expr).expect("small");
        let assigned = space.assign(set, AXES[axis].0, last).expect("small");
        let any = table(&expr).quantify(1 << axis, false, |a, b| a || b);
        for place in places() {
            let point = point(&place, 0b11_1111);
            prop_assert_eq!(space.contains(assigned, &point), place[axis] == at && any.has(&place));
            if first < last {
                let other = point.with(AXES[axis].0, last - 1);
                prop_assert!(!space.contains(assigned, &other));
            }
        }
    }

    #[test]
    fn what_is_simplified_is_the_same_inside_and_asks_for_no_more(a in expressions(), b in expressions()) {
        let mut space = Space::default();
        let (set, within) = (diagram(&mut space, &a).expect("small"), diagram(&mut space, &b).expect("small"));
        let simple = space.simplify(set, within).expect("small");
        let inside = space.intersect(set, within).expect("small");
        prop_assert_eq!(space.intersect(simple, within), Ok(inside));
        let (asked, before) = (space.fields(simple), space.fields(set));
        prop_assert!(asked.iter().all(|field| before.contains(field)), "{:?} of {:?}", asked, before);
        if !within.is_empty() {
            let all = space.minus(within, set).expect("small").is_empty();
            prop_assert_eq!((simple.is_empty(), simple.is_all()), (inside.is_empty(), all));
        }
    }
}
