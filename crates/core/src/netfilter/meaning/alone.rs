//! A rule by itself: what it would match if every packet reached it.

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::chains::Course;
use super::flows::Flows;
use super::summary::{Event, Summary};
use super::view::{Place, View};
use super::walk::Walk;
use super::{Options, RuleAt, RuleUse};
use crate::netfilter::{ChainKind, Hook, Program, Rule, Step, TableFamily};

/// What each rule matches of the packets that enter, whatever stands before it. Nothing is done to them: a jump does not
/// count, nor what an earlier rule would have set.
///
/// # Errors
/// When the space gives up.
pub fn alone(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    options: &Options,
    rules: &[RuleAt],
) -> Result<Vec<RuleUse>, GaveUp> {
    let mut walk = Walk::new(space, programs, Options { collect_rules: true, ..*options });
    rules.iter().map(|at| one(&mut walk, hook, *at)).collect()
}

fn one(walk: &mut Walk<'_, '_>, hook: Hook, at: RuleAt) -> Result<RuleUse, GaveUp> {
    let table = &walk.programs[at.program].tables[at.table];
    let chain = &table.chains[at.chain];
    let seen = match table.family {
        TableFamily::Ip => walk.space.range(Field::Family, 0, 0)?,
        TableFamily::Ip6 => walk.space.range(Field::Family, 1, 1)?,
        TableFamily::Inet | TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => Set::ALL,
    };
    let reached = walk.space.intersect(seen, walk.options.entering)?;
    let Some(rule) = chain.rules.get(at.rule) else {
        return Ok(RuleUse { reached, matched: reached, surely: reached });
    };
    let rule = conditions(rule);
    // A chain that is jumped to is judged as one of the filter table is.
    let priority = chain.base.map_or(Some(0), |base| (base.kind != ChainKind::Nat).then_some(base.priority));
    let view = View::new(Place::of(hook, priority, walk.translates));
    let (mut summary, mut next) = (Summary::new(), Flows::default());
    let place = (at.program, at.table, at.chain);
    let mut course = Course { at: place, rule: at.rule, limited: false, summary: &mut summary, next: &mut next };
    walk.rule(&mut course, &rule, view, reached)?;
    let (mut matched, mut missed) = (Set::EMPTY, Set::EMPTY);
    for (_, event, set) in &summary.events {
        match event {
            Event::Matched => matched = walk.space.union(matched, *set)?,
            Event::Missed => missed = walk.space.union(missed, *set)?,
            _ => {}
        }
    }
    let missed = walk.space.intersect(matched, missed)?;
    let surely = walk.space.minus(matched, missed)?;
    Ok(RuleUse { reached, matched, surely })
}

/// Its matches, without what is done.
fn conditions(rule: &Rule) -> Rule {
    let steps = rule.steps.iter().filter(|step| matches!(step, Step::Match(_) | Step::Verdicts { .. }));
    Rule { steps: steps.cloned().collect(), ..Rule::default() }
}
