//! Truth tables: a few fields, each cut into a few cells. What holds for one value of a cell holds for all of it.

use segwall_packetset::{Cube, Field, Point};

/// Fields of every width, and the first value of each cell but the first. Source and sent destination have equal cells,
/// so that one can stand for the other.
pub const AXES: [(Field, &[u128]); 6] = [
    (Field::State, &[1, 4]),
    (Field::In, &[0x6574_6830 << 96, 0x6574_6831 << 96]),
    (Field::Src, &[5, 1 << 32, 1 << 64, u128::MAX]),
    (Field::SentDst, &[5, 1 << 32, 1 << 64, u128::MAX]),
    (Field::Dport, &[22, 23, 65_535]),
    (Field::Time, &[1 << 40, u64::MAX as u128]),
];

pub fn cells(axis: usize) -> usize {
    AXES[axis].1.len() + 1
}

/// First and last value of a cell.
pub fn cell(axis: usize, at: usize) -> (u128, u128) {
    let (field, cuts) = AXES[axis];
    let first = if at == 0 { 0 } else { cuts[at - 1] };
    (first, cuts.get(at).map_or(field.max(), |next| next - 1))
}

/// The ranges of the cells whose bit is set, one range a cell: nothing is joined beforehand.
pub fn ranges(axis: usize, chosen: u8) -> Vec<(u128, u128)> {
    (0..cells(axis)).filter(|at| chosen >> at & 1 == 1).map(|at| cell(axis, at)).collect()
}

/// A cell number for each axis.
pub type Place = [usize; AXES.len()];

/// Every place, the last axis fastest.
pub fn places() -> impl Iterator<Item = Place> {
    let count = (0..AXES.len()).map(cells).product::<usize>();
    (0..count).map(|mut number| {
        let mut place = [0; AXES.len()];
        for axis in (0..AXES.len()).rev() {
            place[axis] = number % cells(axis);
            number /= cells(axis);
        }
        place
    })
}

fn number(place: &Place) -> usize {
    place.iter().enumerate().fold(0, |number, (axis, at)| number * cells(axis) + at)
}

/// A packet in the place: the first or the last value of each cell, as the bits of `ends` say.
pub fn point(place: &Place, ends: u8) -> Point {
    AXES.iter().enumerate().fold(Point::default(), |point, (axis, (field, _))| {
        let (first, last) = cell(axis, place[axis]);
        point.with(*field, if ends >> axis & 1 == 0 { first } else { last })
    })
}

/// The place that a packet lies in.
pub fn place_of(point: &Point) -> Place {
    std::array::from_fn(|axis| AXES[axis].1.partition_point(|cut| *cut <= point.get(AXES[axis].0)))
}

/// The box of a place.
pub fn cube(place: &Place) -> Cube {
    AXES.iter().enumerate().fold(Cube::all(), |cube, (axis, (field, _))| {
        let (first, last) = cell(axis, place[axis]);
        cube.with(*field, first, last)
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(Vec<bool>);

impl Table {
    pub fn of(inside: impl Fn(&Place) -> bool) -> Self {
        Self(places().map(|place| inside(&place)).collect())
    }

    pub fn has(&self, place: &Place) -> bool {
        self.0[number(place)]
    }

    pub fn zip(&self, other: &Self, op: impl Fn(bool, bool) -> bool) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| op(*a, *b)).collect())
    }

    /// Folds over all cells of the axes whose bit is set.
    pub fn quantify(&self, axes: u8, start: bool, op: impl Fn(bool, bool) -> bool) -> Self {
        let mut table = self.clone();
        for axis in (0..AXES.len()).filter(|axis| axes >> axis & 1 == 1) {
            table = Self::of(|place| {
                (0..cells(axis)).fold(start, |folded, at| {
                    let mut other = *place;
                    other[axis] = at;
                    op(folded, table.has(&other))
                })
            });
        }
        table
    }

    /// What the places would be with something changed in each.
    pub fn moved(&self, change: impl Fn(&mut Place)) -> Self {
        Self::of(|place| {
            let mut other = *place;
            change(&mut other);
            self.has(&other)
        })
    }

    pub fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    pub fn is_all(&self) -> bool {
        !self.0.contains(&false)
    }
}
