//! SW0922 and SW0925: rules and chains that nothing comes to.

use std::collections::BTreeSet;

use segwall_packetset::GaveUp;

use super::at_rule;
use crate::analysis::foreign::rules::leads_to;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::{Diagnostic, Severity};
use crate::netfilter::meaning::RuleAt;
use crate::netfilter::{Table, TableFamily};
use crate::source::Span;

/// SW0922: rules behind one that decides everything.
pub(super) fn check(views: &mut [View<'_>], found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let Some(view) = views.first() else { return Ok(()) };
    for (program, one) in view.programs.clone().into_iter().enumerate() {
        for (table, tables) in one.tables.iter().enumerate() {
            for (chain, chains) in tables.chains.iter().enumerate() {
                let at = |rule| RuleAt { program, table, chain, rule };
                let is_reached = |rule| views.iter().any(|view| view.is_reached(at(rule)));
                if chains.rules.is_empty() || !is_reached(0) {
                    continue;
                }
                let Some(first) = (1..chains.rules.len()).find(|rule| !is_reached(*rule)) else { continue };
                let left = chains.rules.len() - first;
                let message = match left {
                    1 => "this is never reached: nothing comes past the rule before it".to_owned(),
                    _ => format!(
                        "these last {left} rules of {} are never reached: nothing comes past the one before",
                        chains.name
                    ),
                };
                found.push(
                    at_rule(view, codes::AFTER_FINAL, Severity::Warning, at(first), message)
                        .also(view, &[at(first - 1)], "nothing comes past this")
                        .help("take them out, or move them in front of it"),
                );
            }
        }
    }
    Ok(())
}

/// SW0925: a chain that no rule leads to.
pub(super) fn chains(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for (file, one) in view.programs.clone().into_iter().enumerate() {
        let modelled = |table: &&Table| matches!(table.family, TableFamily::Ip | TableFamily::Ip6 | TableFamily::Inet);
        for table in one.tables.iter().filter(modelled) {
            let all = table.chains.iter().flat_map(|chain| &chain.rules);
            let led: BTreeSet<&str> = all.flat_map(|rule| leads_to(table, rule)).collect();
            let alone = |chain: &&crate::netfilter::Chain| {
                chain.base.is_none() && !chain.rules.is_empty() && !led.contains(chain.name.as_str())
            };
            for chain in table.chains.iter().filter(alone) {
                let rules = chain.rules.len();
                let words = if rules == 1 { "rule does".to_owned() } else { format!("{rules} rules do") };
                let message = format!("no rule leads to the chain `{}`: its {words} nothing", chain.name);
                let span = chain.span.or(chain.rules[0].span).unwrap_or(Span::default());
                let diagnostic = Diagnostic::new(codes::CHAIN_UNUSED, Severity::Warning, span, message)
                    .help("add the jump that is missing, or take the chain out");
                found.push(Found { file, diagnostic });
            }
        }
    }
    Ok(())
}
