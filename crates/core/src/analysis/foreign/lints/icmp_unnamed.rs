//! SW0913: no rule names ICMP, so that rules for other things decide what becomes of it.

use segwall_packetset::{Cube, Field, GaveUp, proto};

use super::at_rule;
use crate::analysis::foreign::rules::{asks, named};
use crate::analysis::foreign::view::{View, is_deciding};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;
use crate::netfilter::meaning::RuleAt;

/// Type of an echo request.
const ECHO: u128 = 8;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let (Some(other), Some(place)) = (view.names.other, view.place_of(Hook::Input)) else { return Ok(()) };
    if names_icmp(view) {
        return Ok(());
    }
    let echo = Cube::all()
        .with_only(Field::Family, 0)
        .with_only(Field::Proto, u128::from(proto::ICMP))
        .with_only(Field::IcmpType, ECHO)
        .with_only(Field::In, other);
    let echo = view.space.cube(&echo)?;
    let echo = view.space.intersect(echo, view.hooks[place].opens)?;
    if !view.space.minus(echo, view.hooks[place].drops)?.is_empty() {
        return Ok(());
    }
    let Some(at) = first(view, place) else { return Ok(()) };
    let packet = view.packet(echo, &[]);
    let message = "no rule names ICMP: rules for other things decide about it, and an echo request that comes to the box is dropped";
    found.push(at_rule(view, codes::ICMP_UNNAMED, Severity::Note, at, message).shown_by(packet).help(
        "accept echo requests from those who may ask, within a limit; errors about known connections (path MTU \
                 among them) pass as RELATED where that is accepted",
    ));
    Ok(())
}

/// Whether a rule speaks of ICMP or ICMPv6 by name, or of their types.
fn names_icmp(view: &View<'_>) -> bool {
    let mut is_named =
        view.every_rule().into_iter().any(|at| view.rule(at).is_some_and(|rule| asks(rule, Field::IcmpType)));
    for program in &view.programs {
        named(program, Field::Proto, |_, (first, last)| {
            is_named |= first == last && [proto::ICMP, proto::ICMPV6].map(u128::from).contains(&first);
        });
    }
    is_named
}

/// The policy of the first chain that decides about what comes to the box.
pub(super) fn first(view: &View<'_>, place: usize) -> Option<RuleAt> {
    let hook = view.hooks[place].hook;
    view.programs.iter().enumerate().find_map(|(program, one)| {
        one.tables.iter().enumerate().find_map(|(table, tables)| {
            let decides = |base: crate::netfilter::Base| is_deciding(base.kind, base.hook, hook) && !base.accepts;
            let chain = tables.chains.iter().position(|chain| chain.base.is_some_and(decides))?;
            Some(RuleAt { program, table, chain, rule: tables.chains[chain].rules.len() })
        })
    })
}
