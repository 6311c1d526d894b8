//! SW0912: a rule names an interface that the box does not have.

use std::collections::BTreeMap;

use segwall_packetset::{Field, GaveUp, interface, interface_text};

use super::at_rule;
use crate::analysis::foreign::rules::named_by;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::analysis::proof::LOOPBACK;
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let Some(interfaces) = view.interfaces else { return Ok(()) };
    let is_there = |name: u128| {
        let known = interfaces.iter().filter_map(|one| interface(&one.name));
        known.chain(interface(LOOPBACK)).any(|one| one == name)
    };
    // By name: the rules that name it.
    let mut missing: BTreeMap<String, Vec<RuleAt>> = BTreeMap::new();
    for at in view.every_rule() {
        let Some(rule) = view.rule(at) else { continue };
        for field in [Field::In, Field::Out] {
            named_by(view.table(at), rule, field, &mut |(first, last)| {
                if let Some(name) = interface_text(first).filter(|_| first == last && !is_there(first)) {
                    missing.entry(name).or_default().push(at);
                }
            });
        }
    }
    for (name, rules) in missing {
        let message = format!("there is no interface `{name}` on the box, as far as what you gave says");
        found.push(
            at_rule(view, codes::INTERFACE_UNKNOWN, Severity::Warning, rules[0], message)
                .label("configured nowhere")
                .also(view, &rules[1..], "named here too")
                .help("configure the interface, or correct the name: until then no packet comes or goes by it"),
        );
    }
    Ok(())
}
