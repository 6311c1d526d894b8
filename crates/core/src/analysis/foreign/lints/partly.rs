//! SW0906: a drop between two ends of which earlier rules accept a part.

use segwall_packetset::{Field, GaveUp};

use super::at_rule;
use crate::analysis::foreign::rules::{End, asks};
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for place in 0..view.hooks.len() {
        let accepts = view.deciding(place, |end| end == End::Accept);
        for at in view.deciding(place, End::refuses) {
            // A drop of everything behind accepts is how most rule sets end: only those that name both ends are meant.
            let Some(rule) = view.rule(at).filter(|rule| asks(rule, Field::Src) && asks(rule, Field::Dst)) else {
                continue;
            };
            let word = End::of(rule).word();
            let one = &view.hooks[place];
            let (opens, accepted) = (one.opens, one.accepts);
            if !one.is_matched(view.space, at) {
                continue;
            }
            let alone = view.alone(place, at)?.surely;
            let alone = view.space.intersect_all(&[alone, opens, accepted])?;
            let reached = view.reached(place, at)?;
            let lost = view.space.minus(alone, reached)?;
            if lost.is_empty() {
                continue;
            }
            let mut by = Vec::new();
            for earlier in accepts.iter().filter(|earlier| is_before(**earlier, at)) {
                let surely = view.surely(place, *earlier)?;
                if !view.space.is_disjoint(lost, surely) {
                    by.push(*earlier);
                }
            }
            if by.is_empty() {
                continue;
            }
            let packet = view.packet(lost, &[]);
            let message = format!("this {word} comes too late for a part of what it names: earlier rules accept that");
            found.push(
                at_rule(view, codes::PARTLY, Severity::Note, at, message)
                    .also(view, &by, "accepts some of it")
                    .shown_by(packet)
                    .help(format!("if the {word} is meant without exception, move it in front")),
            );
        }
    }
    Ok(())
}

fn is_before(earlier: RuleAt, at: RuleAt) -> bool {
    RuleAt { rule: at.rule, ..earlier } == at && earlier.rule < at.rule
}
