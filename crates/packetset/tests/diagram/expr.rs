//! Random expressions, and what they mean both ways.

use proptest::prelude::*;
use segwall_packetset::{Cube, GaveUp, Set, Space};

use crate::table::{AXES, Place, Table, cell, cells, ranges};

#[derive(Debug, Clone)]
pub enum Expr {
    Range {
        axis: usize,
        chosen: u8,
    },
    Boxes(Vec<[u8; AXES.len()]>),
    Union(Box<Expr>, Box<Expr>),
    Intersect(Box<Expr>, Box<Expr>),
    Minus(Box<Expr>, Box<Expr>),
    Differ(Box<Expr>, Box<Expr>),
    Complement(Box<Expr>),
    Exists(Box<Expr>, u8),
    Forall(Box<Expr>, u8),
    Restrict {
        of: Box<Expr>,
        axis: usize,
        at: usize,
        high: bool,
    },
    /// Source for the destination as sent, or the other way round.
    Substitute(Box<Expr>, bool),
}

/// Axes of source and sent destination.
const SRC: usize = 2;
const SENT: usize = 3;

fn axis_and_cell() -> impl Strategy<Value = (usize, usize)> {
    (0..AXES.len()).prop_flat_map(|axis| (Just(axis), 0..cells(axis)))
}

/// A box: which cells of each axis. Most axes are not limited.
pub fn a_box() -> impl Strategy<Value = [u8; AXES.len()]> {
    proptest::array::uniform6(prop_oneof![3 => Just(u8::MAX), 1 => 0..=u8::MAX, 2 => (0..5u32).prop_map(|at| 1 << at)])
}

pub fn cube_of(chosen: &[u8; AXES.len()]) -> Cube {
    (0..AXES.len())
        .filter(|axis| chosen[*axis] != u8::MAX)
        .fold(Cube::all(), |cube, axis| cube.with_ranges(AXES[axis].0, &ranges(axis, chosen[axis])))
}

pub fn in_box(chosen: &[u8; AXES.len()], place: &Place) -> bool {
    (0..AXES.len()).all(|axis| chosen[axis] >> place[axis] & 1 == 1)
}

pub fn expressions() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (0..AXES.len(), any::<u8>()).prop_map(|(axis, chosen)| Expr::Range { axis, chosen }),
        proptest::collection::vec(a_box(), 0..12).prop_map(Expr::Boxes),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            two().prop_map(|(a, b)| Expr::Union(a, b)),
            two().prop_map(|(a, b)| Expr::Intersect(a, b)),
            two().prop_map(|(a, b)| Expr::Minus(a, b)),
            two().prop_map(|(a, b)| Expr::Differ(a, b)),
            one().prop_map(Expr::Complement),
            (one(), 0..64u8).prop_map(|(of, axes)| Expr::Exists(of, axes)),
            (one(), 0..64u8).prop_map(|(of, axes)| Expr::Forall(of, axes)),
            (one(), axis_and_cell(), any::<bool>()).prop_map(|(of, (axis, at), high)| Expr::Restrict {
                of,
                axis,
                at,
                high
            }),
            (one(), any::<bool>()).prop_map(|(of, back)| Expr::Substitute(of, back)),
        ]
    })
}

/// By the diagram.
pub fn diagram(space: &mut Space, expr: &Expr) -> Result<Set, GaveUp> {
    let fields = |axes: &u8| -> Vec<_> {
        AXES.iter().enumerate().filter(|(axis, _)| axes >> axis & 1 == 1).map(|(_, (field, _))| *field).collect()
    };
    match expr {
        Expr::Range { axis, chosen } => space.ranges(AXES[*axis].0, &ranges(*axis, *chosen)),
        Expr::Boxes(boxes) => space.cubes(&boxes.iter().map(cube_of).collect::<Vec<_>>()),
        Expr::Union(a, b) => {
            let (a, b) = (diagram(space, a)?, diagram(space, b)?);
            space.union(a, b)
        }
        Expr::Intersect(a, b) => {
            let (a, b) = (diagram(space, a)?, diagram(space, b)?);
            space.intersect(a, b)
        }
        Expr::Minus(a, b) => {
            let (a, b) = (diagram(space, a)?, diagram(space, b)?);
            space.minus(a, b)
        }
        Expr::Differ(a, b) => {
            let (a, b) = (diagram(space, a)?, diagram(space, b)?);
            space.symmetric_difference(a, b)
        }
        Expr::Complement(of) => {
            let of = diagram(space, of)?;
            space.complement(of)
        }
        Expr::Exists(of, axes) => {
            let of = diagram(space, of)?;
            space.exists(of, &fields(axes))
        }
        Expr::Forall(of, axes) => {
            let of = diagram(space, of)?;
            space.forall(of, &fields(axes))
        }
        Expr::Restrict { of, axis, at, high } => {
            let of = diagram(space, of)?;
            let (first, last) = cell(*axis, *at);
            space.restrict(of, AXES[*axis].0, if *high { last } else { first })
        }
        Expr::Substitute(of, back) => {
            let of = diagram(space, of)?;
            let (field, by) = if *back { (SENT, SRC) } else { (SRC, SENT) };
            space.substitute(of, AXES[field].0, AXES[by].0)
        }
    }
}

/// By brute force.
pub fn table(expr: &Expr) -> Table {
    match expr {
        Expr::Range { axis, chosen } => Table::of(|place| chosen >> place[*axis] & 1 == 1),
        Expr::Boxes(boxes) => Table::of(|place| boxes.iter().any(|chosen| in_box(chosen, place))),
        Expr::Union(a, b) => table(a).zip(&table(b), |a, b| a || b),
        Expr::Intersect(a, b) => table(a).zip(&table(b), |a, b| a && b),
        Expr::Minus(a, b) => table(a).zip(&table(b), |a, b| a && !b),
        Expr::Differ(a, b) => table(a).zip(&table(b), |a, b| a != b),
        Expr::Complement(of) => {
            let of = table(of);
            of.zip(&of, |a, _| !a)
        }
        Expr::Exists(of, axes) => table(of).quantify(*axes, false, |a, b| a || b),
        Expr::Forall(of, axes) => table(of).quantify(*axes, true, |a, b| a && b),
        Expr::Restrict { of, axis, at, high: _ } => table(of).moved(|place| place[*axis] = *at),
        Expr::Substitute(of, back) => {
            let (field, by) = if *back { (SENT, SRC) } else { (SRC, SENT) };
            table(of).moved(|place| place[field] = place[by])
        }
    }
}
