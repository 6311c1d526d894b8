//! Elements of sets and matches as cubes.

use std::collections::BTreeMap;

use segwall_packetset::{Cube, Field, GaveUp, Set, Space, proto};

use super::super::model::{Content, Element, Key, Table, TableFamily, Values};

/// Ranges that a mask with gaps is written out as, at most.
const RANGES_MAX: usize = 4096;

/// Packets that may, and that surely, fulfil a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    pub may: Set,
    pub must: Set,
}

impl Truth {
    pub const ALWAYS: Self = Self { may: Set::ALL, must: Set::ALL };
    pub const NEVER: Self = Self { may: Set::EMPTY, must: Set::EMPTY };
    pub const UNDECIDED: Self = Self { may: Set::ALL, must: Set::EMPTY };

    pub fn exactly(set: Set) -> Self {
        Self { may: set, must: set }
    }

    pub fn not(self, space: &mut Space) -> Result<Self, GaveUp> {
        Ok(Self { may: space.complement(self.must)?, must: space.complement(self.may)? })
    }
}

/// Which widths addresses have, where a mask alone does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    Bits32,
    Bits128,
    Unsaid,
}

impl Width {
    pub fn of(family: TableFamily) -> Self {
        match family {
            TableFamily::Ip | TableFamily::Arp => Self::Bits32,
            TableFamily::Ip6 => Self::Bits128,
            TableFamily::Inet | TableFamily::Bridge | TableFamily::Netdev => Self::Unsaid,
        }
    }
}

/// The highest value of a key.
pub fn max(key: Key) -> u128 {
    match key {
        Key::Field(field) => field.max(),
        Key::Masked(field, mask) => field.max() & mask,
        Key::TransportSource | Key::TransportDestination | Key::SentPort => Field::Dport.max(),
        Key::SentDestination => u128::from(u32::MAX),
    }
}

/// Named sets that were worked out before: table, set, keys.
pub type Known = BTreeMap<(usize, usize, String, Vec<Key>, Width), Option<Truth>>;

/// The packets whose keys are among the values; `None`: nobody knows what the set holds.
pub fn among(
    space: &mut Space,
    known: &mut Known,
    at: (usize, usize),
    table: &Table,
    keys: &[Key],
    values: &Values,
    width: Width,
) -> Result<Option<Truth>, GaveUp> {
    let name = match values {
        Values::Here(elements) => return elements_of(space, keys, elements.iter(), width).map(Some),
        Values::Set(name) => name,
    };
    let key = (at.0, at.1, name.clone(), keys.to_vec(), width);
    if let Some(truth) = known.get(&key) {
        return Ok(*truth);
    }
    let content = table.sets.iter().find(|set| set.name == *name).map(|set| &set.content);
    let truth = match content {
        Some(Content::Elements(elements)) => Some(elements_of(space, keys, elements.iter(), width)?),
        Some(Content::Verdicts(list)) => {
            Some(elements_of(space, keys, list.iter().map(|(element, _)| element), width)?)
        }
        Some(Content::Unknown(_)) | None => None,
    };
    known.insert(key, truth);
    Ok(truth)
}

/// The packets whose keys are one of the elements.
pub fn elements_of<'e>(
    space: &mut Space,
    keys: &[Key],
    elements: impl Iterator<Item = &'e Element>,
    width: Width,
) -> Result<Truth, GaveUp> {
    let mut cubes = Vec::new();
    let mut doubtful = Vec::new();
    for element in elements {
        match cube(keys, element, width) {
            Some(cube) => cubes.push(cube),
            None => doubtful.push(element),
        }
    }
    let mut set = space.cubes(&cubes)?;
    if keys.iter().any(|key| matches!(key, Key::SentDestination | Key::SentPort)) {
        return sent(space, keys, cubes, doubtful.is_empty());
    }
    let raw = keys.iter().any(|key| matches!(key, Key::TransportSource | Key::TransportDestination));
    if raw {
        // Where the protocol has no ports these bytes are something else: anything.
        let with_ports: Vec<(u128, u128)> =
            (0..=u8::MAX).filter(|number| proto::has_ports(*number)).map(|n| (u128::from(n), u128::from(n))).collect();
        let with_ports = space.ranges(Field::Proto, &with_ports)?;
        let named: Vec<Cube> = cubes.into_iter().map(|cube| cube.without(Field::Sport).without(Field::Dport)).collect();
        let named = space.cubes(&named)?;
        let other = space.minus(named, with_ports)?;
        set = space.intersect(set, with_ports)?;
        let may = space.union(set, other)?;
        return Ok(if doubtful.is_empty() { Truth { may, must: set } } else { Truth { may: Set::ALL, must: set } });
    }
    Ok(if doubtful.is_empty() { Truth::exactly(set) } else { Truth { may: Set::ALL, must: set } })
}

/// What the first packet of a connection was sent to: as delivered where nothing was translated. Without a connection
/// there is no such thing, and the rule does not match.
fn sent(space: &mut Space, keys: &[Key], cubes: Vec<Cube>, exact: bool) -> Result<Truth, GaveUp> {
    let mut plain = Vec::new();
    for cube in &cubes {
        let mut as_delivered = cube.clone().with_only(Field::Translated, 0);
        for (key, sent, field) in
            [(Key::SentDestination, Field::SentDst, Field::Dst), (Key::SentPort, Field::SentDport, Field::Dport)]
        {
            if keys.contains(&key) {
                as_delivered = move_ranges(as_delivered, sent, field);
            }
        }
        plain.push(as_delivered);
    }
    let translated: Vec<Cube> = cubes.into_iter().map(|cube| cube.with_only(Field::Translated, 1)).collect();
    let mut set = space.cubes(&translated)?;
    let plain = space.cubes(&plain)?;
    set = space.union(set, plain)?;
    // New, established, related: invalid and untracked packets have no connection.
    let connected = space.range(Field::State, 0, 2)?;
    set = space.intersect(set, connected)?;
    Ok(if exact { Truth::exactly(set) } else { Truth { may: Set::ALL, must: set } })
}

