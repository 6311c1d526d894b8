//! SW0914: packets that fit no connection are judged as if they opened one.

use segwall_packetset::{Field, GaveUp};

use super::at_rule;
use crate::analysis::foreign::rules::End;
use crate::analysis::foreign::view::{View, stray};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;

/// Number of the state of packets that fit no connection.
const INVALID: u128 = 3;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let stray = view.space.cube(&stray())?;
    let (mut rules, mut shown) = (Vec::new(), None);
    for hook in [Hook::Input, Hook::Forward] {
        let Some(place) = view.place_of(hook) else { continue };
        let one = &view.hooks[place];
        let (accepts, usual) = (one.accepts, one.usual);
        let accepted = view.space.intersect_all(&[accepts, usual, stray])?;
        let accepted = view.coming_from_outside(accepted)?;
        for at in view.deciding(place, |end| end == End::Accept) {
            let surely = view.surely(place, at)?;
            let taken = view.space.intersect(accepted, surely)?;
            if !taken.is_empty() && !rules.contains(&at) {
                shown = shown.or(view.packet(taken, &[(Field::State, INVALID)]));
                rules.push(at);
            }
        }
    }
    let Some(at) = rules.first().copied() else { return Ok(()) };
    let message = "packets that fit no connection (INVALID) are accepted here as if they opened one";
    found.push(
        at_rule(view, codes::INVALID_ACCEPTED, Severity::Warning, at, message)
            .label("no state is asked for, and nothing drops INVALID before")
            .also(view, &rules[1..], "here too")
            .shown_by(shown)
            .help("drop them in front: `-m conntrack --ctstate INVALID -j DROP`, and accept with `--ctstate NEW`"),
    );
    Ok(())
}
