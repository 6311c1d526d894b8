//! One packet, and boxes of packets.

use super::Field;

/// One packet: a value for every field, 0 where nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Point([u128; Field::COUNT]);

impl Point {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> u128 {
        self.0[field as usize]
    }

    /// Sets a field; what is above its domain becomes the domain's largest value.
    pub fn set(&mut self, field: Field, value: u128) {
        self.0[field as usize] = value.min(field.max());
    }

    /// The same packet with one field set.
    #[must_use]
    pub fn with(mut self, field: Field, value: u128) -> Self {
        self.set(field, value);
        self
    }
}

/// A box of packets: ranges for some fields, any value for the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cube {
    /// Fields in order; ranges in order, neither overlapping nor touching, within the field's domain.
    ranges: Vec<(Field, Vec<(u128, u128)>)>,
}

impl Cube {
    /// Every packet.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Lets a field have values from `first` to `last`, besides those it was given before. A range that ends before it
    /// begins has no values; a part above the field's domain is cut off.
    #[must_use]
    pub fn with(mut self, field: Field, first: u128, last: u128) -> Self {
        self.add(field, &[(first, last)]);
        self
    }

    /// Lets a field have the values of these ranges, in any order, besides those it was given before; none of them: no
    /// value, so that the box is empty.
    #[must_use]
    pub fn with_ranges(mut self, field: Field, ranges: &[(u128, u128)]) -> Self {
        self.add(field, ranges);
        self
    }

    /// Gives a field this value and no other, whatever it was given before.
    #[must_use]
    pub fn with_only(mut self, field: Field, value: u128) -> Self {
        self.ranges.retain(|(known, _)| *known != field);
        self.with(field, value, value)
    }

    /// Lets a field have any value again.
    #[must_use]
    pub fn without(mut self, field: Field) -> Self {
        self.ranges.retain(|(known, _)| *known != field);
        self
    }

    fn add(&mut self, field: Field, more: &[(u128, u128)]) {
        let at = match self.ranges.binary_search_by_key(&field, |(field, _)| *field) {
            Ok(at) => at,
            Err(at) => {
                self.ranges.insert(at, (field, Vec::with_capacity(more.len())));
                at
            }
        };
        let ranges = &mut self.ranges[at].1;
        ranges.extend_from_slice(more);
        merge(field, ranges);
    }

    /// The ranges of a field, lowest first; `None` where it may have any value.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&[(u128, u128)]> {
        let at = self.ranges.binary_search_by_key(&field, |(field, _)| *field).ok()?;
        Some(&self.ranges[at].1)
    }

    /// The fields that are limited, in order, with their ranges.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = (Field, &[(u128, u128)])> {
        self.ranges.iter().map(|(field, ranges)| (*field, ranges.as_slice()))
    }

    /// Whether the packet lies inside.
    #[must_use]
    pub fn contains(&self, point: &Point) -> bool {
        self.fields().all(|(field, ranges)| {
            let value = point.get(field);
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&value))
        })
    }

    /// Takes ranges that are in order and apart, and fields that come in order.
    pub(super) fn from_parts(ranges: Vec<(Field, Vec<(u128, u128)>)>) -> Self {
        Self { ranges }
    }
}

/// Sorts ranges, cuts them to the field's domain, drops empty ones, joins those that overlap or touch.
pub(super) fn merge(field: Field, ranges: &mut Vec<(u128, u128)>) {
    let max = field.max();
    for range in ranges.iter_mut() {
        range.1 = range.1.min(max);
    }
    ranges.retain(|(first, last)| first <= last);
    if ranges.len() < 2 {
        return;
    }
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1 || next.0 - kept.1 == 1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_joined_and_cut() {
        let cube = Cube::all().with(Field::Proto, 20, 400).with_ranges(Field::Proto, &[(6, 7), (1, 1), (8, 3), (7, 9)]);
        assert_eq!(cube.get(Field::Proto), Some([(1, 1), (6, 9), (20, 255)].as_slice()));
        assert_eq!(cube.get(Field::Dport), None);
        let whole = Cube::all().with(Field::Src, u128::MAX, u128::MAX).with(Field::Src, 0, u128::MAX - 1);
        assert_eq!(whole.get(Field::Src), Some([(0, u128::MAX)].as_slice()));
    }

    #[test]
    fn a_field_without_values_makes_the_box_empty() {
        let cube = Cube::all().with_ranges(Field::Proto, &[]);
        assert_eq!(cube.get(Field::Proto), Some([].as_slice()));
        assert!(!cube.contains(&Point::default()));
    }
}