/// Asks another field for what was asked of one.
fn move_ranges(cube: Cube, from: Field, to: Field) -> Cube {
    let Some(ranges) = cube.get(from).map(<[(u128, u128)]>::to_vec) else { return cube };
    let cube = cube.without(from);
    match cube.get(to).map(<[(u128, u128)]>::to_vec) {
        Some(before) => cube.without(to).with_ranges(to, &common(&before, &ranges)),
        None => cube.with_ranges(to, &ranges),
    }
}

/// An element as a cube; `None` where that would take too many ranges.
fn cube(keys: &[Key], element: &Element, width: Width) -> Option<Cube> {
    let mut cube = Cube::all();
    for (key, (first, last)) in keys.iter().zip(element) {
        let (field, ranges) = match key {
            Key::Field(field) => (*field, vec![(*first, *last)]),
            Key::TransportSource => (Field::Sport, vec![(*first, *last)]),
            Key::TransportDestination => (Field::Dport, vec![(*first, *last)]),
            Key::SentDestination => (Field::SentDst, vec![(*first, *last)]),
            Key::SentPort => (Field::SentDport, vec![(*first, *last)]),
            Key::Masked(field, mask) => (*field, masked(*field, *mask, (*first, *last), width)?),
        };
        cube = match cube.get(field).map(<[(u128, u128)]>::to_vec) {
            // The same field twice: both must hold.
            Some(before) => cube.without(field).with_ranges(field, &common(&before, &ranges)),
            None => cube.with_ranges(field, &ranges),
        };
    }
    Some(cube)
}

fn common(a: &[(u128, u128)], b: &[(u128, u128)]) -> Vec<(u128, u128)> {
    a.iter()
        .flat_map(|(first, last)| b.iter().map(move |(from, to)| (*first.max(from), *last.min(to))))
        .filter(|(first, last)| first <= last)
        .collect()
}

/// The values of a field that, masked, lie in a range.
fn masked(field: Field, mask: u128, wanted: (u128, u128), width: Width) -> Option<Vec<(u128, u128)>> {
    let max = match (field, width) {
        (Field::Src | Field::Dst | Field::SentDst, Width::Bits32) => u128::from(u32::MAX),
        (Field::Src | Field::Dst | Field::SentDst, Width::Unsaid) if mask <= u128::from(u32::MAX) => return None,
        _ => field.max(),
    };
    let mask = mask & max;
    let free = !mask & max;
    let (first, last) = wanted;
    // A prefix: the free bits are the lowest ones.
    if (free & free.wrapping_add(1)) == 0 {
        // The lowest and the highest masked value in the range.
        let low = if first & free == 0 { Some(first) } else { (first | free).checked_add(1) };
        let (Some(low), high) = (low, last & mask) else { return Some(Vec::new()) };
        if low > high || low > max {
            return Some(Vec::new());
        }
        return Some(vec![(low, high | free)]);
    }
    if max <= 0xff {
        return Some((0..=max).filter(|value| (first..=last).contains(&(value & mask))).map(|v| (v, v)).collect());
    }
    if first != last {
        return None;
    }
    if first & !mask != 0 {
        return Some(Vec::new());
    }
    let low = free.trailing_ones();
    let runs = free >> low << low;
    if runs.count_ones() > RANGES_MAX.ilog2() {
        return None;
    }
    // Every choice of the free bits above the lowest run of them.
    let mut ranges = Vec::new();
    let mut choice: u128 = 0;
    loop {
        let start = first | choice;
        ranges.push((start, start | ((1u128 << low) - 1)));
        choice = choice.wrapping_sub(runs) & runs;
        if choice == 0 {
            return Some(ranges);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Masked values against brute force on small fields.
    #[test]
    fn masks_are_what_the_bits_say() {
        for mask in [0u128, 0xff, 0xf0, 0x0f, 0x12, 0x16, 0x80, 0xfe] {
            for first in 0..=0xff {
                for last in [first, first + 3, first | 0xf] {
                    let ranges = masked(Field::Flags, mask, (first, last), Width::Unsaid).unwrap();
                    for value in 0..=0xff_u128 {
                        let said = ranges.iter().any(|(a, b)| (*a..=*b).contains(&value));
                        assert_eq!(
                            said,
                            (first..=last).contains(&(value & mask)),
                            "{value:x} & {mask:x} in {first:x}..{last:x}"
                        );
                    }
                }
            }
        }
        for mask in [0xff00_0000u128, 0xffff_ff00, 0x0000_ffff, 0xf0f0, 0xffff_ffff] {
            for value in [0u128, 0x0a00_0000, 0x1234, 0x5050] {
                let Some(ranges) = masked(Field::Mark, mask, (value, value), Width::Unsaid) else { continue };
                for probe in [0u128, 0x0a01_0203, 0x1234, 0xffff_1234, 0x5a5a, 0x0a00_0000, 0x5050] {
                    let said = ranges.iter().any(|(a, b)| (*a..=*b).contains(&probe));
                    assert_eq!(said, probe & mask == value, "{probe:x} & {mask:x} == {value:x}");
                }
            }
        }
    }
}
