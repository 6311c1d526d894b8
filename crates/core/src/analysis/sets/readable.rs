//! A set as few boxes: what nobody asked about is projected away, what follows from the question is not said again,
//! boxes that differ in one field become one.

use std::collections::BTreeMap;

use segwall_packetset::{Cube, Field, GaveUp, Set, Space};

/// What few people ask about: projected away unless the caller says otherwise. Times are not among them.
pub const UNASKED: [Field; 10] = [
    Field::Sport,
    Field::Flags,
    Field::SrcType,
    Field::DstType,
    Field::SrcTypeHere,
    Field::DstTypeHere,
    Field::Hops,
    Field::PktType,
    Field::Mac,
    Field::Mark,
];

/// Boxes that are looked at before they are merged; a set with more is shown in part.
const LOOKED_AT_MAX: usize = 2_000;

/// A set for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    /// Boxes that together are the set, or the part that is shown. They may overlap in what is projected away.
    pub boxes: Vec<Cube>,
    /// Boxes that are not shown.
    pub left_out: usize,
    /// There are even more boxes than were counted.
    pub uncounted: bool,
    /// Of some box only a part is in the set: it depends on a field that was projected away.
    pub partly: bool,
}

impl Readable {
    /// `and 12 more`, where something is not shown.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        match (self.left_out, self.uncounted) {
            (0, false) => None,
            (count, false) => Some(format!("and {count} more")),
            (count, true) => Some(format!("and more than {count} more")),
        }
    }
}

/// A set as at most `max` boxes, the widest first. `within`: what the reader takes for granted, such as
/// [`super::first_packets`]; the boxes are right inside it only, and the set's part outside is not shown. `hidden` is
/// projected away: a box then says that some packet of it is in the set, and [`Readable::partly`] whether not every one is.
///
/// # Errors
/// When the space gives up.
pub fn readable(space: &mut Space, set: Set, within: Set, hidden: &[Field], max: usize) -> Result<Readable, GaveUp> {
    let set = space.intersect(set, within)?;
    let projected = space.exists(set, hidden)?;
    let back = space.intersect(projected, within)?;
    let partly = back != set;
    let care = space.exists(within, hidden)?;
    let simple = space.simplify(projected, care)?;
    let mut boxes: Vec<Cube> = Vec::new();
    let mut uncounted = false;
    for cube in space.boxes(simple) {
        if boxes.len() == LOOKED_AT_MAX {
            uncounted = true;
            break;
        }
        boxes.extend(by_family(cube));
    }
    let mut boxes = merged(boxes);
    boxes.sort_by_cached_key(|cube| (cube.fields().count(), cube.clone()));
    let left_out = boxes.len().saturating_sub(max);
    boxes.truncate(max);
    Ok(Readable { boxes, left_out, uncounted, partly })
}

/// Numbers of addresses mean something in one family only.
fn by_family(cube: Cube) -> Vec<Cube> {
    let is_open = cube.get(Field::Family).is_none();
    let addressed = [Field::Src, Field::Dst, Field::SentDst].iter().any(|field| cube.get(*field).is_some());
    if !is_open || !addressed {
        return vec![cube];
    }
    let v4 = u128::from(u32::MAX);
    let mut parts = Vec::new();
    for (family, max) in [(0, v4), (1, u128::MAX)] {
        let mut part = cube.clone().with_only(Field::Family, family);
        for field in [Field::Src, Field::Dst, Field::SentDst] {
            if let Some(ranges) = cube.get(field) {
                let inside = super::ranges::cut(ranges, (0, max));
                part = part.without(field);
                if inside != [(0, max)] {
                    part = part.with_ranges(field, &inside);
                }
            }
        }
        if part.fields().all(|(_, ranges)| !ranges.is_empty()) {
            parts.push(part);
        }
    }
    parts
}

/// Boxes that are equal but for one field become one, until nothing changes.
fn merged(mut boxes: Vec<Cube>) -> Vec<Cube> {
    loop {
        let before = boxes.len();
        for field in Field::ALL {
            if boxes.iter().any(|cube| cube.get(field).is_some()) {
                boxes = merged_by(boxes, field);
            }
        }
        if boxes.len() == before {
            return boxes;
        }
    }
}

fn merged_by(boxes: Vec<Cube>, field: Field) -> Vec<Cube> {
    // The ranges of the field; `None`: every value.
    let mut groups: BTreeMap<Cube, Option<Vec<(u128, u128)>>> = BTreeMap::new();
    for cube in boxes {
        let ranges = cube.get(field).map(<[_]>::to_vec);
        let rest = cube.without(field);
        match groups.get_mut(&rest) {
            None => drop(groups.insert(rest, ranges)),
            Some(known) => match (known.as_mut(), ranges) {
                (Some(known), Some(more)) => known.extend(more),
                (_, None) => *known = None,
                (None, Some(_)) => {}
            },
        }
    }
    groups
        .into_iter()
        .map(|(rest, ranges)| match ranges {
            None => rest,
            Some(ranges) => {
                let cube = rest.clone().with_ranges(field, &ranges);
                if cube.get(field) == Some(&[(0, field.max())]) { rest } else { cube }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sets::{box_words, first_packets, own_names};
    use crate::netfilter::Hook;

    fn lines(space: &mut Space, set: Set, max: usize) -> (Vec<String>, Readable) {
        let within = first_packets(space, Hook::Forward).unwrap();
        let shown = readable(space, set, within, &UNASKED, max).unwrap();
        (shown.boxes.iter().map(|cube| box_words(cube, &own_names)).collect(), shown)
    }

    #[test]
    fn only_what_is_special_is_said() {
        let mut space = Space::default();
        let base = Cube::all().with_only(Field::Family, 0).with_only(Field::Proto, 6);
        let net = |cube: Cube, third: u128| cube.with(Field::Src, 0xc0a8_0000 + third * 256, 0xc0a8_00ff + third * 256);
        let cubes = [
            net(base.clone().with_only(Field::Dport, 22), 20),
            net(base.clone().with_only(Field::Dport, 80), 20),
            net(base.clone().with_only(Field::Dport, 22), 21),
            net(base.with_only(Field::Dport, 80), 21),
        ];
        let set = space.cubes(&cubes).unwrap();
        let (words, shown) = lines(&mut space, set, 5);
        assert_eq!(words, ["tcp 192.168.20.0/23 → any port 22, 80"]);
        assert!(!shown.partly);
        let (all, _) = lines(&mut space, Set::ALL, 5);
        assert_eq!(all, ["any protocol"]);
    }

    #[test]
    fn what_is_not_shown_is_counted_and_what_is_projected_away_is_said() {
        let mut space = Space::default();
        let ports: Vec<Cube> = (0..10)
            .map(|at| {
                let cube = Cube::all().with_only(Field::Proto, 6).with_only(Field::Dport, 100 + at);
                cube.with_only(Field::Family, 0).with_only(Field::Src, at)
            })
            .collect();
        let set = space.cubes(&ports).unwrap();
        let (words, shown) = lines(&mut space, set, 3);
        assert_eq!((words.len(), shown.left_out, shown.rest().as_deref()), (3, 7, Some("and 7 more")));
        let mac = space.range(Field::Mac, 1, 1).unwrap();
        let (_, shown) = lines(&mut space, mac, 3);
        assert!(shown.partly);
    }
}
