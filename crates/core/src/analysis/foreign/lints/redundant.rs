//! SW0907: a rule without which every packet would fare the same.

use segwall_packetset::{GaveUp, Set};

use super::at_rule;
use crate::analysis::foreign::rules::{End, logs};
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::analysis::proof::LOOPBACK;
use crate::diag::{NamedPacket, Severity};
use crate::netfilter::meaning::RuleAt;
use crate::netfilter::{Action, Rule, Step};

pub(super) fn check(views: &mut [View<'_>], found: &mut Vec<Found>) -> Result<(), GaveUp> {
    views.iter_mut().try_for_each(|view| of_view(view, found))
}

fn of_view(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for place in 0..view.hooks.len() {
        for (program, one) in view.programs.clone().into_iter().enumerate() {
            for (table, tables) in one.tables.iter().enumerate() {
                for (chain, chains) in tables.chains.iter().enumerate() {
                    let Some(base) = chains.base.filter(|base| base.hook == view.hooks[place].hook) else { continue };
                    let at = |rule| RuleAt { program, table, chain, rule };
                    let given = super::is_policy_given(view, at(chains.rules.len()));
                    let policy = match (given, base.accepts) {
                        (false, _) => End::Other,
                        (true, true) => End::Accept,
                        (true, false) => End::Drop,
                    };
                    of_chain(view, place, &at, (&chains.rules, policy), found)?;
                }
            }
        }
    }
    Ok(())
}

/// From the last rule to the first: what stands behind, by what it does.
#[derive(Debug, Clone, Copy)]
struct Behind {
    /// Packets that some rule may accept, or treat in another way than accepting or dropping.
    not_drop: Set,
    /// The same with dropping.
    not_accept: Set,
    /// Packets that some rule surely drops.
    drops: Set,
    /// Packets that some rule surely accepts.
    accepts: Set,
    /// Packets that some rule would log.
    logs: Set,
}

fn of_chain(
    view: &mut View<'_>,
    place: usize,
    at: &dyn Fn(usize) -> RuleAt,
    (rules, policy): (&[Rule], End),
    found: &mut Vec<Found>,
) -> Result<(), GaveUp> {
    let empty = Set::EMPTY;
    let mut behind = Behind { not_drop: empty, not_accept: empty, drops: empty, accepts: empty, logs: empty };
    for (number, rule) in rules.iter().enumerate().rev() {
        let at = at(number);
        let end = End::of(rule);
        if only_decides(rule) && view.hooks[place].is_matched(view.space, at) {
            let matched = view.matched(place, at)?;
            let (others, same) = match end {
                End::Drop => (behind.not_drop, behind.drops),
                End::Accept => (behind.not_accept, behind.accepts),
                End::Reject | End::Passes | End::Other => (Set::ALL, empty),
            };
            let left = view.space.minus(matched, same)?;
            let undisturbed = view.space.intersect(matched, others)?.is_empty();
            if undisturbed && (end == policy || left.is_empty()) {
                report(view, (place, at, end), left.is_empty(), behind.logs, found)?;
            }
        }
        let alone = view.alone(place, at)?;
        let add = |view: &mut View<'_>, to: &mut Set, set: Set| -> Result<(), GaveUp> {
            *to = view.space.union(*to, set)?;
            Ok(())
        };
        if end != End::Drop && end != End::Passes {
            add(view, &mut behind.not_drop, alone.matched)?;
        }
        if end != End::Accept && end != End::Passes {
            add(view, &mut behind.not_accept, alone.matched)?;
        }
        match end {
            End::Drop => add(view, &mut behind.drops, alone.surely)?,
            End::Accept => add(view, &mut behind.accepts, alone.surely)?,
            End::Reject | End::Passes | End::Other => {}
        }
        if logs(rule) {
            add(view, &mut behind.logs, alone.matched)?;
        }
    }
    Ok(())
}

/// Whether a rule does nothing but decide, and count.
fn only_decides(rule: &Rule) -> bool {
    let decides = |action: &Action| matches!(action, Action::Accept | Action::Drop | Action::Nothing);
    rule.steps.iter().all(|step| matches!(step, Step::Match(_)) || matches!(step, Step::Do(action) if decides(action)))
}

fn report(
    view: &mut View<'_>,
    (place, at, end): (usize, RuleAt, End),
    by_rules: bool,
    logged: Set,
    found: &mut Vec<Found>,
) -> Result<(), GaveUp> {
    let matched = view.matched(place, at)?;
    let opens = view.hooks[place].opens;
    let usual = view.space.intersect(matched, opens)?;
    // What the box tells itself says little.
    let own = |packet: &NamedPacket| packet.output.as_deref() == Some(LOOPBACK);
    let packet = view.packet(if usual.is_empty() { matched } else { usual }, &[]).filter(|packet| !own(packet));
    let word = end.word();
    let does = if end == End::Drop { "drops" } else { "accepts" };
    let message = if by_rules {
        format!("no packet would fare otherwise without this {word}: a later rule {does} it as well")
    } else {
        format!("no packet would fare otherwise without this {word}: the policy of the chain {does} it as well")
    };
    let is_logged = !view.space.intersect(matched, logged)?.is_empty();
    let mut one = at_rule(view, codes::REDUNDANT, Severity::Note, at, message).shown_by(packet);
    one = if is_logged && end == End::Drop {
        one.label("all it does is to keep this from the log")
            .help("take it out, and what it drops is logged as all else")
    } else {
        one.help("take it out, or keep it as a comment that counts packets")
    };
    found.push(one);
    Ok(())
}
