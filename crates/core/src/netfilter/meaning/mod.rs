//! What a program does, as sets of packets.
//!
//! A walk along the rules with the set of packets that reach each of them. A chain that is jumped to from many places is
//! walked once for each look that packets may have there (their mark, whether they are tracked): what becomes of those that
//! enter is their part of what becomes of all.
//! What the model cannot decide goes both ways:
//! packets *may* be accepted and *may* be dropped. A packet that may not be dropped is surely accepted, and the other
//! way round. Rates are treated as the caller asks; matches outside the model are independent at each occurrence.

mod alone;
mod chains;
mod compile;
mod flows;
mod masks;
mod path;
mod seen;
mod summary;
mod view;
mod walk;

use segwall_packetset::Set;

pub use alone::alone;
pub use compile::Memory;
pub use path::{
    Translations, decided_by, filter, path, path_remembering, path_seen, translates_related_alike, translation,
    translation_rules,
};
pub use seen::Seen;

use super::model::{Log, Rate, Reject};

/// How rate limits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rates {
    /// There is room in every one.
    Within,
    /// All are used up.
    Over,
    /// Either, independently at each occurrence.
    #[default]
    Unknown,
}

/// How a program is read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Rate limits.
    pub rates: Rates,
    /// Packets that enter.
    pub entering: Set,
    /// Whether [`Hooked::rules`] is filled.
    pub collect_rules: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { rates: Rates::default(), entering: Set::ALL, collect_rules: false }
    }
}

/// A rule's place: indices into the programs, their tables, chains and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleAt {
    /// Which program.
    pub program: usize,
    /// Which of its tables.
    pub table: usize,
    /// Which of its chains.
    pub chain: usize,
    /// Which of its rules; the number of rules: the chain's policy.
    pub rule: usize,
}

/// A rate limit, where it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateUse {
    /// The rate.
    pub rate: Rate,
    /// The rule.
    pub at: RuleAt,
    /// Packets that reach it.
    pub reached: Set,
    /// A verdict depends on it, not just a message or a counter.
    pub decides: bool,
}

/// A message, where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogUse {
    /// The message.
    pub log: Log,
    /// The rule.
    pub at: RuleAt,
    /// Packets it is written for.
    pub reached: Set,
    /// A rate stands before it in its rule.
    pub limited: bool,
}

/// Something that is not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownUse {
    /// As it was written.
    pub text: String,
    /// Why it is not decided.
    pub why: &'static str,
    /// The rule; `None`: not a rule's doing.
    pub at: Option<RuleAt>,
    /// Packets that reach it.
    pub reached: Set,
}

/// What a rule sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleUse {
    /// Packets that reach the rule.
    pub reached: Set,
    /// Packets that may match all of it.
    pub matched: Set,
    /// Packets that surely match all of it.
    pub surely: Set,
}

/// What becomes of packets at a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooked {
    /// Packets that may pass.
    pub may_accept: Set,
    /// Packets that may be dropped or rejected.
    pub may_drop: Set,
    /// Of those, whose senders may be told, and how.
    pub may_reject: Vec<(Reject, Set)>,
    /// Rate limits that were asked.
    pub rates: Vec<RateUse>,
    /// Messages that were written.
    pub logs: Vec<LogUse>,
    /// What was not decided.
    pub unknown: Vec<UnknownUse>,
    /// Rules that were reached, in the order of the programs, their tables, chains and rules.
    pub rules: Vec<(RuleAt, RuleUse)>,
}

impl Hooked {
    fn nothing() -> Self {
        Self {
            may_accept: Set::EMPTY,
            may_drop: Set::EMPTY,
            may_reject: Vec::new(),
            rates: Vec::new(),
            logs: Vec::new(),
            unknown: Vec::new(),
            rules: Vec::new(),
        }
    }
}
