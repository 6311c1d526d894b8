//! Classes of senders and receivers from three sets over interfaces and addresses.

use std::collections::BTreeMap;

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Point, Set, Space};

use super::{AddressClass, CELLS_MAX, NETWORKS_NAMED_MAX, Reach, ServiceCell};
use crate::analysis::proof::terms::{address, family_number};
use crate::analysis::sets::{Naming, address_words, cut, interface_words};

/// Pairs for which some packet is surely accepted, within a limit, surely dropped, not decided.
pub(super) type Verdicts = [Set; 4];

/// A class on one side of a hook.
struct Side {
    /// Its interfaces; 0 where the hook has none there.
    interfaces: Vec<(u128, u128)>,
    /// A number that stands for all of them.
    one: u128,
    /// What is said of them: with those at which no packet can be, where that is shorter.
    words: Vec<(u128, u128)>,
}

/// What comes out.
pub(super) struct Classes {
    pub senders: Vec<AddressClass>,
    pub receivers: Vec<AddressClass>,
    pub cells: Vec<ServiceCell>,
    pub cells_left_out: usize,
    pub silent_senders: usize,
    pub silent_receivers: usize,
}

/// A class before it has words.
struct Class {
    /// One until alike ones are joined.
    sides: Vec<usize>,
    ranges: Vec<(u128, u128)>,
}

/// The classes of verdicts over [`Field::In`], [`Field::Out`], [`Field::Src`] and [`Field::Dst`], of one family.
pub(super) fn classes(
    space: &mut Space,
    verdicts: Verdicts,
    family: Family,
    naming: Naming<'_>,
) -> Result<Classes, GaveUp> {
    let inputs = sides(space, &verdicts, Field::In)?;
    let outputs = sides(space, &verdicts, Field::Out)?;
    // What the verdicts come to between two sides, as sets over both addresses.
    let mut between: Vec<Vec<Verdicts>> = Vec::with_capacity(inputs.len());
    for input in &inputs {
        let mut row = Vec::with_capacity(outputs.len());
        for output in &outputs {
            let mut part = verdicts;
            for set in &mut part {
                *set = space.restrict(*set, Field::In, input.one)?;
                *set = space.restrict(*set, Field::Out, output.one)?;
            }
            row.push(part);
        }
        between.push(row);
    }
    let max = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
    let mut of = |sets: &[Set], field, side| -> Result<Vec<Class>, GaveUp> {
        let mut list = Vec::new();
        for ranges in space.classes(sets, field)? {
            let ranges = cut(&ranges, (0, max));
            if !ranges.is_empty() {
                list.push(Class { sides: vec![side], ranges });
            }
        }
        Ok(list)
    };
    let mut rows = Vec::new();
    for (side, row) in between.iter().enumerate() {
        let sets: Vec<Set> = row.iter().flatten().copied().collect();
        rows.extend(of(&sets, Field::Src, side)?);
    }
    let mut columns = Vec::new();
    for side in 0..outputs.len() {
        let sets: Vec<Set> = between.iter().flat_map(|row| row[side]).collect();
        columns.extend(of(&sets, Field::Dst, side)?);
    }
    let (found, cells_left_out, rows_left_out) = cells(space, &between, &rows, &columns)?;
    let (found, rows) = joined(found, rows, End::Sender);
    let (found, columns) = joined(found, columns, End::Receiver);
    let (rows_used, columns_used) = (used(&found, rows.len(), true), used(&found, columns.len(), false));
    let words = |list: &[Class], sides: &[Side], places: &[Option<usize>]| {
        list.iter()
            .zip(places)
            .filter(|(_, place)| place.is_some())
            .map(|(class, _)| in_words(class, sides, family, naming))
            .collect::<Vec<AddressClass>>()
    };
    let cells = found.iter().filter_map(|cell| {
        Some(ServiceCell { from: rows_used[cell.from]?, to: columns_used[cell.to]?, reach: cell.reach })
    });
    let silent = |places: &[Option<usize>]| places.iter().filter(|place| place.is_none()).count();
    Ok(Classes {
        senders: words(&rows, &inputs, &rows_used),
        receivers: words(&columns, &outputs, &columns_used),
        cells: cells.collect(),
        cells_left_out,
        silent_senders: silent(&rows_used).saturating_sub(rows_left_out),
        silent_receivers: silent(&columns_used),
    })
}

