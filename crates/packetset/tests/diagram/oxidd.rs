//! Against OxiDD: every bit of a few fields a variable of a binary decision diagram.

use std::collections::BTreeMap;
use std::hash::RandomState;

use oxidd::bdd::{BDDFunction, BDDManagerRef};
use oxidd::util::SatCountCache;
use oxidd::{BooleanFunction, BooleanFunctionQuant, Manager, ManagerRef};
use proptest::prelude::*;
use segwall_packetset::{Field, Set, Space};

use crate::cases;

/// Fields whose domain is a power of two, and their bits: 77 in all, so that a set's size is a `u128`.
const FIELDS: [(Field, u32); 6] = [
    (Field::Family, 1),
    (Field::Proto, 8),
    (Field::Dport, 16),
    (Field::PktType, 3),
    (Field::Mac, 48),
    (Field::Translated, 1),
];
const BITS: u32 = 77;

struct Bits {
    manager: BDDManagerRef,
    /// The variables of each field, the most significant first.
    fields: Vec<Vec<BDDFunction>>,
    no: BDDFunction,
    yes: BDDFunction,
}

const ROOM: &str = "the manager has room for a million nodes";

impl Bits {
    fn new() -> Self {
        let manager = oxidd::bdd::new_manager(1 << 20, 1 << 16, 1);
        manager.with_manager_exclusive(|manager| {
            manager.add_vars(BITS);
        });
        let (fields, no, yes) = manager.with_manager_shared(|manager| {
            let mut next = 0..BITS;
            let mut variable = || BDDFunction::var(manager, next.next().expect("BITS is their sum")).expect(ROOM);
            let fields = FIELDS.map(|(_, bits)| (0..bits).map(|_| variable()).collect()).to_vec();
            (fields, BDDFunction::f(manager), BDDFunction::t(manager))
        });
        Self { manager, fields, no, yes }
    }

    /// At most the value: from the least significant bit up.
    fn at_most(&self, field: usize, value: u128) -> BDDFunction {
        self.fields[field].iter().rev().enumerate().fold(self.yes.clone(), |lower, (bit, variable)| {
            let below = variable.not().expect(ROOM);
            if value >> bit & 1 == 1 { below.or(&lower).expect(ROOM) } else { below.and(&lower).expect(ROOM) }
        })
    }

    fn range(&self, field: usize, first: u128, last: u128) -> BDDFunction {
        if first > last {
            return self.no.clone();
        }
        let up_to = self.at_most(field, last);
        match first.checked_sub(1) {
            None => up_to,
            Some(before) => up_to.and(&self.at_most(field, before).not().expect(ROOM)).expect(ROOM),
        }
    }

    fn variables(&self, chosen: u8) -> BDDFunction {
        (0..FIELDS.len())
            .filter(|field| chosen >> field & 1 == 1)
            .flat_map(|field| &self.fields[field])
            .fold(self.yes.clone(), |all, variable| all.and(variable).expect(ROOM))
    }

    /// With the field's bits set so: what is left of the function where they are.
    fn restrict(&self, function: &BDDFunction, field: usize, value: u128) -> BDDFunction {
        let there = self.range(field, value, value).and(function).expect(ROOM);
        there.exists(&self.variables(1 << field)).expect(ROOM)
    }

    fn count(&self, function: &BDDFunction) -> u128 {
        function.sat_count(BITS, &mut SatCountCache::<u128, RandomState>::default())
    }
}

/// Packets of a set that differ in the fields above.
fn count(space: &Space, set: Set) -> u128 {
    let len = |ranges: &[(u128, u128)]| ranges.iter().map(|(first, last)| last - first + 1).sum::<u128>();
    space
        .boxes(set)
        .map(|cube| FIELDS.iter().map(|(field, bits)| cube.get(*field).map_or(1 << bits, len)).product::<u128>())
        .sum()
}

