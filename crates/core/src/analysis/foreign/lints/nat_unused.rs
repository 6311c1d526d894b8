//! SW0910: a translation of the source that nothing forwarded reaches.

use std::collections::BTreeMap;

use segwall_packetset::{GaveUp, Set};

use super::at_rule;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::{self, RuleAt};
use crate::netfilter::{Action, Hook, NatKind, Rule, Step};

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let translations = source_translations(view);
    if translations.is_empty() {
        return Ok(());
    }
    let forwarded = leaving(view, Hook::Forward)?;
    let sent = leaving(view, Hook::Output)?;
    for at in translations {
        if forwarded.get(&at).is_some_and(|set| !set.is_empty()) {
            continue;
        }
        let own = sent.get(&at).copied().unwrap_or(Set::EMPTY);
        let message = if own.is_empty() {
            "nothing that is accepted reaches this translation"
        } else {
            "nothing that is forwarded reaches this translation, only what the box itself sends"
        };
        let packet = view.packet(own, &[]);
        found.push(
            at_rule(view, codes::NAT_UNUSED, Severity::Warning, at, message)
                .label("never for a segment")
                .shown_by(packet)
                .help("accept in FORWARD what is meant to leave here, or take the translation out"),
        );
    }
    Ok(())
}

/// What each rule of the nat chains behind routing may match of the first packets that come through a hook.
pub(super) fn leaving(view: &mut View<'_>, hook: Hook) -> Result<BTreeMap<RuleAt, Set>, GaveUp> {
    let Some(place) = view.place_of(hook) else { return Ok(BTreeMap::new()) };
    let passes = view.hooks[place].hooked.may_accept;
    let rules = meaning::translation_rules(view.space, &view.programs, Hook::Postrouting, passes)?;
    Ok(rules.into_iter().map(|(at, used)| (at, used.matched)).collect())
}

/// Rules that translate the source.
pub(super) fn source_translations(view: &View<'_>) -> Vec<RuleAt> {
    let translates = |rule: &Rule| {
        rule.steps.iter().any(
            |step| matches!(step, Step::Do(Action::Nat(nat)) if matches!(nat.kind, NatKind::Source | NatKind::Masquerade)),
        )
    };
    // Of chains at other hooks (input) nothing is said.
    let behind_routing = |at: &RuleAt| {
        view.chain(*at).base.is_some_and(|base| base.hook == Hook::Postrouting)
            && view.rule(*at).is_some_and(translates)
    };
    view.every_rule().into_iter().filter(behind_routing).collect()
}