/// One end of a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Sender,
    Receiver,
}

impl End {
    /// The class at this end, and the one at the other.
    fn of(self, cell: &ServiceCell) -> (usize, usize) {
        match self {
            Self::Sender => (cell.from, cell.to),
            Self::Receiver => (cell.to, cell.from),
        }
    }

    fn moved(self, cell: ServiceCell, to: usize) -> ServiceCell {
        match self {
            Self::Sender => ServiceCell { from: to, ..cell },
            Self::Receiver => ServiceCell { to, ..cell },
        }
    }
}

/// What makes two classes one: their ranges, and whom they reach how.
type Alike = (Vec<(u128, u128)>, Vec<(usize, Reach)>);

/// Classes of the same addresses behind different interfaces are one where all their cells say the same.
fn joined(cells: Vec<ServiceCell>, classes: Vec<Class>, end: End) -> (Vec<ServiceCell>, Vec<Class>) {
    let mut said: Vec<Vec<(usize, Reach)>> = vec![Vec::new(); classes.len()];
    for cell in &cells {
        let (own, other) = end.of(cell);
        said[own].push((other, cell.reach));
    }
    let mut known: BTreeMap<Alike, usize> = BTreeMap::new();
    let mut kept: Vec<Class> = Vec::new();
    let mut places = Vec::with_capacity(classes.len());
    let mut first = Vec::with_capacity(classes.len());
    for (class, mut said) in classes.into_iter().zip(said) {
        said.sort_unstable();
        let next = kept.len();
        let place = *known.entry((class.ranges.clone(), said)).or_insert(next);
        first.push(place == next);
        if place == next {
            kept.push(class);
        } else {
            kept[place].sides.extend(class.sides);
        }
        places.push(place);
    }
    let kept_cells = cells.into_iter().filter(|cell| first[end.of(cell).0]);
    let mut cells: Vec<ServiceCell> = kept_cells.map(|cell| end.moved(cell, places[end.of(&cell).0])).collect();
    cells.sort_unstable_by_key(|cell| (cell.from, cell.to));
    (cells, kept)
}

