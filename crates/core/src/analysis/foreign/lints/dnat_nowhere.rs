//! SW0923: a translation of the destination whose packets are all dropped behind it.

use segwall_packetset::{Field, GaveUp, Set};

use super::at_rule;
use crate::analysis::foreign::rules::wanted;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;
use crate::netfilter::{Action, Hook, Nat, NatKind, Rule, Step, TableFamily};

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for at in view.every_rule() {
        let is_before_routing = view.chain(at).base.is_some_and(|base| base.hook == Hook::Prerouting);
        let Some(nat) = view.rule(at).filter(|_| is_before_routing).and_then(destination) else { continue };
        let translated = translated(view, at, &nat)?;
        let mut passes = Set::EMPTY;
        // It may lead to the box itself.
        for hook in [Hook::Forward, Hook::Input] {
            let Some(place) = view.place_of(hook) else { continue };
            let some = view.space.intersect(translated, view.hooks[place].hooked.may_accept)?;
            passes = view.space.union(passes, some)?;
        }
        if !passes.is_empty() {
            continue;
        }
        let mut packet = None;
        if let Some(place) = view.place_of(Hook::Forward) {
            let dropped = view.space.intersect(translated, view.hooks[place].drops)?;
            packet = view.packet(dropped, &[(Field::Translated, 1)]);
        }
        let message = "what this leads on is dropped: no rule accepts it where it is delivered";
        found.push(
            at_rule(view, codes::DNAT_NOWHERE, Severity::Warning, at, message)
                .label("translated, and then dropped")
                .shown_by(packet)
                .help("accept it in FORWARD, with the address and the port behind the translation"),
        );
    }
    Ok(())
}

fn destination(rule: &Rule) -> Option<Nat> {
    rule.steps.iter().find_map(|step| match step {
        Step::Do(Action::Nat(nat)) if nat.kind == NatKind::Destination && nat.to.is_some() => Some(nat.clone()),
        _ => None,
    })
}

/// First packets that may have been translated by a rule, as they are behind it; some more, where it cannot be said.
fn translated(view: &mut View<'_>, at: RuleAt, nat: &Nat) -> Result<Set, GaveUp> {
    let Some(rule) = view.rule(at) else { return Ok(Set::ALL) };
    let table = view.table(at);
    let mut sets = vec![view.space.range(Field::State, 0, 0)?, view.space.range(Field::Translated, 1, 1)?];
    // A number is an address of one family only.
    match table.family {
        TableFamily::Ip => sets.push(view.space.range(Field::Family, 0, 0)?),
        TableFamily::Ip6 => sets.push(view.space.range(Field::Family, 1, 1)?),
        TableFamily::Inet | TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => {}
    }
    if let Some((first, last)) = nat.to {
        sets.push(view.space.range(Field::Dst, first, last)?);
    }
    for field in [Field::Family, Field::Proto, Field::In] {
        if let Some(ranges) = wanted(table, rule, field) {
            sets.push(view.space.ranges(field, &ranges)?);
        }
    }
    if let Some(ranges) = wanted(table, rule, Field::Dport) {
        sets.push(view.space.ranges(Field::SentDport, &ranges)?);
        if nat.ports.is_none() {
            sets.push(view.space.ranges(Field::Dport, &ranges)?);
        }
    }
    if let Some((first, last)) = nat.ports {
        sets.push(view.space.range(Field::Dport, first.into(), last.into())?);
    }
    view.space.intersect_all(&sets)
}
