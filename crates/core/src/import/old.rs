//! What the given rules do, as sets of packets, and which of their lines decide.

use std::collections::BTreeSet;

use segwall_packetset::{Field, GaveUp, Set, Space, interface_text};

use super::Given;
use super::grants::LineAt;
use crate::netfilter::meaning::{self, LogUse, Options, RuleAt, UnknownUse};
use crate::netfilter::{Action, ChainKind, Hook, NatKind, Program, Step, TableFamily, Verdicts};

/// What a policy's accepts tell packets apart by. Everything else is quantified: a rule of a policy holds for all of it.
const TOLD_APART: [Field; 9] = [
    Field::Family,
    Field::Proto,
    Field::IcmpType,
    Field::IcmpCode,
    Field::In,
    Field::Out,
    Field::Src,
    Field::Dst,
    Field::Dport,
];

/// Fields that no rule of a policy asks for.
pub(super) fn hidden() -> Vec<Field> {
    Field::ALL.into_iter().filter(|field| !TOLD_APART.contains(field)).collect()
}

/// What becomes of packets at a hook.
#[derive(Debug, Clone)]
pub(super) struct Old {
    /// May pass.
    pub may: Set,
    /// Surely pass.
    pub sure: Set,
    /// May be refused with an answer.
    pub rejects: Set,
    /// What is not decided.
    pub unknown: Vec<UnknownUse>,
    /// A rate decides.
    pub rates: Set,
    /// Messages.
    pub logs: Vec<LogUse>,
    /// Packets that each accepting rule may match.
    pub accepts: Vec<(RuleAt, Set)>,
}

/// What the rules do with packets of a hook.
pub(super) fn old(space: &mut Space, programs: &[&Program], hook: Hook, possible: Set) -> Result<Old, GaveUp> {
    let options = Options { entering: possible, collect_rules: true, ..Options::default() };
    let found = meaning::path(space, programs, hook, &options)?;
    let sure = space.minus(possible, found.may_drop)?;
    let mut rejects = Set::EMPTY;
    for (_, set) in &found.may_reject {
        rejects = space.union(rejects, *set)?;
    }
    let mut rates = Set::EMPTY;
    for one in found.rates.iter().filter(|one| one.decides) {
        rates = space.union(rates, one.reached)?;
    }
    let accepts = found.rules.iter().filter(|(at, _)| accepts(programs, *at)).map(|(at, used)| (*at, used.matched));
    let accepts = accepts.collect();
    Ok(Old { may: found.may_accept, sure, rejects, unknown: found.unknown, rates, logs: found.logs, accepts })
}

/// Whether a rule may accept by itself. The policy of a chain is no line that somebody wrote for these packets.
fn accepts(programs: &[&Program], at: RuleAt) -> bool {
    let chain = &programs[at.program].tables[at.table].chains[at.chain];
    let accept = |action: &Action| matches!(action, Action::Accept);
    chain.rules.get(at.rule).is_some_and(|rule| {
        rule.steps.iter().any(|step| match step {
            Step::Do(action) => accept(action),
            Step::Verdicts { entries: Verdicts::Here(list), .. } => list.iter().any(|(_, action)| accept(action)),
            Step::Verdicts { entries: Verdicts::Map(_), .. } => true,
            Step::Match(_) => false,
        })
    })
}

/// The line of a rule, in sources that are text.
pub(super) fn line_of(given: &Given<'_>, at: RuleAt) -> Option<LineAt> {
    let (source, program) = given.programs.get(at.program)?;
    let chain = &program.tables.get(at.table)?.chains[at.chain];
    let span = match chain.rules.get(at.rule) {
        Some(rule) => rule.span?,
        None => chain.span?,
    };
    Some(LineAt { program: at.program, line: source.line(span.start) })
}

/// A rule in words: its place, its line, or its number.
pub(super) fn rule_words(given: &Given<'_>, at: RuleAt) -> String {
    let Some((source, program)) = given.programs.get(at.program) else { return "a rule".to_owned() };
    let table = &program.tables[at.table];
    let chain = &table.chains[at.chain];
    let number = at.rule + 1;
    match (line_of(given, at), chain.rules.get(at.rule)) {
        (Some(LineAt { line, .. }), Some(_)) => format!("{}:{line}", source.name()),
        (Some(LineAt { line, .. }), None) => format!("{}:{line}, the policy of {}", source.name(), chain.name),
        (None, None) => format!("{}: {} {}: the chain's policy", source.name(), table.name, chain.name),
        (None, Some(rule)) => match &rule.comment {
            Some(comment) => format!("{}: {} {}: rule {number} ({comment})", source.name(), table.name, chain.name),
            None => format!("{}: {} {}: rule {number}", source.name(), table.name, chain.name),
        },
    }
}

/// Whether no table filters IPv6 at all.
pub(super) fn ipv6_unfiltered(programs: &[&Program]) -> bool {
    let filters = |family| matches!(family, TableFamily::Ip6 | TableFamily::Inet);
    !programs
        .iter()
        .flat_map(|program| &program.tables)
        .filter(|table| filters(table.family))
        .flat_map(|table| &table.chains)
        .any(|chain| {
            chain.base.is_some_and(|base| {
                base.kind == ChainKind::Filter
                    && matches!(base.hook, Hook::Input | Hook::Forward)
                    && (!base.accepts || !chain.rules.is_empty())
            })
        })
}

/// Interfaces that sources are translated for, by their names.
pub(super) fn outward(space: &mut Space, programs: &[&Program]) -> Result<BTreeSet<String>, GaveUp> {
    /// A rule that names more is about something else.
    const INTERFACES_MAX: u128 = 16;
    let mut names = BTreeSet::new();
    let found = meaning::translation(space, programs, Hook::Postrouting)?;
    for (nat, set) in found.uses {
        if !matches!(nat.kind, NatKind::Masquerade | NatKind::Source) {
            continue;
        }
        let others: Vec<Field> = Field::ALL.into_iter().filter(|field| *field != Field::Out).collect();
        let out = space.exists(set, &others)?;
        let cubes: Vec<_> = space.boxes(out).take(2).collect();
        for (first, last) in cubes.iter().filter_map(|cube| cube.get(Field::Out)).flatten() {
            if last - first < INTERFACES_MAX {
                names.extend((*first..=*last).filter_map(interface_text).filter(|name| !name.is_empty()));
            }
        }
    }
    Ok(names)
}
