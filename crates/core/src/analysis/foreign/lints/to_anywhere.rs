//! SW0909: a port that a segment may use to any destination, hosts of other segments included.

use segwall_packetset::{Family, Field, GaveUp};

use super::at_rule;
use crate::analysis::foreign::names::{host_of, is_private};
use crate::analysis::foreign::rules::{End, asks};
use crate::analysis::foreign::view::{View, words_of};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let (Some(beyond), Some(place)) = (view.names.beyond, view.place_of(Hook::Forward)) else { return Ok(()) };
    for at in view.deciding(place, |end| end == End::Accept) {
        let Some(rule) = view.rule(at) else { continue };
        let names_sender = asks(rule, Field::Src) || asks(rule, Field::In);
        if !names_sender || !asks(rule, Field::Dport) || asks(rule, Field::Dst) || asks(rule, Field::Out) {
            continue;
        }
        let accepted = view.accepted_by(place, at)?;
        let there = view.through(accepted, Field::Out, beyond)?;
        for family in Family::BOTH {
            let sources = view.addresses(there, Field::Src, family)?;
            let targets = view.addresses(there, Field::Dst, family)?;
            let public = targets.iter().any(|target| !is_private(*target));
            let networks = view.names.networks.clone();
            // The sender's own network is reached without the box. Where the sender is known by its interface, any will do.
            let own = |network| asks(rule, Field::Src) && sources.iter().any(|source| source.overlaps(network));
            let inside: Vec<_> = networks
                .iter()
                .filter(|network| network.family() == family && !own(network))
                .filter(|network| targets.iter().any(|target| target.covers(network)))
                .copied()
                .collect();
            let (Some(first), true) = (inside.first(), public) else { continue };
            let number = u128::from(family == Family::V6);
            let packet = view.packet(there, &[(Field::Family, number), (Field::Dst, host_of(*first))]);
            let words = words_of(&inside);
            let message = format!("this port is not open to the internet only: {words} is reached too");
            found.push(
                at_rule(view, codes::TO_ANYWHERE, Severity::Warning, at, message)
                    .label("no destination is asked for")
                    .shown_by(packet)
                    .help(
                        "name the servers that are meant (`-d`), or at least the way out (`-o`); a port that is open to \
                         anywhere carries anything, DNS included",
                    ),
            );
        }
    }
    Ok(())
}
