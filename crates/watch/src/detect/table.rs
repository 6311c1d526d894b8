//! A map with a limit. When it is full the least useful row goes: that of the lowest level, and of those the oldest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

#[derive(Debug, Clone)]
struct Row<V> {
    value: V,
    level: u32,
    number: u64,
}

/// Rows by key. A flood makes and forgets a row with every packet, so both cost the same however many there are.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    rows: HashMap<K, Row<V>>,
    /// By level, the oldest first. What is no row's present number is passed over: a row has moved on, or is gone.
    order: BTreeMap<u32, VecDeque<(u64, K)>>,
    ordered: usize,
    max: usize,
    numbers: u64,
    /// Rows that had to go.
    pub lost: u64,
}

impl<K: Eq + Hash + Ord + Copy, V> Table<K, V> {
    /// An empty one.
    pub fn new(max: usize) -> Self {
        Self { rows: HashMap::new(), order: BTreeMap::new(), ordered: 0, max, numbers: 0, lost: 0 }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key).map(|row| &row.value)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(key).map(|row| &mut row.value)
    }

    /// In the order of their keys: what is told must not depend on where a row lies.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut all: Vec<(&K, &V)> = self.rows.iter().map(|(key, row)| (key, &row.value)).collect();
        all.sort_unstable_by_key(|(key, _)| **key);
        all.into_iter()
    }

    /// Puts a row of this level. Gives the row that had to go.
    pub fn insert(&mut self, key: K, value: V, level: u32) -> Option<V> {
        let gone = if self.rows.len() >= self.max { self.evict() } else { None };
        self.numbers += 1;
        self.rows.insert(key, Row { value, level, number: self.numbers });
        self.queue(key, level);
        gone
    }

    /// Takes the least useful row away, and counts it as lost.
    pub fn evict(&mut self) -> Option<V> {
        while let Some(mut level) = self.order.first_entry() {
            let Some((number, key)) = level.get_mut().pop_front() else {
                level.remove();
                continue;
            };
            self.ordered -= 1;
            if self.rows.get(&key).is_some_and(|row| row.number == number) {
                self.lost += 1;
                return self.rows.remove(&key).map(|row| row.value);
            }
        }
        None
    }

    /// A row became more or less useful.
    pub fn rank(&mut self, key: &K, level: u32) {
        let Some(row) = self.rows.get_mut(key) else { return };
        if row.level == level {
            return;
        }
        self.numbers += 1;
        (row.level, row.number) = (level, self.numbers);
        self.queue(*key, level);
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.rows.remove(key).map(|row| row.value)
    }

    fn queue(&mut self, key: K, level: u32) {
        self.order.entry(level).or_default().push_back((self.numbers, key));
        self.ordered += 1;
        // What is passed over takes no more room than what may be there.
        if self.ordered > 2 * self.max + 64 {
            let rows = &self.rows;
            self.order.retain(|_, queue| {
                queue.retain(|(number, key)| rows.get(key).is_some_and(|row| row.number == *number));
                !queue.is_empty()
            });
            self.ordered = self.rows.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_useful_goes_first() {
        let mut table = Table::new(3);
        for key in 0..3 {
            assert_eq!(table.insert(key, key, 0), None);
        }
        table.rank(&0, 2);
        table.rank(&1, 1);
        assert_eq!(table.insert(3, 3, 0), Some(2));
        assert_eq!(table.insert(4, 4, 0), Some(3));
        table.rank(&4, 5);
        assert_eq!(table.insert(5, 5, 0), Some(1));
        table.remove(&5);
        assert_eq!(table.insert(6, 6, 0), None);
        assert_eq!((table.len(), table.lost), (3, 3));
    }

    #[test]
    fn rows_that_move_often_leave_nothing_behind() {
        let mut table = Table::new(8);
        for turn in 0..100_000u32 {
            table.insert(turn % 20, (), turn % 3);
            table.rank(&(turn % 7), turn % 11);
            if turn % 5 == 0 {
                table.remove(&(turn % 20));
            }
            let queued: usize = table.order.values().map(VecDeque::len).sum();
            assert!(table.len() <= 8 && queued == table.ordered && queued <= 2 * 8 + 65);
        }
    }
}
