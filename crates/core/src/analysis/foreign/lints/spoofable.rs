//! SW0924: an interface by which addresses of networks behind other interfaces are accepted.

use segwall_packetset::{AddrRange, Field, GaveUp, Set, interface};

use super::at_rule;
use crate::analysis::foreign::names::{ends, host_of};
use crate::analysis::foreign::rules::{End, asks};
use crate::analysis::foreign::view::{View, words_of};
use crate::analysis::foreign::{Found, Interface, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;
use crate::netfilter::meaning::RuleAt;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let Some(interfaces) = view.interfaces else { return Ok(()) };
    let mut rules = Vec::new();
    for hook in [Hook::Forward, Hook::Input] {
        let Some(place) = view.place_of(hook) else { continue };
        for at in view.deciding(place, |end| end == End::Accept) {
            let accepted = view.accepted_by(place, at)?;
            if !accepted.is_empty() {
                rules.push((at, accepted));
            }
        }
    }
    // Rules that give rights to an address first.
    rules.sort_by_key(|(at, _)| !view.rule(*at).is_some_and(|rule| asks(rule, Field::Src)));
    for own in interfaces {
        let Some(name) = interface(&own.name) else { continue };
        let (mut taken, mut by, mut shown) = (Vec::new(), Vec::new(), None);
        for network in foreign(own, interfaces) {
            let (first, last) = ends(network);
            let from = view.space.range(Field::Src, first, last)?;
            let number = u128::from(network.family() == segwall_packetset::Family::V6);
            let family = view.space.range(Field::Family, number, number)?;
            for (at, accepted) in &rules {
                let here = view.through(*accepted, Field::In, name)?;
                let lies: Set = view.space.intersect_all(&[here, from, family])?;
                if lies.is_empty() {
                    continue;
                }
                let wishes = [(Field::In, name), (Field::Src, host_of(network))];
                shown = shown.or(view.packet(lies, &wishes));
                if !taken.contains(&network) {
                    taken.push(network);
                }
                if !by.contains(at) {
                    by.push(*at);
                }
            }
        }
        let Some(first) = by.first().copied() else { continue };
        let by: Vec<RuleAt> = by.into_iter().filter(|at| *at != first).collect();
        let message =
            format!("`{}` takes the addresses of others: {} is accepted from there", own.name, words_of(&taken));
        found.push(
            at_rule(view, codes::SPOOFABLE, Severity::Warning, first, message)
                .also(view, &by, "accepts it as well")
                .shown_by(shown)
                .help(format!(
                    "drop first what comes by `{}` with a source of another network: `-i {} -s NETWORK -j DROP`",
                    own.name, own.name
                )),
        );
    }
    Ok(())
}

/// Networks behind other interfaces, and not behind this one.
fn foreign(own: &Interface, interfaces: &[Interface]) -> Vec<AddrRange> {
    let others = interfaces.iter().filter(|one| one.name != own.name).flat_map(|one| &one.networks);
    let mut list: Vec<AddrRange> =
        others.filter(|network| !own.networks.iter().any(|mine| mine.overlaps(network))).copied().collect();
    list.sort_unstable();
    list.dedup();
    list
}
