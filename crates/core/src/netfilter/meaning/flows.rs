//! Packets on their way through rules, by how they look.

use segwall_packetset::{GaveUp, Set, Space};

use super::view::View;

/// More ways for a packet to look are told apart no longer.
const VIEWS_MAX: usize = 64;

/// Sets of packets, one for each view, none empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flows(Vec<(View, Set)>);

impl Flows {
    pub fn one(view: View, set: Set) -> Self {
        let mut flows = Self::default();
        if !set.is_empty() {
            flows.0.push((view, set));
        }
        flows
    }

    pub fn iter(&self) -> impl Iterator<Item = (View, Set)> + '_ {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn add(&mut self, space: &mut Space, view: View, set: Set) -> Result<(), GaveUp> {
        if set.is_empty() {
            return Ok(());
        }
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| *known == view) {
            *known = space.union(*known, set)?;
            return Ok(());
        }
        self.0.push((view, set));
        if self.0.len() > VIEWS_MAX {
            let before = std::mem::take(&mut self.0);
            for (view, set) in before {
                let view = view.forgotten();
                match self.0.iter_mut().find(|(known, _)| *known == view) {
                    Some((_, known)) => *known = space.union(*known, set)?,
                    None => self.0.push((view, set)),
                }
            }
        }
        Ok(())
    }

    pub fn add_all(&mut self, space: &mut Space, more: &Self) -> Result<(), GaveUp> {
        more.iter().try_for_each(|(view, set)| self.add(space, view, set))
    }

    /// Their part inside a set.
    pub fn within(&self, space: &mut Space, set: Set) -> Result<Self, GaveUp> {
        let mut inside = Self::default();
        for (view, part) in self.iter() {
            let part = space.intersect(part, set)?;
            inside.add(space, view, part)?;
        }
        Ok(inside)
    }

    /// Every packet, however it looks.
    pub fn all(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let sets: Vec<Set> = self.0.iter().map(|(_, set)| *set).collect();
        space.union_all(&sets)
    }
}