/// New places of classes that some cell names, in order.
fn used(cells: &[ServiceCell], count: usize, from: bool) -> Vec<Option<usize>> {
    let mut seen = vec![false; count];
    for cell in cells {
        seen[if from { cell.from } else { cell.to }] = true;
    }
    let mut next = 0;
    seen.into_iter()
        .map(|seen| {
            seen.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

/// Interfaces that are treated alike, those left out at which no packet can be.
fn sides(space: &mut Space, verdicts: &Verdicts, field: Field) -> Result<Vec<Side>, GaveUp> {
    let mut sides = Vec::new();
    let mut impossible: Vec<(u128, u128)> = Vec::new();
    for ranges in space.classes(verdicts, field)? {
        let one = ranges[0].0;
        let mut any = false;
        for set in verdicts {
            any |= !space.restrict(*set, field, one)?.is_empty();
        }
        if any {
            sides.push(Side { interfaces: ranges, one, words: Vec::new() });
        } else {
            impossible.extend(ranges);
        }
    }
    for side in &mut sides {
        // `not lo` says nothing where no packet can be at `lo`.
        let last = side.interfaces.last().is_some_and(|(_, last)| *last == field.max());
        let mut words = side.interfaces.clone();
        if last {
            words.extend(&impossible);
        }
        let all = Cube::all().with_ranges(field, &words);
        side.words = all.get(field).map(<[_]>::to_vec).unwrap_or_default();
    }
    Ok(sides)
}

/// Every pair that is not surely dropped, by row and column; how many were not kept, and of how many rows.
fn cells(
    space: &mut Space,
    between: &[Vec<Verdicts>],
    rows: &[Class],
    columns: &[Class],
) -> Result<(Vec<ServiceCell>, usize, usize), GaveUp> {
    let mut known: BTreeMap<(usize, Verdicts), Vec<Reach>> = BTreeMap::new();
    let mut by_output: Vec<Vec<usize>> = vec![Vec::new(); between.first().map_or(0, Vec::len)];
    for (at, column) in columns.iter().enumerate() {
        by_output[column.sides[0]].push(at);
    }
    let mut cells = Vec::new();
    let (mut left_out, mut rows_left_out) = (0, 0);
    for (from, row) in rows.iter().enumerate() {
        let src = row.ranges[0].0;
        let mut line: Vec<ServiceCell> = Vec::new();
        for (output, verdicts) in between[row.sides[0]].iter().enumerate() {
            let mut part = *verdicts;
            for set in &mut part {
                *set = space.restrict(*set, Field::Src, src)?;
            }
            if part[..2].iter().chain(&part[3..]).all(|set| set.is_empty()) {
                continue;
            }
            let reaches = known.entry((output, part)).or_insert_with(|| {
                let at = |column: &usize| {
                    let point = Point::default().with(Field::Dst, columns[*column].ranges[0].0);
                    reach(part.map(|set| space.contains(set, &point)))
                };
                by_output[output].iter().map(at).collect()
            });
            let pairs = by_output[output].iter().zip(reaches.iter());
            line.extend(pairs.filter(|(_, reach)| **reach != Reach::Drop).map(|(to, reach)| ServiceCell {
                from,
                to: *to,
                reach: *reach,
            }));
        }
        line.sort_by_key(|cell| cell.to);
        if cells.len() + line.len() > CELLS_MAX {
            left_out += line.len();
            rows_left_out += 1;
        } else {
            cells.extend(line);
        }
    }
    Ok((cells, left_out, rows_left_out))
}

/// What becomes of a pair whose packets are (some) accepted, limited, dropped, not decided.
fn reach(some: [bool; 4]) -> Reach {
    match some {
        [_, _, _, true] => Reach::May,
        [false, false, _, false] => Reach::Drop,
        [true, false, false, false] => Reach::Accept,
        [_, true, false, false] => Reach::Limited,
        [_, _, true, false] => Reach::Partly,
    }
}

fn in_words(class: &Class, sides: &[Side], family: Family, naming: Naming<'_>) -> AddressClass {
    let at = |value| address(family_number(family), value);
    let ranges = class.ranges.iter().filter_map(|(first, last)| AddrRange::new(at(*first), at(*last)));
    let mut networks = Vec::new();
    let mut more = 0;
    for range in ranges {
        let prefixes = range.to_prefixes();
        // A range of many prefixes is one line to a reader.
        let parts = if prefixes.len() <= 2 { prefixes } else { vec![range] };
        for part in parts {
            if networks.len() < NETWORKS_NAMED_MAX {
                networks.push(part.to_string());
            } else {
                more += 1;
            }
        }
    }
    let count =
        class.ranges.iter().fold(0_u128, |sum, (first, last)| sum.saturating_add(last - first).saturating_add(1));
    let field = Field::In; // either has the same domain
    let together = |of: &dyn Fn(&Side) -> Vec<(u128, u128)>| {
        let all = class.sides.iter().fold(Cube::all(), |cube, side| cube.with_ranges(field, &of(&sides[*side])));
        all.get(field).map(<[_]>::to_vec).unwrap_or_default()
    };
    let interfaces = together(&|side| side.words.clone());
    AddressClass {
        name: address_words(family, &class.ranges).unwrap_or_else(|| "any".to_owned()),
        interfaces: if interfaces == [(0, 0)] { None } else { interface_words(&interfaces, naming) },
        networks,
        more_networks: more,
        addresses: u64::try_from(count).unwrap_or(u64::MAX),
        interface_ranges: together(&|side| side.interfaces.clone()),
        ranges: class.ranges.clone(),
    }
}
