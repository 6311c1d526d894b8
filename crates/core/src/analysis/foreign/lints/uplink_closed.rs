//! SW0911: what leaves by an interface is translated, but no rule accepts anything towards it by name, and segments that
//! the rules know cannot get there.

use segwall_packetset::{AddrRange, Family, Field, GaveUp, interface_text};

use super::at_rule;
use super::nat_unused::{leaving, source_translations};
use crate::analysis::foreign::names::{ends, host_of, public};
use crate::analysis::foreign::rules::{End, asks, named, wanted};
use crate::analysis::foreign::view::{View, words_of};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::{ChainKind, Hook};

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let Some(place) = view.place_of(Hook::Forward) else { return Ok(()) };
    let translations = source_translations(view);
    if translations.is_empty() {
        return Ok(());
    }
    let reached = leaving(view, Hook::Forward)?;
    for at in translations {
        let Some(rule) = view.rule(at) else { continue };
        let [(way, last)] = wanted(view.table(at), rule, Field::Out).unwrap_or_default()[..] else { continue };
        let Some(name) = interface_text(way).filter(|_| way == last && !is_named_elsewhere(view, way)) else {
            continue;
        };
        // Where nothing at all gets there, the other lint says so.
        if reached.get(&at).is_none_or(|set| set.is_empty()) {
            continue;
        }
        let drops = view.hooks[place].drops;
        let opens = view.hooks[place].opens;
        let outside = view.space.ranges(Field::Dst, &public(Family::V4))?;
        let mut closed: Vec<AddrRange> = Vec::new();
        let mut shown = None;
        let networks = view.names.networks.clone();
        let senders = wanted(view.table(at), rule, Field::Src);
        for network in networks.iter().filter(|network| network.family() == Family::V4) {
            let (first, last) = ends(*network);
            // Only what the rule would translate.
            let translated = senders.as_ref().is_some_and(|list| list.iter().any(|(a, b)| *a <= first && last <= *b));
            if asks(rule, Field::Src) && !translated {
                continue;
            }
            let from = view.space.range(Field::Src, first, last)?;
            let v4 = view.space.range(Field::Family, 0, 0)?;
            let out = view.through(opens, Field::Out, way)?;
            let packets = view.space.intersect_all(&[out, from, outside, v4])?;
            if view.space.minus(packets, drops)?.is_empty() {
                closed.push(*network);
                shown = shown.or(view.packet(packets, &[(Field::Src, host_of(*network)), (Field::Dport, 443)]));
            }
        }
        if closed.is_empty() {
            continue;
        }
        // Accepts that let something out there without naming it.
        let mut by = Vec::new();
        for accept in view.deciding(place, |end| end == End::Accept) {
            let accepted = view.accepted_by(place, accept)?;
            let leaves = view.through(accepted, Field::Out, way)?;
            if !view.space.intersect(leaves, outside)?.is_empty() {
                by.push(accept);
            }
        }
        let words = words_of(&closed);
        let message = format!(
            "what leaves by `{name}` is translated, but no rule that filters names it: nothing new from {words} gets to the internet there"
        );
        let mut one =
            at_rule(view, codes::UPLINK_CLOSED, Severity::Warning, at, message).label("named in no rule that filters");
        if by.iter().any(|accept| accept.program == at.program) {
            one = one.also(view, &by, "this lets out there what it accepts to anywhere");
        }
        found.push(one.shown_by(shown).help(format!(
            "accept in FORWARD what may leave: `-i INTERFACE -o {name}`; rules without `-o` should not lead there by chance"
        )));
    }
    Ok(())
}

/// Whether a rule that filters names an interface.
fn is_named_elsewhere(view: &View<'_>, name: u128) -> bool {
    let mut found = false;
    for program in &view.programs {
        for field in [Field::In, Field::Out] {
            named(program, field, |table, (first, last)| {
                let nat = table.chains.iter().filter_map(|chain| chain.base).any(|base| base.kind == ChainKind::Nat);
                let filter = table.chains.iter().filter_map(|chain| chain.base).any(|base| base.kind != ChainKind::Nat);
                let everything = first <= 1 && last == u128::MAX;
                found |= (filter || !nat) && !everything && (first..=last).contains(&name);
            });
        }
    }
    found
}
