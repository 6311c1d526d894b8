//! The union of many boxes, field by field instead of pair by pair.
//!
//! The boxes that limit a field are cut at every end of their ranges. A binary tree over the pieces takes each range at
//! the few tree nodes that make it up; what the boxes at one tree node still demand of later fields is a smaller union of
//! the same kind, asked once however often it occurs. From the root to the leaves these are joined, so that a wide box
//! costs once what it would cost in every piece it covers.

use super::cache::Op;
use super::intern::Interner;
use super::store::{ALL, EMPTY};
use super::{Cube, Field, GaveUp, Set, Space};

/// A box from some field on: the first field it limits, to which ranges, and the rest of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Chain {
    field: Field,
    ranges: u32,
    rest: u32,
}

/// The chain without limits. It has no entry of its own: chains are counted from 1.
const UNLIMITED: u32 = 0;

/// Answers about groups are kept as long as the groups have together no more boxes than this, 4 bytes each.
const GROUPED_MAX: usize = 1 << 22;

/// Boxes taken apart, equal parts known as equal; and what is known of groups of them.
struct Sweep<'c> {
    ranges: Interner<&'c [(u128, u128)]>,
    chains: Interner<Chain>,
    /// The node of each chain, by its number minus 1, where it is known.
    single: Vec<Option<u32>>,
    groups: Interner<Box<[u32]>>,
    /// The node of each group, by its number.
    answers: Vec<u32>,
    /// Boxes in all groups.
    grouped: usize,
}

impl<'c> Sweep<'c> {
    fn new() -> Self {
        let (ranges, chains, groups) = (Interner::new(), Interner::new(), Interner::new());
        Self { ranges, chains, single: Vec::new(), groups, answers: Vec::new(), grouped: 0 }
    }

    /// The chain of a box; `None` for an empty one.
    fn chain(&mut self, cube: &'c Cube) -> Option<u32> {
        let mut rest = UNLIMITED;
        for (field, ranges) in cube.fields().rev() {
            match ranges {
                [] => return None,
                [(0, last)] if *last == field.max() => {}
                _ => {
                    let ranges = self.ranges.intern(ranges);
                    rest = self.chains.intern(Chain { field, ranges, rest }) + 1;
                }
            }
        }
        Some(rest)
    }

    fn get(&self, chain: u32) -> Chain {
        *self.chains.get(chain - 1)
    }
}

impl Space {
    /// Packets in any of the boxes.
    pub fn cubes(&mut self, cubes: &[Cube]) -> Result<Set, GaveUp> {
        let mut sweep = Sweep::new();
        let mut chains: Vec<u32> = cubes.iter().filter_map(|cube| sweep.chain(cube)).collect();
        sweep.single = vec![None; sweep.chains.len()];
        chains.sort_unstable();
        chains.dedup();
        self.question(|space| space.sweep(&mut sweep, chains)).map(Set)
    }

    /// The union of different chains, in order. Each level of recursion is at a later field.
    fn sweep(&mut self, sweep: &mut Sweep, chains: Vec<u32>) -> Result<u32, GaveUp> {
        match chains[..] {
            [] => return Ok(EMPTY),
            [UNLIMITED, ..] => return Ok(ALL),
            [only] => return self.single(sweep, only),
            _ => {}
        }
        if let Some(known) = sweep.groups.find::<[u32]>(&chains) {
            return Ok(sweep.answers[known as usize]);
        }
        self.step(chains.len() as u64)?;
        let field = chains.iter().map(|chain| sweep.get(*chain).field).min().expect("two chains or more");
        let (here, later): (Vec<u32>, Vec<u32>) = chains.iter().partition(|chain| sweep.get(**chain).field == field);
        let limited = self.sweep_field(sweep, field, &here)?;
        let unlimited = self.sweep(sweep, later)?;
        let answer = self.apply(Op::Or, limited, unlimited)?;
        if sweep.grouped + chains.len() <= GROUPED_MAX {
            sweep.grouped += chains.len();
            sweep.groups.intern(chains.into_boxed_slice());
            sweep.answers.push(answer);
        }
        Ok(answer)
    }

