//! SW0916 to SW0918: what a script does on its way to the rules that it leaves.

use segwall_packetset::GaveUp;

use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::{Diagnostic, Severity};
use crate::netfilter::{Call, Change, Hook, Script, Table, TableFamily};

/// Chains whose moments matter, with their hooks.
const CHAINS: [(&str, Hook); 2] = [("FORWARD", Hook::Forward), ("INPUT", Hook::Input)];

/// SW0916: a moment in which the rules are gone and not there again.
pub(super) fn rule_by_rule(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for (file, program) in view.programs.clone().into_iter().enumerate() {
        let Some(script) = &program.script else { continue };
        for table in program.tables.iter().filter(|table| table.name == "filter") {
            let moments: Vec<(Moment<'_>, Hook)> =
                CHAINS.iter().filter_map(|(chain, hook)| Some((Moment::of(script, table, chain)?, *hook))).collect();
            let Some((moment, hook)) = moments.into_iter().max_by_key(|(moment, _)| moment.open) else { continue };
            let state = if moment.open { "open or cut off" } else { "cut off" };
            let message = format!(
                "the rules are taken out first and put back one by one: at each run the box is {state} in between"
            );
            let mut diagnostic = Diagnostic::new(codes::RULE_BY_RULE, Severity::Warning, moment.flush.span, message)
                .label("from here on its chains are empty");
            if let Some(policy) = moment.policy {
                let text = if moment.open {
                    "until here all passes if the policy was ACCEPT, and nothing if it was DROP"
                } else {
                    "nothing passes while this holds and no rule accepts"
                };
                diagnostic = diagnostic.also(policy.span, text);
            }
            diagnostic = diagnostic.also(moment.last.span, "only here all rules are back").help(
                "write the rules for `iptables-restore`, which replaces a table at once: `iptables-save` shows their form",
            );
            // What the finished rules drop, and the empty ones may let through.
            if let Some(place) = view.place_of(hook).filter(|_| moment.open) {
                let one = &view.hooks[place];
                let (drops, opens) = (one.drops, one.opens);
                let family = u128::from(table.family == TableFamily::Ip6);
                let own = view.space.range(segwall_packetset::Field::Family, family, family)?;
                let lost = view.space.intersect_all(&[drops, opens, own])?;
                if let Some(packet) = view.packet(lost, &[]) {
                    diagnostic = diagnostic.witness(packet);
                }
            }
            found.push(Found { file, diagnostic });
        }
    }
    Ok(())
}

/// The time between the calls that empty a chain and the last that fills it.
struct Moment<'s> {
    flush: &'s Call,
    /// The call that sets its last policy, behind the flush.
    policy: Option<&'s Call>,
    last: &'s Call,
    /// Whether it may be open, not only cut off.
    open: bool,
}

impl<'s> Moment<'s> {
    /// `None` where no packet fares otherwise in between: nothing is emptied, or nothing is refused at the end.
    fn of(script: &'s Script, table: &Table, chain: &str) -> Option<Self> {
        let own = |call: &&Call| call.family == table.family && call.table == table.name;
        let empties = |call: &&Call| match &call.change {
            Change::Flush(None) => true,
            Change::Flush(Some(name)) => name == chain,
            _ => false,
        };
        let sets = |call: &Call| matches!(&call.change, Change::Policy(name, _) if name == chain);
        let fills = |call: &&Call| matches!(&call.change, Change::Rule(name) if name == chain);
        let calls: Vec<&Call> = script.calls.iter().filter(own).collect();
        let flush = calls.iter().position(empties)?;
        let last = flush + 1 + calls[flush + 1..].iter().rposition(fills)?;
        let base = table.chains.iter().find(|one| one.name == chain)?.base?;
        if base.accepts {
            return None;
        }
        let before = calls[..flush].iter().rfind(|call| sets(call));
        let behind = calls[flush..].iter().rfind(|call| sets(call));
        // A policy of DROP before the flush keeps it shut.
        let shut = before.is_some_and(|call| matches!(call.change, Change::Policy(_, false)));
        Some(Self { flush: calls[flush], policy: behind.or(before).copied(), last: calls[last], open: !shut })
    }
}

/// SW0917: chains of others are emptied, too.
pub(super) fn wipes_others(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for (file, program) in view.programs.iter().enumerate() {
        let Some(script) = &program.script else { continue };
        let wipes = |call: &&Call| matches!(call.change, Change::Flush(None) | Change::DeleteChain(None));
        let calls: Vec<&Call> = script.calls.iter().filter(wipes).collect();
        let Some(first) = calls.iter().find(|call| call.change == Change::Flush(None)) else { continue };
        let message = format!(
            "this takes out every rule of the table `{}`, those of other programs too (containers, fail2ban, VPNs)",
            first.table
        );
        let mut diagnostic = Diagnostic::new(codes::WIPES_OTHERS, Severity::Warning, first.span, message)
            .help("keep your rules in chains of your own, and empty only these: `iptables -F MY-FORWARD`");
        for call in calls.iter().filter(|call| call.span != first.span) {
            let text = match call.change {
                Change::DeleteChain(_) => format!("and every chain of `{}` that is not built in", call.table),
                _ => format!("and every rule of `{}`", call.table),
            };
            diagnostic = diagnostic.also(call.span, text);
        }
        found.push(Found { file, diagnostic });
    }
    Ok(())
}

/// SW0918: nothing stops where a call fails.
pub(super) fn goes_on(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for (file, rules) in view.rules.iter().enumerate() {
        let Some(script) = &rules.program.script else { continue };
        // Where `||`, `if` or a trap may look at what a call returns, nothing is said.
        let looks = ["||", "&&", "trap ", "if ", "$?"].iter().any(|word| rules.source.text().contains(word));
        let changes = |call: &&Call| matches!(call.change, Change::Rule(_) | Change::Policy(..));
        let calls: Vec<&Call> = script.calls.iter().filter(changes).collect();
        let [first, .., last] = calls[..] else { continue };
        if looks || script.stops_at_failure {
            continue;
        }
        let message = "where a call fails the script goes on, and the rules stay half made";
        let diagnostic = Diagnostic::new(codes::GOES_ON, Severity::Warning, first.span, message)
            .label("from here")
            .also(last.span, "to here nobody looks whether a call succeeds")
            .help("load the rules in one go (`iptables-restore`), or at the least begin with `set -e`");
        found.push(Found { file, diagnostic });
    }
    Ok(())
}
