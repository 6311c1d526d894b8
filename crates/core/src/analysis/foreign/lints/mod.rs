//! One file for each lint, or for two that ask the same question.

mod after_final;
mod any_own_address;
mod by_source;
mod default_open;
mod dnat_nowhere;
mod family_missing;
mod from_anyone;
mod icmp_unnamed;
mod interface_unknown;
mod invalid_accepted;
mod log_unlimited;
mod nat_unused;
mod never_matched;
mod old_words;
mod partly;
mod redundant;
mod script;
mod spoofable;
mod to_anywhere;
mod unlimited;
mod unlogged;
mod uplink_closed;

use segwall_packetset::GaveUp;

use super::Found;
use super::codes;
use super::view::View;
use crate::diag::{Code, Diagnostic, NamedPacket, Severity};
use crate::netfilter::meaning::RuleAt;
use crate::source::Span;

/// A lint.
pub(super) type Lint = fn(&mut View<'_>, &mut Vec<Found>) -> Result<(), GaveUp>;

/// Every lint, in the order of its code.
pub(super) const ALL: &[(Code, Lint)] = &[
    (codes::BY_SOURCE, by_source::check),
    (codes::FAMILY_MISSING, family_missing::check),
    (codes::ANY_OWN_ADDRESS, any_own_address::check),
    (codes::UNLOGGED, unlogged::check),
    (codes::PARTLY, partly::check),
    (codes::FROM_ANYONE, from_anyone::check),
    (codes::TO_ANYWHERE, to_anywhere::check),
    (codes::NAT_UNUSED, nat_unused::check),
    (codes::UPLINK_CLOSED, uplink_closed::check),
    (codes::INTERFACE_UNKNOWN, interface_unknown::check),
    (codes::ICMP_UNNAMED, icmp_unnamed::check),
    (codes::INVALID_ACCEPTED, invalid_accepted::check),
    (codes::CONNECTIONS_UNLIMITED, unlimited::check),
    (codes::RULE_BY_RULE, script::rule_by_rule),
    (codes::WIPES_OTHERS, script::wipes_others),
    (codes::GOES_ON, script::goes_on),
    (codes::LOG_UNLIMITED, log_unlimited::check),
    (codes::OLD_WORDS, old_words::check),
    (codes::DEFAULT_OPEN, default_open::check),
    (codes::DNAT_NOWHERE, dnat_nowhere::check),
    (codes::SPOOFABLE, spoofable::check),
    (codes::CHAIN_UNUSED, after_final::chains),
];

/// A lint that asks about every packet at each hook: a view for each.
pub(super) type WholeLint = fn(&mut [View<'_>], &mut Vec<Found>) -> Result<(), GaveUp>;

/// Those.
pub(super) const WHOLE: &[(Code, WholeLint)] = &[
    (codes::NEVER_MATCHED, never_matched::check),
    (codes::REDUNDANT, redundant::check),
    (codes::AFTER_FINAL, after_final::check),
];

/// Other places of one finding that are pointed at; the rest is counted.
const LABELS_MAX: usize = 3;

/// Whether findings of a code follow from what all the rules together mean. The others are about words that stand there.
pub(super) fn follows_from_meaning(code: Code) -> bool {
    ![codes::WIPES_OTHERS, codes::GOES_ON, codes::OLD_WORDS, codes::INTERFACE_UNKNOWN].contains(&code)
}

/// A finding at a rule, or at its chain for a policy.
fn at_rule(view: &View<'_>, code: Code, severity: Severity, at: RuleAt, message: impl Into<String>) -> Found {
    let mut message = message.into();
    let span = match place(view, at) {
        Some(span) => span,
        None => {
            message = format!("{}: {message}", words(view, at));
            Span::default()
        }
    };
    Found { file: at.program, diagnostic: Diagnostic::new(code, severity, span, message) }
}

/// Where a rule stands in its text.
fn place(view: &View<'_>, at: RuleAt) -> Option<Span> {
    match view.rule(at) {
        Some(rule) => rule.span,
        None => policy_place(view, at),
    }
}

/// Whether a policy is what the rules say: a script that does not set it leaves what was there before.
fn is_policy_given(view: &View<'_>, at: RuleAt) -> bool {
    view.programs[at.program].script.is_none() || policy_place(view, at).is_some()
}

/// Where a chain got its policy: the call that set it, or the line that declares it.
fn policy_place(view: &View<'_>, at: RuleAt) -> Option<Span> {
    use crate::netfilter::Change;
    let (table, chain) = (view.table(at), view.chain(at));
    let script = view.programs[at.program].script.as_ref();
    let sets = |call: &&crate::netfilter::Call| {
        call.family == table.family
            && call.table == table.name
            && matches!(&call.change, Change::Policy(name, _) if *name == chain.name)
    };
    script.and_then(|script| script.calls.iter().rfind(sets)).map(|call| call.span).or(chain.span)
}

/// A rule that has no place in a text.
fn words(view: &View<'_>, at: RuleAt) -> String {
    let (table, chain) = (view.table(at), view.chain(at));
    match view.rule(at) {
        None => format!("policy of {} {}", table.name, chain.name),
        Some(rule) => match rule.handle {
            Some(handle) => format!("{} {}, handle {handle}", table.name, chain.name),
            None => format!("{} {}, rule {}", table.name, chain.name, at.rule + 1),
        },
    }
}

impl Found {
    /// Points at other rules of the same file, at most [`LABELS_MAX`] of them.
    fn also(mut self, view: &View<'_>, others: &[RuleAt], text: &str) -> Self {
        let spans: Vec<Span> = others
            .iter()
            .filter(|at| at.program == self.file)
            .filter_map(|at| place(view, *at))
            .filter(|span| *span != self.diagnostic.span)
            .collect();
        for span in spans.iter().take(LABELS_MAX) {
            self.diagnostic = self.diagnostic.also(*span, text);
        }
        if let Some(left) = spans.len().checked_sub(LABELS_MAX).filter(|left| *left > 0)
            && let Some(last) = self.diagnostic.labels.last_mut()
        {
            last.text = format!("{text}; {left} more");
        }
        self
    }

    fn label(mut self, text: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.label(text);
        self
    }

    fn help(mut self, text: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.help(text);
        self
    }

    fn shown_by(mut self, packet: Option<NamedPacket>) -> Self {
        if let Some(packet) = packet {
            self.diagnostic = self.diagnostic.witness(packet);
        }
        self
    }
}
