//! Questions that make no node: membership, witnesses, support.

use super::interface::name_within;
use super::intern::Memo;
use super::store::{ALL, EMPTY};
use super::{Field, Point, Set, Space};

/// Values that a witness must have, by field.
type Fixed = [Option<u128>; Field::COUNT];

impl Space {
    /// Whether the packet is in the set.
    #[must_use]
    pub fn contains(&self, set: Set, point: &Point) -> bool {
        let mut id = set.0;
        while let Some(field) = Field::ALL.get(self.store.level(id) as usize) {
            id = self.store.follow(&self.store.node(id), point.get(*field));
        }
        id == ALL
    }

    /// The lowest packet of the set, field by field; `None` when it is empty. For an interface it takes a value that is a
    /// name, where the interval has one.
    #[must_use]
    pub fn witness(&self, set: Set) -> Option<Point> {
        self.witness_preferring(set, &[])
    }

    /// A packet of the set that has the wished values where the set allows them, an earlier wish before a later one, and
    /// otherwise the lowest ones. The same set and wishes give the same packet.
    #[must_use]
    pub fn witness_preferring(&self, set: Set, wishes: &[(Field, u128)]) -> Option<Point> {
        if set.is_empty() {
            return None;
        }
        let mut fixed: Fixed = [None; Field::COUNT];
        for (field, value) in wishes.iter().copied().filter(|(field, value)| *value <= Field::max(*field)) {
            let place = &mut fixed[field as usize];
            if place.is_none() {
                *place = Some(value);
                if !self.reaches_all(set.0, &fixed, &mut Memo::new()) {
                    fixed[field as usize] = None;
                }
            }
        }
        let mut point = Point::default();
        for field in Field::ALL {
            point.set(field, fixed[field as usize].unwrap_or(0));
        }
        let mut dead = Memo::new();
        let mut id = set.0;
        while let Some(field) = Field::ALL.get(self.store.level(id) as usize) {
            let (value, target) = match fixed[*field as usize] {
                Some(value) => (value, self.store.follow(&self.store.node(id), value)),
                None => self.lowest(id, *field, &fixed, &mut dead),
            };
            point.set(*field, value);
            id = target;
        }
        Some(point)
    }

    /// The lowest value by which a packet with the fixed values exists, and where it leads. There is one.
    fn lowest(&self, id: u32, field: Field, fixed: &Fixed, dead: &mut Memo) -> (u128, u32) {
        let node = self.store.node(id);
        let named = matches!(field, Field::In | Field::Out);
        let mut first = 0;
        let mut unnamed = None;
        for (bound, target) in self.store.edges(node) {
            if self.reaches_all(target, fixed, dead) {
                if !named {
                    return (first, target);
                }
                if let Some(value) = name_within(first, bound) {
                    return (value, target);
                }
                unnamed = unnamed.or(Some((first, target)));
            }
            first = bound.saturating_add(1);
        }
        unnamed.expect("only nodes from which everything fixed can still be had are asked")
    }

    /// Whether a packet with the fixed values is in the set; `dead` are sets without one.
    fn reaches_all(&self, id: u32, fixed: &Fixed, dead: &mut Memo) -> bool {
        if id == ALL || id == EMPTY {
            return id == ALL;
        }
        if dead.get(id).is_some() {
            return false;
        }
        let node = self.store.node(id);
        let found = match fixed[node.level as usize] {
            Some(value) => self.reaches_all(self.store.follow(&node, value), fixed, dead),
            None => self.store.targets(&node).iter().any(|target| self.reaches_all(*target, fixed, dead)),
        };
        if !found {
            dead.put(id, 0);
        }
        found
    }

    /// The fields that tell packets inside from packets outside, in order.
    #[must_use]
    pub fn fields(&self, set: Set) -> Vec<Field> {
        let mut asked = [false; Field::COUNT];
        let mut seen = Memo::new();
        let mut open = vec![set.0];
        while let Some(id) = open.pop() {
            let node = self.store.node(id);
            if let Some(asked) = asked.get_mut(node.level as usize)
                && seen.note(id)
            {
                *asked = true;
                open.extend(self.store.targets(&node));
            }
        }
        Field::ALL.into_iter().filter(|field| asked[*field as usize]).collect()
    }

    /// How many nodes a set has, those it shares with others included.
    #[must_use]
    pub fn size(&self, set: Set) -> usize {
        let mut seen = Memo::new();
        let mut open = vec![set.0];
        let mut count = 0;
        while let Some(id) = open.pop() {
            if seen.note(id) {
                count += 1;
                open.extend(self.store.targets(&self.store.node(id)));
            }
        }
        count
    }
}
