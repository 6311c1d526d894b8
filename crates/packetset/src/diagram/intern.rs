//! Hashing without randomness, and values kept once under a small number.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;

/// Odd, without pattern: the golden ratio's fraction (Knuth, "The Art of Computer Programming" 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step: multiply to twice the width and fold, so that every bit of `value` reaches both ends of the result.
pub(super) fn fold(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash.rotate_left(23) ^ value).wrapping_mul(u128::from(MULTIPLIER));
    (product as u64) ^ ((product >> 64) as u64)
}

/// The same input gives the same hash in every run: answers must not depend on chance.
struct Folding(u64);

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = fold(self.0, u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.0 = fold(self.0, u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = fold(self.0, u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0, value);
    }

    fn write_usize(&mut self, value: usize) {
        self.0 = fold(self.0, value as u64);
    }
}

pub(super) fn hash_of<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = Folding(MULTIPLIER);
    key.hash(&mut hasher);
    hasher.finish()
}

/// Gives every distinct value a number, counted from 0.
pub(super) struct Interner<K> {
    keys: Vec<K>,
    table: HashTable<u32>,
}

impl<K: Hash + Eq> Interner<K> {
    pub(super) fn new() -> Self {
        Self { keys: Vec::new(), table: HashTable::new() }
    }

    /// The number of an equal value, whatever form it has.
    pub(super) fn find<Q>(&self, key: &Q) -> Option<u32>
    where
        Q: Hash + PartialEq + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        self.table.find(hash_of(key), |id| self.keys[*id as usize].borrow() == key).copied()
    }

    /// The number of the value, a new one where it was not known.
    pub(super) fn intern(&mut self, key: K) -> u32 {
        let hash = hash_of(&key);
        if let Some(id) = self.table.find(hash, |id| self.keys[*id as usize] == key) {
            return *id;
        }
        let id = u32::try_from(self.keys.len()).expect("bounded by the sizes of the inputs, far below 2^32");
        self.keys.push(key);
        let keys = &self.keys;
        self.table.insert_unique(hash, id, |id| hash_of(&keys[*id as usize]));
        id
    }

    pub(super) fn get(&self, id: u32) -> &K {
        &self.keys[id as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Answers for nodes, for the time of one question.
pub(super) struct Memo {
    table: HashTable<(u32, u32)>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self { table: HashTable::new() }
    }

    pub(super) fn get(&self, node: u32) -> Option<u32> {
        self.table.find(hash_of(&node), |(known, _)| *known == node).map(|(_, answer)| *answer)
    }

    /// Keeps an answer; the node must not have one yet.
    pub(super) fn put(&mut self, node: u32, answer: u32) {
        self.table.insert_unique(hash_of(&node), (node, answer), |(known, _)| hash_of(known));
    }

    /// Whether the node was not noted before.
    pub(super) fn note(&mut self, node: u32) -> bool {
        let fresh = self.get(node).is_none();
        if fresh {
            self.put(node, 0);
        }
        fresh
    }
}
