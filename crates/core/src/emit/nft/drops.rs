//! The chains that drops and rejects end in: counted by reason, interface and pair, then written down within the limit.

use super::model::{Action, Chain, Field, NamedLimit, Part, Program, Rule, Set, SetKind};
use super::{DROP_INTERFACES_MAX, DROP_LOG_GROUP, DROP_PAIR_TIMEOUT_S, DROP_PAIRS_MAX};
use crate::policy::Limit;

/// Why a packet is not accepted. Each has a chain and a counter, and a learned set of counters by input interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reason {
    Spoofed,
    UnknownInterface,
    Quarantine,
    Invalid,
    Untracked,
    NotSyn,
    Family,
    Broadcast,
    Rule,
    RuleLogged,
    Reject,
    RejectLogged,
    Unnamed,
}

impl Reason {
    const ALL: [Self; 13] = [
        Self::Spoofed,
        Self::UnknownInterface,
        Self::Quarantine,
        Self::Invalid,
        Self::Untracked,
        Self::NotSyn,
        Self::Family,
        Self::Broadcast,
        Self::Rule,
        Self::RuleLogged,
        Self::Reject,
        Self::RejectLogged,
        Self::Unnamed,
    ];

    fn chain(self) -> &'static str {
        match self {
            Self::Spoofed => "drop_spoofed",
            Self::UnknownInterface => "drop_unknown_interface",
            Self::Quarantine => "drop_quarantine",
            Self::Invalid => "drop_invalid",
            Self::Untracked => "drop_untracked",
            Self::NotSyn => "drop_not_syn",
            Self::Family => "drop_family",
            Self::Broadcast => "drop_broadcast",
            Self::Rule => "drop_rule",
            Self::RuleLogged => "drop_rule_logged",
            Self::Reject => "reject_rule",
            Self::RejectLogged => "reject_rule_logged",
            Self::Unnamed => "drop_unnamed",
        }
    }

    /// Logged and plain drops by rule are counted together.
    fn counter(self) -> &'static str {
        match self {
            Self::RuleLogged => Self::Rule.chain(),
            Self::RejectLogged => Self::Reject.chain(),
            _ => self.chain(),
        }
    }

    /// The message's prefix; `None`: not written down.
    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Spoofed => Some("segwall drop spoofed "),
            Self::UnknownInterface => Some("segwall drop unknown-interface "),
            Self::Quarantine => Some("segwall drop quarantine "),
            Self::Invalid => Some("segwall drop invalid "),
            Self::Untracked => Some("segwall drop untracked "),
            Self::NotSyn => Some("segwall drop not-syn "),
            Self::Family => Some("segwall drop family "),
            Self::Broadcast => None,
            Self::Rule | Self::RuleLogged => Some("segwall drop rule "),
            Self::Reject | Self::RejectLogged => Some("segwall reject rule "),
            Self::Unnamed => Some("segwall drop unnamed "),
        }
    }

    pub(super) fn goto(self) -> Action {
        Action::Goto(self.chain().to_owned())
    }
}

/// The set that counts refused packets by the interfaces between which (fields: in, out).
pub const PAIRS_DROPPED: &str = "pairs_dropped";

/// The sets that count refused packets by the interface they came in by, each once, with the prefix under which they are
/// written down; `None`: broadcasts that nobody here asked for, which are not. A table has those that its rules need.
#[must_use]
pub fn counted_drops() -> Vec<(String, Option<&'static str>)> {
    let own = |reason: &Reason| reason.counter() == reason.chain();
    Reason::ALL.iter().filter(|reason| own(reason)).map(|one| (by_interface(one.counter()), one.prefix())).collect()
}

fn limit_name(base: &str, limit: &Limit) -> String {
    format!("{base}_{}_{}_{}", limit.rate, limit.per.word(), limit.burst)
}

fn by_interface(counter: &str) -> String {
    format!("if_{counter}")
}

/// Adds the chains that something goes to, with their counters, limits and sets.
pub(super) fn add(program: &mut Program, limit: Limit) {
    let used = |reason: Reason| {
        let target = reason.goto();
        program.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.parts).any(|part| match part {
            Part::Do(action) => *action == target,
            Part::States(list) => list.iter().any(|(_, action)| *action == target),
            _ => false,
        })
    };
    let reasons: Vec<Reason> = Reason::ALL.into_iter().filter(|reason| used(*reason)).collect();
    program.sets.push(Set {
        name: PAIRS_DROPPED.to_owned(),
        types: vec![Field::In.key_type(), Field::Out.key_type()],
        kind: SetKind::Learned { size_max: DROP_PAIRS_MAX, timeout_s: Some(DROP_PAIR_TIMEOUT_S) },
        keys: Vec::new(),
        rules: Vec::new(),
    });
    for reason in reasons {
        let counter = reason.counter();
        if !program.counters.iter().any(|known| known == counter) {
            program.counters.push(counter.to_owned());
            program.sets.push(Set {
                name: by_interface(counter),
                types: vec![Field::In.key_type()],
                kind: SetKind::Learned { size_max: DROP_INTERFACES_MAX, timeout_s: None },
                keys: Vec::new(),
                rules: Vec::new(),
            });
        }
        // What a rule writes down has a bucket of its own: a flood of other drops does not hide it.
        let bucket = match reason {
            Reason::RuleLogged | Reason::RejectLogged => limit_name("rate_rules", &limit),
            _ => limit_name("rate_drops", &limit),
        };
        let mut rules = vec![Rule::new([
            Part::Count(counter.to_owned()),
            Part::Learn { set: by_interface(counter), fields: vec![Field::In], refresh: false },
            Part::Learn { set: PAIRS_DROPPED.to_owned(), fields: vec![Field::In, Field::Out], refresh: true },
        ])];
        if let Some(prefix) = reason.prefix() {
            if !program.limits.iter().any(|known| known.name == bucket) {
                program.limits.push(NamedLimit { name: bucket.clone(), limit });
            }
            rules.push(Rule::new([Part::NamedRate(bucket), Part::Log { prefix, group: DROP_LOG_GROUP }]));
        }
        match reason {
            // The sender learns that a rule forbids it, not that nobody listens: only TCP has no other word for it.
            Reason::Reject | Reason::RejectLogged => {
                let tcp = Part::Among {
                    field: Field::Proto,
                    not: false,
                    keys: vec![super::Key::Byte(segwall_packetset::proto::TCP)],
                };
                rules.push(Rule::new([tcp, Part::Do(Action::RejectReset)]));
                rules.push(Rule::new([Part::Do(Action::RejectProhibited)]));
            }
            _ => rules.push(Rule::new([Part::Do(Action::Drop)])),
        }
        program.chains.push(Chain { name: reason.chain().to_owned(), base: None, rules });
    }
}
