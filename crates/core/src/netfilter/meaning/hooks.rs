//! Every base chain at a hook, and every hook on a packet's way.

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::super::model::{ChainKind, Hook, Program, TableFamily};
use super::keys::Known;
use super::mark::Flows;
use super::walk::Walk;
use super::{Hooked, Options, RuleAt, RuleUse, UnknownUse};

/// The kernel translates destinations at this priority (`NF_IP_PRI_NAT_DST`).
const DESTINATION_NAT: i32 = -100;
/// The kernel looks a packet's connection up at this priority (`NF_IP_PRI_CONNTRACK`).
const CONNECTION_TRACKING: i32 = -200;
/// Connection state before that: no connection is attached.
const INVALID: u128 = 3;
const UNTRACKED: u128 = 4;

/// What the chains that filter at one hook do. Every one of them has to accept.
///
/// # Errors
/// When the space gives up.
pub fn filter(space: &mut Space, programs: &[&Program], hook: Hook, options: &Options) -> Result<Hooked, GaveUp> {
    let mut known = Known::new();
    let mut hooked = nothing();
    let flows =
        at_hook(space, programs, hook, options, &mut known, &mut hooked, Flows::of(options.entering), &|_| true)?;
    hooked.may_accept = flows.total(space)?;
    Ok(hooked)
}

/// What becomes of packets on all of their way: before routing, at the hook (input, forward or output), and after
/// routing, as far as these filter. Translation is not part of it: packets are described as they are at the hook.
///
/// # Errors
/// When the space gives up.
pub fn path(space: &mut Space, programs: &[&Program], hook: Hook, options: &Options) -> Result<Hooked, GaveUp> {
    let mut known = Known::new();
    let mut hooked = nothing();
    before(space, programs, hook, options, &mut known, &mut hooked)?;
    let stopped = must_drop(space, &hooked)?;
    let passed = space.minus(options.entering, stopped)?;
    let undecided = !hooked.unknown.is_empty();
    let mut flows = Flows::of(passed);
    let later = |priority| hook != Hook::Output || priority > CONNECTION_TRACKING;
    flows = at_hook(space, programs, hook, options, &mut known, &mut hooked, flows, &later)?;
    if matches!(hook, Hook::Forward | Hook::Output) {
        flows = at_hook(space, programs, Hook::Postrouting, options, &mut known, &mut hooked, flows, &|_| true)?;
    }
    devices(programs, options, &mut hooked);
    hooked.may_accept = flows.total(space)?;
    if hooked.unknown.iter().any(|one| one.at.is_none()) {
        hooked.may_drop = space.union(hooked.may_drop, options.entering)?;
    }
    untracked(space, &mut hooked, undecided)?;
    Ok(hooked)
}

/// What connection tracking is told to leave alone meets the rules as untracked, whatever its state would be. The sets
/// speak of the state that it would have.
fn untracked(space: &mut Space, hooked: &mut Hooked, undecided: bool) -> Result<(), GaveUp> {
    let alone = hooked.may_untrack;
    if alone.is_empty() {
        return Ok(());
    }
    let rejects = hooked.may_reject.iter_mut().map(|(_, set)| set);
    let rates = hooked.rates.iter_mut().map(|one| &mut one.reached);
    let logs = hooked.logs.iter_mut().map(|one| &mut one.reached);
    let unknown = hooked.unknown.iter_mut().map(|one| &mut one.reached);
    let verdicts = [&mut hooked.may_accept, &mut hooked.may_drop].into_iter();
    for set in verdicts.chain(rejects).chain(rates).chain(logs).chain(unknown) {
        let then = space.restrict(*set, Field::State, UNTRACKED)?;
        let then = space.intersect(then, alone)?;
        let tracked = if undecided { *set } else { space.minus(*set, alone)? };
        *set = space.union(tracked, then)?;
    }
    Ok(())
}

fn nothing() -> Hooked {
    Hooked {
        may_accept: Set::EMPTY,
        may_drop: Set::EMPTY,
        may_untrack: Set::EMPTY,
        may_reject: Vec::new(),
        rates: Vec::new(),
        logs: Vec::new(),
        unknown: Vec::new(),
        rules: Vec::new(),
    }
}

