//! SW0903: what is open at one address of the box is open at all of them.

use segwall_packetset::{Field, GaveUp, proto};

use super::at_rule;
use crate::analysis::foreign::names::own_of;
use crate::analysis::foreign::rules::{End, asks};
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let (Some(other), Some(place)) = (view.names.other, view.place_of(Hook::Input)) else { return Ok(()) };
    let icmp = view.space.ranges(Field::Proto, &[proto::ICMP, proto::ICMPV6].map(|one| (one.into(), one.into())))?;
    for at in view.deciding(place, |end| end == End::Accept) {
        let asks_where = |field| view.rule(at).is_some_and(|rule| asks(rule, field));
        if [Field::Dst, Field::DstType, Field::DstTypeHere].into_iter().any(asks_where) {
            continue;
        }
        let accepted = view.accepted_by(place, at)?;
        let there = view.through(accepted, Field::In, other)?;
        // An echo is answered anywhere, and does no harm.
        let there = view.space.minus(there, icmp)?;
        // Whatever it is sent to: what remains when the destination is forgotten is the same.
        let opens = view.hooks[place].opens;
        let opens = view.through(opens, Field::In, other)?;
        let anywhere = view.space.exists(there, &[Field::Dst])?;
        let anywhere = view.space.intersect(anywhere, opens)?;
        if there.is_empty() || anywhere != there {
            continue;
        }
        let mut wishes = Vec::new();
        // An address in another network than the sender's shows it best.
        for network in &view.names.networks {
            let sender = view.packet(there, &wishes).map(|packet| packet.packet.flow.src);
            if sender.is_none_or(|sender| !network.contains(sender)) {
                wishes.push((Field::Dst, own_of(*network)));
            }
        }
        let packet = view.packet(there, &wishes);
        let message = "this is open at every address of the box, those it has in other segments too";
        found.push(
            at_rule(view, codes::ANY_OWN_ADDRESS, Severity::Warning, at, message)
                .label("no destination and no interface is asked for")
                .shown_by(packet)
                .help("Linux answers for all of its addresses on every interface: name the interface (`-i`) and the address (`-d`)"),
        );
    }
    Ok(())
}
