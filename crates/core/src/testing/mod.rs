//! Policies for tests and benches: random small ones, their text, and large regular ones.
//!
//! No randomness of its own: every choice is asked for, so that a seed or a shrunken list of choices replays a case.

mod ends;
mod iptables;
mod policies;
mod scale;
mod text;

pub use iptables::iptables_save;
pub use policies::{random_policy, source_of};
pub use scale::scale_policy;
pub use text::to_toml;

/// A stream of choices from a seed (SplitMix64), for those who have no better one.
///
/// `let mut choices = Seeded(7); let policy = random_policy(&mut |bound| choices.below(bound));`
#[derive(Debug, Clone)]
pub struct Seeded(pub u64);

impl Seeded {
    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Choices with names. A source that runs dry answers 0, which is always the plainest choice: shrinking works.
pub(crate) struct Dice<'a>(pub &'a mut dyn FnMut(u64) -> u64);

impl Dice<'_> {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from((self.0)(bound).min(bound - 1)).expect("below a usize")
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of a list that is not empty.
    pub fn of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }
}