/// A base chain's place and priority.
struct BaseAt {
    priority: i32,
    program: usize,
    table: usize,
    chain: usize,
}

fn bases(programs: &[&Program], hook: Hook, wanted: &dyn Fn(ChainKind) -> bool) -> Vec<BaseAt> {
    let mut list = Vec::new();
    for (program, tables) in programs.iter().enumerate().map(|(at, program)| (at, &program.tables)) {
        for (table, chains) in tables.iter().enumerate().map(|(at, table)| (at, &table.chains)) {
            for (chain, base) in chains.iter().enumerate().filter_map(|(at, chain)| Some((at, chain.base?))) {
                if base.hook == hook && wanted(base.kind) {
                    list.push(BaseAt { priority: base.priority, program, table, chain });
                }
            }
        }
    }
    list.sort_by_key(|base| base.priority);
    list
}

pub(super) fn family_of(family: TableFamily) -> Option<&'static [(u128, u128)]> {
    match family {
        TableFamily::Ip => Some(&[(0, 0)]),
        TableFamily::Ip6 => Some(&[(1, 1)]),
        TableFamily::Inet => Some(&[(0, 1)]),
        TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => None,
    }
}

/// The filtering chains of a hook, one after the other; gives what all of them may accept.
#[allow(clippy::too_many_arguments, reason = "what a walk shares between its chains")]
fn at_hook(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    options: &Options,
    known: &mut Known,
    hooked: &mut Hooked,
    entering: Flows,
    wanted: &dyn Fn(i32) -> bool,
) -> Result<Flows, GaveUp> {
    let mut flows = entering;
    for base in bases(programs, hook, &|kind| kind != ChainKind::Nat).into_iter().filter(|base| wanted(base.priority)) {
        flows = base_chain(space, programs, options, known, hooked, flows, &base)?;
    }
    Ok(flows)
}

fn base_chain(
    space: &mut Space,
    programs: &[&Program],
    options: &Options,
    known: &mut Known,
    hooked: &mut Hooked,
    flows: Flows,
    at: &BaseAt,
) -> Result<Flows, GaveUp> {
    let table = &programs[at.program].tables[at.table];
    let chain = &table.chains[at.chain];
    let Some(families) = family_of(table.family) else { return Ok(flows) };
    let ours = space.ranges(Field::Family, families)?;
    let (mut inside, mut passing) = (Flows::default(), Flows::default());
    for (mark, set) in flows.iter() {
        let mine = space.intersect(set, ours)?;
        inside.add(space, mark, mine)?;
        let others = space.minus(set, ours)?;
        passing.add(space, mark, others)?;
    }
    let mut walk = Walk::new(space, programs, options, known, hooked, (at.program, at.table));
    let fell = walk.chain(at.chain, inside)?;
    let accepted = walk.accepted;
    passing.add_all(space, &accepted)?;
    let policy = chain.base.is_some_and(|base| base.accepts);
    if options.collect_rules && !fell.is_empty() {
        let set = fell.total(space)?;
        let end = RuleAt { program: at.program, table: at.table, chain: at.chain, rule: chain.rules.len() };
        hooked.rules.push((end, RuleUse { reached: set, matched: set, surely: set }));
    }
    if policy {
        passing.add_all(space, &fell)?;
    } else {
        let set = fell.total(space)?;
        hooked.may_drop = space.union(hooked.may_drop, set)?;
    }
    Ok(passing)
}

/// Packets that no undecided step lets through.
fn must_drop(space: &mut Space, hooked: &Hooked) -> Result<Set, GaveUp> {
    space.minus(hooked.may_drop, hooked.may_accept)
}

