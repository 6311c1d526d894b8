//! Answers of recent operations: of fixed size at most, a newer answer replaces an older one in its place.

use super::intern::fold;

/// At most this many answers are remembered, 16 bytes each.
const ENTRIES_MAX: usize = 1 << 21;
const ENTRIES_MIN: usize = 1 << 10;

/// What was asked. Numbers begin at 1: 0 marks a free place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Op {
    And = 1,
    Or = 2,
    Minus = 3,
    Xor = 4,
    /// The second operand is a bit mask of fields.
    Exists = 5,
    /// The second operand is a bit mask of fields.
    Forall = 6,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    op: u32,
    a: u32,
    b: u32,
    answer: u32,
}

pub(super) struct Cache {
    entries: Vec<Entry>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { entries: vec![Entry::default(); ENTRIES_MIN] }
    }

    fn place(&self, op: u32, a: u32, b: u32) -> usize {
        let hash = fold(u64::from(op), u64::from(a) << 32 | u64::from(b));
        hash as usize & (self.entries.len() - 1) // the length is a power of two
    }

    pub(super) fn get(&self, op: Op, a: u32, b: u32) -> Option<u32> {
        let op = op as u32;
        let entry = &self.entries[self.place(op, a, b)];
        (entry.op == op && entry.a == a && entry.b == b).then_some(entry.answer)
    }

    /// Keeps an answer; `nodes` is the size of the space, with which the cache grows.
    pub(super) fn put(&mut self, op: Op, a: u32, b: u32, answer: u32, nodes: usize) {
        if self.entries.len() < nodes.min(ENTRIES_MAX) {
            self.grow();
        }
        let op = op as u32;
        let place = self.place(op, a, b);
        self.entries[place] = Entry { op, a, b, answer };
    }

    fn grow(&mut self) {
        let doubled = vec![Entry::default(); self.entries.len() * 2];
        for entry in std::mem::replace(&mut self.entries, doubled) {
            if entry.op != 0 {
                let place = self.place(entry.op, entry.a, entry.b);
                self.entries[place] = entry;
            }
        }
    }

    /// Forgets answers about nodes from this id on. A mask taken for an id forgets too much, which does no harm.
    pub(super) fn forget_from(&mut self, id: usize) {
        for entry in &mut self.entries {
            if [entry.a, entry.b, entry.answer].into_iter().any(|known| known as usize >= id) {
                *entry = Entry::default();
            }
        }
    }
}