#[derive(Debug, Clone)]
enum Step {
    Range { field: usize, first: u128, last: u128 },
    Pair { op: u8, a: usize, b: usize },
    Quantify { of: usize, chosen: u8, all: bool },
    Restrict { of: usize, field: usize, value: u128 },
}

/// Few values, so that different expressions often come out equal; the ends of the domain among them.
fn value(bits: u32) -> impl Strategy<Value = u128> {
    let max = (1u128 << bits) - 1;
    prop_oneof![Just(0), Just(max), 0..6u128, Just(max / 2), Just(max / 2 + 1), 0..=max].prop_map(move |v| v.min(max))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let field = 0..FIELDS.len();
    let step = prop_oneof![
        2 => field.clone().prop_flat_map(|field| {
            let bits = FIELDS[field].1;
            (value(bits), value(bits)).prop_map(move |(first, last)| Step::Range { field, first, last })
        }),
        4 => (0..4u8, any::<usize>(), any::<usize>()).prop_map(|(op, a, b)| Step::Pair { op, a, b }),
        1 => (any::<usize>(), 0..64u8, any::<bool>()).prop_map(|(of, chosen, all)| Step::Quantify { of, chosen, all }),
        1 => field.prop_flat_map(|field| {
            (any::<usize>(), value(FIELDS[field].1)).prop_map(move |(of, value)| Step::Restrict { of, field, value })
        }),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(cases(200, 2000))]

    #[test]
    fn another_library_agrees(steps in steps()) {
        let bits = Bits::new();
        let mut space = Space::default();
        let mut known = vec![(Set::EMPTY, bits.no.clone()), (Set::ALL, bits.yes.clone())];
        for step in &steps {
            let at = |index: &usize| known[index % known.len()].clone();
            let next = match step {
                Step::Range { field, first, last } => {
                    (space.range(FIELDS[*field].0, *first, *last), Ok(bits.range(*field, *first, *last)))
                }
                Step::Pair { op, a, b } => {
                    let ((a, bits_a), (b, bits_b)) = (at(a), at(b));
                    match op {
                        0 => (space.union(a, b), bits_a.or(&bits_b)),
                        1 => (space.intersect(a, b), bits_a.and(&bits_b)),
                        2 => (space.minus(a, b), bits_b.imp_strict(&bits_a)),
                        _ => (space.symmetric_difference(a, b), bits_a.xor(&bits_b)),
                    }
                }
                Step::Quantify { of, chosen, all } => {
                    let (set, function) = at(of);
                    let fields: Vec<Field> =
                        (0..FIELDS.len()).filter(|field| chosen >> field & 1 == 1).map(|field| FIELDS[field].0).collect();
                    let variables = bits.variables(*chosen);
                    if *all {
                        (space.forall(set, &fields), function.forall(&variables))
                    } else {
                        (space.exists(set, &fields), function.exists(&variables))
                    }
                }
                Step::Restrict { of, field, value } => {
                    let (set, function) = at(of);
                    (space.restrict(set, FIELDS[*field].0, *value), Ok(bits.restrict(&function, *field, *value)))
                }
            };
            known.push((next.0.expect("small"), next.1.expect(ROOM)));
        }
        for (set, function) in &known {
            prop_assert_eq!(set.is_empty(), !function.satisfiable());
            prop_assert_eq!(set.is_all(), function.valid());
            prop_assert_eq!(count(&space, *set), bits.count(function));
        }
        // Equal here exactly where equal there.
        let mut ids: BTreeMap<Set, &BDDFunction> = BTreeMap::new();
        for (set, function) in &known {
            let first = ids.entry(*set).or_insert(function);
            prop_assert!(*first == function);
        }
        let functions: Vec<&BDDFunction> = ids.values().copied().collect();
        for (at, function) in functions.iter().enumerate() {
            prop_assert!(!functions[..at].contains(function));
        }
        drop(known);
        bits.manager.with_manager_shared(|manager| manager.gc());
    }
}
