//! Packets on their way, apart by what rules did to their mark.

use std::collections::BTreeMap;

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::super::model::Key;
use super::keys::Truth;

/// What the mark of a packet is, compared with the one it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Bits of `mask` are those of `value`, the others as they came.
    Is { value: u128, mask: u128 },
    /// Something outside the model may have changed it.
    Unknown,
}

impl Mark {
    /// As it came.
    pub const SAME: Self = Self::Is { value: 0, mask: 0 };

    /// After some bits were replaced.
    pub fn replaced(self, value: u128, mask: u128) -> Self {
        match self {
            Self::Is { value: old, mask: known } => {
                Self::Is { value: (old & !mask) | (value & mask), mask: known | mask }
            }
            Self::Unknown if mask == Field::Mark.max() => Self::Is { value, mask },
            Self::Unknown => Self::Unknown,
        }
    }

    /// A condition about the present mark as one about the mark that a packet came with.
    pub fn before(self, space: &mut Space, keys: &[Key], truth: Truth) -> Result<Truth, GaveUp> {
        let asked = keys.iter().fold(0, |asked, key| match key {
            Key::Field(Field::Mark) => Field::Mark.max(),
            Key::Masked(Field::Mark, mask) => asked | mask,
            _ => asked,
        });
        match self {
            _ if asked == 0 => Ok(truth),
            Self::Is { mask, .. } if asked & mask == 0 => Ok(truth),
            Self::Is { value, mask } if asked & !mask == 0 => Ok(Truth {
                may: space.restrict(truth.may, Field::Mark, value)?,
                must: space.restrict(truth.must, Field::Mark, value)?,
            }),
            Self::Is { .. } | Self::Unknown => Ok(Truth::UNDECIDED),
        }
    }
}

/// Sets of packets by their marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows(BTreeMap<Mark, Set>);

impl Flows {
    pub fn of(set: Set) -> Self {
        let mut flows = Self::default();
        if !set.is_empty() {
            flows.0.insert(Mark::SAME, set);
        }
        flows
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Mark, Set)> {
        self.0.iter().map(|(mark, set)| (*mark, *set))
    }

    /// Puts packets in.
    pub fn add(&mut self, space: &mut Space, mark: Mark, set: Set) -> Result<(), GaveUp> {
        if set.is_empty() {
            return Ok(());
        }
        let known = self.0.entry(mark).or_insert(Set::EMPTY);
        *known = space.union(*known, set)?;
        Ok(())
    }

    pub fn add_all(&mut self, space: &mut Space, more: &Self) -> Result<(), GaveUp> {
        more.iter().try_for_each(|(mark, set)| self.add(space, mark, set))
    }

    /// Those whose marks leave a condition about these keys open.
    pub fn open(&self, space: &mut Space, keys: &[Key], truth: Truth) -> Result<Set, GaveUp> {
        let mut open = Set::EMPTY;
        for (mark, set) in self.iter() {
            let truth = mark.before(space, keys, truth)?;
            let here = space.minus(truth.may, truth.must)?;
            let here = space.intersect(here, set)?;
            open = space.union(open, here)?;
        }
        Ok(open)
    }

    /// All of them, whatever their marks.
    pub fn total(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let sets: Vec<Set> = self.0.values().copied().collect();
        space.union_all(&sets)
    }

    /// Those for which a condition may hold, and those for which it need not.
    pub fn split(&self, space: &mut Space, keys: &[Key], truth: Truth) -> Result<(Self, Self), GaveUp> {
        let (mut held, mut missed) = (Self::default(), Self::default());
        for (mark, set) in self.iter() {
            let truth = mark.before(space, keys, truth)?;
            let hit = space.intersect(set, truth.may)?;
            held.add(space, mark, hit)?;
            let rest = space.minus(set, truth.must)?;
            missed.add(space, mark, rest)?;
        }
        Ok((held, missed))
    }

    /// With every mark changed.
    pub fn marked(&self, space: &mut Space, change: impl Fn(Mark) -> Mark) -> Result<Self, GaveUp> {
        let mut flows = Self::default();
        for (mark, set) in self.iter() {
            flows.add(space, change(mark), set)?;
        }
        Ok(flows)
    }
}
