//! SW0908: an accept from anyone to private addresses, with no translation that would lead the internet there.

use segwall_packetset::{AddrRange, Family, Field, GaveUp};

use super::at_rule;
use crate::analysis::foreign::names::{host_of, is_private};
use crate::analysis::foreign::rules::{End, asks};
use crate::analysis::foreign::view::{View, words_of};
use crate::analysis::foreign::{Found, codes};
use crate::analysis::proof::terms::address;
use crate::diag::Severity;
use crate::netfilter::{Hook, NatKind, meaning};

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let (Some(other), Some(place)) = (view.names.other, view.place_of(Hook::Forward)) else { return Ok(()) };
    let translations = meaning::translation(view.space, &view.programs, Hook::Prerouting)?;
    for at in view.deciding(place, |end| end == End::Accept) {
        if view
            .rule(at)
            .is_none_or(|rule| [Field::Src, Field::In, Field::Mac, Field::Mark].iter().any(|field| asks(rule, *field)))
        {
            continue;
        }
        let accepted = view.accepted_by(place, at)?;
        let there = view.through(accepted, Field::In, other)?;
        for family in Family::BOTH {
            let targets = view.addresses(there, Field::Dst, family)?;
            if targets.is_empty() || !targets.iter().all(|range| is_private(*range)) {
                continue;
            }
            // From addresses of the internet, and from another network than the one it leads to.
            let sources = view.addresses(there, Field::Src, family)?;
            let is_target = |network: &AddrRange| targets.iter().any(|target| target.overlaps(network));
            let networks = view.names.networks.clone();
            let another = networks.iter().find(|network| {
                network.family() == family && !is_target(network) && sources.iter().any(|source| source.covers(network))
            });
            let public = sources.iter().any(|source| !is_private(*source));
            let (Some(another), true) = (another, public) else { continue };
            let number = u128::from(family == Family::V6);
            let leads = translations.uses.iter().any(|(nat, _)| match (nat.kind, nat.to) {
                (NatKind::Destination | NatKind::Netmap, Some((first, last))) => {
                    AddrRange::new(address(number, first), address(number, last))
                        .is_none_or(|to| targets.iter().any(|target| target.overlaps(&to)))
                }
                (NatKind::Destination | NatKind::Netmap, None) => true,
                (NatKind::Redirect | NatKind::Source | NatKind::Masquerade, _) => false,
            });
            if leads {
                continue;
            }
            let packet = view.packet(there, &[(Field::Family, number), (Field::Src, host_of(*another))]);
            let target = words_of(&targets);
            let message =
                format!("this lets other segments in as well, and no DNAT here leads the internet to {target}");
            found.push(
                at_rule(view, codes::FROM_ANYONE, Severity::Warning, at, message)
                    .label("from anyone, by any interface")
                    .shown_by(packet)
                    .help(
                        "name the segments that are meant (`-i`, `-s`); to publish a service, translate a public address to \
                         it and accept `-m conntrack --ctstate DNAT`",
                    ),
            );
        }
    }
    Ok(())
}
