//! What programs mean: which packets a hook may accept and may drop, as sets.
//!
//! Everything is said both ways. A packet that is only in the set of what may be accepted is accepted, one that is only in
//! the set of what may be dropped is dropped; one in both meets something that is not decided, which is listed. A packet
//! passes a hook when every base chain there accepts it.
//!
//! Packets are whole: matches on ports and types do not speak of later fragments.

mod chains;
mod compile;
mod flows;
mod local;
mod masks;
mod path;
mod summary;
mod view;
mod walk;

use std::collections::BTreeMap;

use segwall_packetset::{GaveUp, Set, Space};

use super::{ChainKind, Hook, Log, Nat, Program, Rate, Reject, Unknown};
pub use local::{Address, local_addresses};
pub use path::{Path, path};
use walk::Walk;

/// A rule of a program, by place; `rule` is one past the last for what the chain itself does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// Which of the programs.
    pub program: usize,
    /// Which of its tables.
    pub table: usize,
    /// Which of the table's chains.
    pub chain: usize,
    /// Which of the chain's rules.
    pub rule: usize,
}

/// What a rate limit is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rates {
    /// Every packet is within it.
    Within,
    /// Every packet is beyond it.
    Beyond,
    /// A packet may be either.
    #[default]
    Either,
}

/// What a question is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What rate limits are taken for.
    pub rates: Rates,
    /// Whether [`Hooked::rules`] is filled.
    pub rules: bool,
}

/// A rate limit that packets reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateUse {
    /// The limit.
    pub rate: Rate,
    /// Where.
    pub at: RuleRef,
    /// Packets that may reach it.
    pub reached: Set,
    /// Whether what becomes of them depends on it: more than logging and counting stands behind it in its rule.
    pub decides: bool,
}

/// A log that packets reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogUse {
    /// The log.
    pub log: Log,
    /// Where.
    pub at: RuleRef,
    /// Packets that may reach it.
    pub reached: Set,
}

/// Something undecided that packets reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownUse {
    /// What it is, and why it is not decided.
    pub unknown: Unknown,
    /// Where.
    pub at: RuleRef,
    /// Packets that reach it and for which it is not decided.
    pub reached: Set,
}

/// What programs do at a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooked {
    /// Packets that may pass all base chains.
    pub may_accept: Set,
    /// Packets that may not.
    pub may_drop: Set,
    /// Of these, packets whose sender may be told, by how.
    pub may_reject: Vec<(Reject, Set)>,
    /// Rate limits, in the order of the rules.
    pub rates: Vec<RateUse>,
    /// Logs, in the order of the rules.
    pub logs: Vec<LogUse>,
    /// What is undecided, in the order of the rules.
    pub unknown: Vec<UnknownUse>,
    /// Packets that may reach and match each rule, if asked for.
    pub rules: BTreeMap<RuleRef, Set>,
}

impl Hooked {
    /// Neither accepts nor drops.
    fn nothing() -> Self {
        Self {
            may_accept: Set::EMPTY,
            may_drop: Set::EMPTY,
            may_reject: Vec::new(),
            rates: Vec::new(),
            logs: Vec::new(),
            unknown: Vec::new(),
            rules: BTreeMap::new(),
        }
    }
}

/// What base chains of the kinds that decide (filter, route) do at a hook.
///
/// Sees the packets as they are at the hook. [`path`] adds what happened before, and happens after.
///
/// # Errors
/// When the space's budget ends.
pub fn filter(space: &mut Space, programs: &[&Program], hook: Hook, options: &Options) -> Result<Hooked, GaveUp> {
    let mut walk = Walk::new(space, programs, *options);
    walk.hook(hook, &[ChainKind::Filter, ChainKind::Route], Set::ALL)?;
    walk.finish()
}

/// What nat chains do with first packets of connections (state new, not translated yet) at a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translations {
    /// Packets that may get a translation, by which. A packet in one of these sets and in none of the others gets it.
    pub may: Vec<(Nat, Set)>,
    /// Packets that may stay as they are.
    pub may_none: Set,
    /// Packets that may be dropped there.
    pub may_drop: Set,
    /// What is undecided.
    pub unknown: Vec<UnknownUse>,
}

/// Which packets get which translation at a hook: the first that matches, of all nat chains there.
///
/// Destinations are as the chain sees them, before its translation: `Dst` is the destination as sent.
///
/// # Errors
/// When the space's budget ends.
pub fn translation(space: &mut Space, programs: &[&Program], hook: Hook) -> Result<Translations, GaveUp> {
    let new = space.range(segwall_packetset::Field::State, 0, 0)?;
    let mut walk = Walk::new(space, programs, Options::default());
    walk.translates = false;
    walk.hook(hook, &[ChainKind::Nat], new)?;
    let may = walk.translated()?;
    let hooked = walk.finish()?;
    Ok(Translations { may, may_none: hooked.may_accept, may_drop: hooked.may_drop, unknown: hooked.unknown })
}