/// The filtering chains before routing, and of what the box sends those before connection tracking. Before routing a
/// packet has no output interface yet; before connection tracking it has no state, and before destinations are
/// translated it has the destination that was sent.
fn before(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    options: &Options,
    known: &mut Known,
    hooked: &mut Hooked,
) -> Result<(), GaveUp> {
    let mut may_accept = Set::ALL;
    let mut may_drop = Set::EMPTY;
    let from = if hook == Hook::Output { Hook::Output } else { Hook::Prerouting };
    let early = |base: &BaseAt| from == Hook::Prerouting || base.priority <= CONNECTION_TRACKING;
    for base in bases(programs, from, &|kind| kind != ChainKind::Nat).into_iter().filter(early) {
        let program = programs[base.program];
        if program.tables[base.table].chains[base.chain].rules.is_empty()
            && program.tables[base.table].chains[base.chain].base.is_some_and(|base| base.accepts)
        {
            continue;
        }
        let mut here = nothing();
        let whole = Options { entering: Set::ALL, ..*options };
        let flows = base_chain(space, programs, &whole, known, &mut here, Flows::of(Set::ALL), &base)?;
        let accept = flows.total(space)?;
        let translated = from == Hook::Output || base.priority > DESTINATION_NAT;
        let tracked = base.priority > CONNECTION_TRACKING;
        let seen = |space: &mut Space, set: Set| as_at_hook(space, set, from, translated, tracked);
        let accept = seen(space, accept)?;
        let drop = seen(space, here.may_drop)?;
        if !tracked {
            let alone = seen(space, here.may_untrack)?;
            hooked.may_untrack = space.union(hooked.may_untrack, alone)?;
        }
        let mut rejects = Vec::new();
        for (how, set) in here.may_reject {
            rejects.push((how, seen(space, set)?));
        }
        for mut one in here.unknown {
            one.reached = seen(space, one.reached)?;
            hooked.unknown.push(one);
        }
        for mut one in here.rates {
            one.reached = seen(space, one.reached)?;
            hooked.rates.push(one);
        }
        for (at, mut one) in here.rules {
            for set in [&mut one.reached, &mut one.matched, &mut one.surely] {
                *set = seen(space, *set)?;
                *set = space.intersect(*set, options.entering)?;
            }
            hooked.rules.push((at, one));
        }
        for (how, set) in rejects {
            let set = space.intersect(set, options.entering)?;
            hooked.may_reject.push((how, set));
        }
        may_accept = space.intersect(may_accept, accept)?;
        may_drop = space.union(may_drop, drop)?;
    }
    hooked.may_accept = space.intersect(may_accept, options.entering)?;
    hooked.may_drop = space.intersect(may_drop, options.entering)?;
    Ok(())
}

/// A set in the coordinates of the prerouting hook in those of the hook that follows.
fn as_at_hook(space: &mut Space, set: Set, from: Hook, translated: bool, tracked: bool) -> Result<Set, GaveUp> {
    let mut set = if from == Hook::Prerouting { space.restrict(set, Field::Out, 0)? } else { set };
    if !tracked {
        set = space.restrict(set, Field::State, INVALID)?;
    }
    if translated {
        return Ok(set);
    }
    let plain = space.range(Field::Translated, 0, 0)?;
    let as_sent = space.restrict(set, Field::Translated, 0)?;
    let as_sent = space.substitute(as_sent, Field::Dst, Field::SentDst)?;
    let as_sent = space.substitute(as_sent, Field::Dport, Field::SentDport)?;
    let same = space.intersect(set, plain)?;
    let sent = space.minus(as_sent, plain)?;
    space.union(same, sent)
}

/// Device hooks and bridges are not modelled; where they have rules, nothing is sure.
fn devices(programs: &[&Program], options: &Options, hooked: &mut Hooked) {
    for table in programs.iter().flat_map(|program| &program.tables) {
        let has_rules = table.chains.iter().any(|chain| !chain.rules.is_empty());
        let why = match table.family {
            TableFamily::Netdev => "hooks of devices are not modelled",
            TableFamily::Bridge => "bridged frames are not modelled",
            TableFamily::Ip | TableFamily::Ip6 | TableFamily::Inet | TableFamily::Arp => continue,
        };
        if has_rules {
            let text = format!("table {}", table.name);
            hooked.unknown.push(UnknownUse { text, why, at: None, reached: options.entering });
        }
    }
}
