//! A map with a limit. When it is full the least useful row goes: that of the lowest level, and of those the oldest.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
struct Row<V> {
    value: V,
    level: u32,
    number: u64,
}

/// Rows by key.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    rows: BTreeMap<K, Row<V>>,
    order: BTreeSet<(u32, u64, K)>,
    max: usize,
    numbers: u64,
    /// Rows that had to go.
    pub lost: u64,
}

impl<K: Ord + Copy, V> Table<K, V> {
    /// An empty one.
    pub fn new(max: usize) -> Self {
        Self { rows: BTreeMap::new(), order: BTreeSet::new(), max, numbers: 0, lost: 0 }
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

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, row)| (key, &row.value))
    }

    /// Puts a row of this level. Gives the row that had to go.
    pub fn insert(&mut self, key: K, value: V, level: u32) -> Option<V> {
        let gone = if self.rows.len() >= self.max { self.evict() } else { None };
        self.numbers += 1;
        if let Some(old) = self.rows.insert(key, Row { value, level, number: self.numbers }) {
            self.order.remove(&(old.level, old.number, key));
        }
        self.order.insert((level, self.numbers, key));
        gone
    }

    /// Takes the least useful row away, and counts it as lost.
    pub fn evict(&mut self) -> Option<V> {
        let (_, _, key) = self.order.pop_first()?;
        self.lost += 1;
        self.rows.remove(&key).map(|row| row.value)
    }

    /// A row became more or less useful.
    pub fn rank(&mut self, key: &K, level: u32) {
        let Some(row) = self.rows.get_mut(key) else { return };
        if row.level == level {
            return;
        }
        self.order.remove(&(row.level, row.number, *key));
        self.numbers += 1;
        (row.level, row.number) = (level, self.numbers);
        self.order.insert((level, self.numbers, *key));
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.order.remove(&(row.level, row.number, *key));
        Some(row.value)
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
        assert_eq!((table.len(), table.lost, table.order.len()), (3, 3, 3));
    }
}
