//! SW0915: nothing limits how many connections anyone opens.

use segwall_packetset::GaveUp;

use super::at_rule;
use crate::analysis::foreign::rules::End;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    // A match that is not known may be a limit.
    let depends =
        |one: &crate::netfilter::meaning::Hooked| one.rates.iter().any(|rate| rate.decides) || !one.unknown.is_empty();
    if view.hooks.iter().any(|one| depends(&one.hooked)) {
        return Ok(());
    }
    for hook in [Hook::Input, Hook::Forward] {
        let Some(place) = view.place_of(hook) else { continue };
        for at in view.deciding(place, |end| end == End::Accept) {
            let accepted = view.accepted_by(place, at)?;
            let accepted = view.coming_from_outside(accepted)?;
            if accepted.is_empty() {
                continue;
            }
            let packet = view.packet(accepted, &[]);
            let message = "no rule limits new connections: who may open one here may open any number";
            found.push(
                at_rule(view, codes::CONNECTIONS_UNLIMITED, Severity::Note, at, message)
                    .label("this is the first that accepts them")
                    .shown_by(packet)
                    .help("limit them for each source: `-m hashlimit --hashlimit-mode srcip …`, or `-m connlimit`"),
            );
            return Ok(());
        }
    }
    Ok(())
}
