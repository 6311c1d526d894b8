//! SW0901: accepts that know a segment by its source address and by nothing else.
//!
//! What such a rule accepts is asked for by an interface that no rule names: if the rule takes it there, it takes it
//! anywhere.

use std::collections::BTreeMap;

use segwall_packetset::{AddrRange, Family, Field, GaveUp, Set};

use super::at_rule;
use crate::analysis::foreign::names::is_private;
use crate::analysis::foreign::rules::End;
use crate::analysis::foreign::view::{View, words_of};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::Hook;
use crate::netfilter::meaning::RuleAt;

/// By the addresses that are accepted: the rules, each with what it accepts.
type BySource = BTreeMap<(Family, Vec<AddrRange>), Vec<(RuleAt, Set)>>;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let Some(other) = view.names.other else { return Ok(()) };
    let mut by_source = BySource::new();
    for hook in [Hook::Input, Hook::Forward] {
        let Some(place) = view.place_of(hook) else { continue };
        for at in view.deciding(place, |end| end == End::Accept) {
            let accepted = view.accepted_by(place, at)?;
            let there = view.through(accepted, Field::In, other)?;
            for family in Family::BOTH {
                let sources = view.addresses(there, Field::Src, family)?;
                if !sources.is_empty() && sources.iter().all(|range| is_private(*range)) {
                    by_source.entry((family, sources)).or_default().push((at, accepted));
                }
            }
        }
    }
    for ((_, sources), rules) in by_source {
        let (at, accepted) = rules[0];
        let source = words_of(&sources);
        // An interface that stands for the outside is the better example.
        let wishes: Vec<_> = view.names.interfaces.iter().map(|name| (Field::In, *name)).collect();
        let packet = view.packet(accepted, &wishes);
        let others: Vec<RuleAt> = rules[1..].iter().map(|(at, _)| *at).collect();
        let message = format!("{source} is told apart by source address only: this accepts it by any interface");
        found.push(
            at_rule(view, codes::BY_SOURCE, Severity::Warning, at, message)
                .label("no interface is asked for")
                .also(view, &others, "nor here")
                .shown_by(packet)
                .help(
                    "name the interface (`-i`), and drop first what comes by an interface with a source of another; \
                     reverse-path filtering hides this for IPv4 where it is on, and never for IPv6",
                ),
        );
    }
    Ok(())
}
