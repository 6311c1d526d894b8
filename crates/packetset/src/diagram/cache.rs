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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_for_its_question_only() {
        let mut cache = Cache::new();
        let ops = [Op::And, Op::Or, Op::Minus, Op::Xor, Op::Exists, Op::Forall];
        // Far more questions than places.
        for (a, b) in (0..100).flat_map(|a| (0..100).map(move |b| (a, b))) {
            for op in ops {
                cache.put(op, a, b, op as u32, 0);
                assert_eq!(cache.get(op, a, b), Some(op as u32));
                for other in ops {
                    assert!(cache.get(other, a, b).is_none_or(|answer| answer == other as u32), "{other:?} {a} {b}");
                }
                assert!(
                    [(a + 1, b), (a, b + 1), (b, a)].iter().all(|(c, d)| {
                        (*c, *d) == (a, b) || cache.get(op, *c, *d).is_none_or(|_| (*c, *d) < (a, b))
                    })
                );
            }
        }
    }

    #[test]
    fn growing_keeps_answers_and_forgetting_drops_those_about_later_nodes() {
        let mut cache = Cache::new();
        for a in 0..500 {
            cache.put(Op::And, a, 1, a, 0);
        }
        let kept = |cache: &Cache| (0..500).filter(|a| cache.get(Op::And, *a, 1) == Some(*a)).count();
        let before = kept(&cache);
        assert!(before > 300, "{before}");
        cache.put(Op::Or, 1, 2, 3, 10 * ENTRIES_MIN);
        assert!(kept(&cache) >= before - 1);
        cache.forget_from(100);
        assert!((0..500).all(|a| cache.get(Op::And, a, 1).is_none_or(|_| a < 100)));
        assert!(kept(&cache) > 50);
    }
}