    fn single(&mut self, sweep: &mut Sweep, chain: u32) -> Result<u32, GaveUp> {
        if chain == UNLIMITED {
            return Ok(ALL);
        }
        let place = chain as usize - 1;
        if let Some(known) = sweep.single[place] {
            return Ok(known);
        }
        let Chain { field, ranges, rest } = sweep.get(chain);
        let inside = self.single(sweep, rest)?;
        let ranges = *sweep.ranges.get(ranges);
        let answer = self.split(field, ranges, inside)?;
        sweep.single[place] = Some(answer);
        Ok(answer)
    }

    /// The union of chains that all begin with this field.
    fn sweep_field(&mut self, sweep: &mut Sweep, field: Field, chains: &[u32]) -> Result<u32, GaveUp> {
        let mut parts: Vec<(u32, u32)> =
            chains.iter().map(|chain| sweep.get(*chain)).map(|chain| (chain.ranges, chain.rest)).collect();
        parts.sort_unstable();
        if let (Some((first, _)), Some((last, _))) = (parts.first(), parts.last())
            && first == last
        {
            let ranges = *sweep.ranges.get(*first);
            let inside = self.sweep(sweep, parts.iter().map(|(_, rest)| *rest).collect())?;
            return self.split(field, ranges, inside);
        }

        let groups: Vec<&[(u32, u32)]> = parts.chunk_by(|a, b| a.0 == b.0).collect();
        let mut cuts = vec![0];
        for group in &groups {
            for (first, last) in *sweep.ranges.get(group[0].0) {
                cuts.push(*first);
                if *last < field.max() {
                    cuts.push(last + 1);
                }
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let pieces = cuts.len();
        let piece = |value: u128| cuts.partition_point(|cut| *cut < value);

        // Places 1 to pieces-1 are the tree's inner nodes, the pieces follow; a place's parent is half of it.
        let mut placed: Vec<(usize, u32)> = Vec::with_capacity(groups.len());
        for (number, group) in (0..).zip(&groups) {
            for (first, last) in *sweep.ranges.get(group[0].0) {
                let mut from = pieces + piece(*first);
                let mut to = if *last == field.max() { 2 * pieces } else { pieces + piece(last + 1) };
                while from < to {
                    if from % 2 == 1 {
                        placed.push((from, number));
                        from += 1;
                    }
                    if to % 2 == 1 {
                        to -= 1;
                        placed.push((to, number));
                    }
                    from /= 2;
                    to /= 2;
                }
            }
        }
        placed.sort_unstable();
        self.step(placed.len() as u64 + pieces as u64)?;

        let mut tree = vec![EMPTY; 2 * pieces];
        let mut known = Interner::new();
        let mut answers = Vec::new();
        for at_place in placed.chunk_by(|a, b| a.0 == b.0) {
            let numbers: Box<[u32]> = at_place.iter().map(|(_, number)| *number).collect();
            let known = known.intern(numbers) as usize;
            if known == answers.len() {
                let rests = at_place.iter().flat_map(|(_, number)| groups[*number as usize]).map(|(_, rest)| *rest);
                let mut rests: Vec<u32> = rests.collect();
                self.step(rests.len() as u64)?;
                rests.sort_unstable();
                rests.dedup();
                answers.push(self.sweep(sweep, rests)?);
            }
            tree[at_place[0].0] = answers[known];
        }
        for place in 2..2 * pieces {
            tree[place] = self.apply(Op::Or, tree[place], tree[place / 2])?;
        }
        let start = self.scratch.len();
        for (at, target) in tree[pieces..].iter().enumerate() {
            self.push(start, cuts.get(at + 1).map_or(u128::MAX, |next| next - 1), *target);
        }
        self.seal(field as u8, start)
    }
}
