//! Whole questions: a hook, a way through the box, translations, one packet.

use std::collections::BTreeMap;

use segwall_packetset::{Field, GaveUp, Point, Set, Space, proto};

use super::compile::Memory;
use super::seen::Seen;
use super::walk::Walk;
use super::{Hooked, Options, RuleAt, RuleUse, UnknownUse};
use crate::netfilter::{ChainKind, Hook, Nat, Program, TableFamily};

/// Numbers of connection states.
const NEW: u128 = 0;
const RELATED: u128 = 2;
const DECIDE: [ChainKind; 2] = [ChainKind::Filter, ChainKind::Route];

/// What the chains that filter at one hook do. Every one of them has to accept.
///
/// # Errors
/// When the space gives up.
pub fn filter(space: &mut Space, programs: &[&Program], hook: Hook, options: &Options) -> Result<Hooked, GaveUp> {
    let mut walk = Walk::new(space, programs, *options);
    walk.hook(hook, &DECIDE)?;
    let (hooked, seen) = walk.finish_seen()?;
    with_rules(space, hooked, seen)
}

/// What rules see, worked out for every one of them that is reached.
fn with_rules(space: &mut Space, mut hooked: Hooked, seen: BTreeMap<RuleAt, Seen>) -> Result<Hooked, GaveUp> {
    for (at, seen) in seen {
        let used = seen.all(space)?;
        if !used.reached.is_empty() {
            hooked.rules.push((at, used));
        }
    }
    Ok(hooked)
}

/// What becomes of packets on all of their way: before routing, at the hook (input, forward or output), and after
/// routing. Packets are described as they are at the hook: chains before a translation compare the destination as sent,
/// and those behind one of the source are not decided by it. Before forwarding a packet has one hop more, so that matches
/// on it are not decided there. Nat chains count with what they drop. Marks set on the way are seen behind.
///
/// # Errors
/// When the space gives up.
pub fn path(space: &mut Space, programs: &[&Program], hook: Hook, options: &Options) -> Result<Hooked, GaveUp> {
    path_remembering(space, programs, hook, options, &Memory::default())
}

/// As [`path`], of one of several questions about programs whose sets are the same.
///
/// # Errors
/// When the space gives up.
pub fn path_remembering(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    options: &Options,
    memory: &Memory,
) -> Result<Hooked, GaveUp> {
    let (hooked, seen) = along_path(space, programs, hook, options, memory)?;
    with_rules(space, hooked, seen)
}

/// As [`path`], with what rules see beside it, to be worked out for those that are asked about: [`Hooked::rules`] is empty.
///
/// # Errors
/// When the space gives up.
pub fn path_seen(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    options: &Options,
) -> Result<(Hooked, BTreeMap<RuleAt, Seen>), GaveUp> {
    along_path(space, programs, hook, options, &Memory::default())
}

fn along_path(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    options: &Options,
    memory: &Memory,
) -> Result<(Hooked, BTreeMap<RuleAt, Seen>), GaveUp> {
    let way = way(hook);
    let first = first_packets(space)?;
    let later = space.complement(first)?;
    let mut nat_drops = Set::EMPTY;
    let mut nat_passes = Set::ALL;
    let (mut nat_unknown, mut nat_rates) = (Vec::new(), Vec::new());
    for hook in &way {
        // Walked apart: a nat chain that accepts leaves the others to decide.
        let entering = space.intersect(options.entering, first)?;
        let mut walk = Walk::new(space, programs, Options { entering, collect_rules: false, ..*options });
        walk.compiler.sets = memory.clone();
        walk.forwarded = way.contains(&Hook::Forward);
        walk.hook(*hook, &[ChainKind::Nat])?;
        let mut passes: Vec<Set> = walk.translated()?.into_iter().map(|(_, set)| set).collect();
        let hooked = walk.finish()?;
        passes.extend([hooked.may_accept, later]);
        let passes = space.union_all(&passes)?;
        nat_passes = space.intersect(nat_passes, passes)?;
        // What leaves a translation open alone is no doubt about what is let through.
        for one in hooked.unknown {
            let reached = space.intersect(one.reached, hooked.may_drop)?;
            nat_unknown.extend((!reached.is_empty()).then_some(UnknownUse { reached, ..one }));
        }
        nat_rates.extend(hooked.rates.into_iter().filter(|one| one.decides));
        nat_drops = space.union(nat_drops, hooked.may_drop)?;
    }
    let mut walk = Walk::new(space, programs, *options);
    walk.compiler.sets = memory.clone();
    along(&mut walk, &way)?;
    let passed = walk.passed()?;
    let nat_drops = walk.space.intersect(nat_drops, passed)?;
    walk.drop_within(nat_drops)?;
    walk.keep_within(nat_passes)?;
    let (mut hooked, seen) = walk.finish_seen()?;
    hooked.unknown.extend(nat_unknown);
    hooked.rates.extend(nat_rates);
    devices(programs, options, &mut hooked);
    if hooked.unknown.iter().any(|one| one.at.is_none()) {
        hooked.may_drop = space.union(hooked.may_drop, options.entering)?;
    }
    Ok((hooked, seen))
}

/// What nat chains see: first packets of connections, those of related ones among them, but no errors about others.
fn first_packets(space: &mut Space) -> Result<Set, GaveUp> {
    let new = space.range(Field::State, NEW, NEW)?;
    let related = related(space)?;
    space.union(new, related)
}

/// First packets of connections that others announced.
fn related(space: &mut Space) -> Result<Set, GaveUp> {
    let related = space.range(Field::State, RELATED, RELATED)?;
    let errors = [proto::ICMP, proto::ICMPV6].map(|number| (u128::from(number), u128::from(number)));
    let errors = space.ranges(Field::Proto, &errors)?;
    space.minus(related, errors)
}

fn way(hook: Hook) -> Vec<Hook> {
    match hook {
        Hook::Input => vec![Hook::Prerouting, Hook::Input],
        Hook::Forward => vec![Hook::Prerouting, Hook::Forward, Hook::Postrouting],
        Hook::Output => vec![Hook::Output, Hook::Postrouting],
        Hook::Prerouting | Hook::Postrouting | Hook::Ingress | Hook::Egress => vec![hook],
    }
}

fn along(walk: &mut Walk<'_, '_>, way: &[Hook]) -> Result<(), GaveUp> {
    walk.forwarded = way.contains(&Hook::Forward);
    way.iter().try_for_each(|hook| walk.hook(*hook, &DECIDE))
}

/// Device hooks and bridges are not modelled; where they have rules, nothing is sure.
fn devices(programs: &[&Program], options: &Options, hooked: &mut Hooked) {
    for table in programs.iter().flat_map(|program| &program.tables) {
        let of_device = |hook| matches!(hook, Hook::Ingress | Hook::Egress);
        let on_device = table.chains.iter().any(|chain| chain.base.is_some_and(|base| of_device(base.hook)));
        let why = match table.family {
            TableFamily::Netdev => "hooks of devices are not modelled",
            TableFamily::Bridge => "bridged frames are not modelled",
            _ if on_device => "hooks of devices are not modelled",
            TableFamily::Ip | TableFamily::Ip6 | TableFamily::Inet | TableFamily::Arp => continue,
        };
        if table.chains.iter().any(|chain| chain.base.is_some()) {
            let text = format!("table {}", table.name);
            hooked.unknown.push(UnknownUse { text, why, at: None, reached: options.entering });
        }
    }
}

/// What the nat chains of a hook do with new connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translations {
    /// Translations with the packets that may get them, in the coordinates of that hook: the destination is the one before
    /// this translation. The first decides, and a packet may be in one of these sets only, unless something is unknown.
    pub uses: Vec<(Nat, Set)>,
    /// Packets that may stay as they are.
    pub may_none: Set,
    /// Packets that a nat chain may drop.
    pub may_drop: Set,
    /// What is not decided.
    pub unknown: Vec<UnknownUse>,
}

/// What the nat chains of a hook do.
///
/// # Errors
/// When the space gives up.
pub fn translation(space: &mut Space, programs: &[&Program], hook: Hook) -> Result<Translations, GaveUp> {
    let entering = space.range(Field::State, NEW, NEW)?;
    translated(space, programs, hook, entering)
}

/// Whether nat chains do to the first packets of related connections what they do to those of new ones.
///
/// # Errors
/// When the space gives up.
pub fn translates_related_alike(space: &mut Space, programs: &[&Program], hook: Hook) -> Result<bool, GaveUp> {
    let related = related(space)?;
    let theirs = translated(space, programs, hook, related)?.uses;
    let shape = space.exists(related, &[Field::State])?;
    let mut left = Vec::new();
    for (nat, set) in translation(space, programs, hook)?.uses {
        let set = space.exists(set, &[Field::State])?;
        let set = space.intersect(set, shape)?;
        if !set.is_empty() {
            left.push((nat, set));
        }
    }
    for (nat, set) in &theirs {
        let set = space.exists(*set, &[Field::State])?;
        let Some(at) = left.iter().position(|(other, same)| other == nat && *same == set) else { return Ok(false) };
        left.swap_remove(at);
    }
    Ok(left.is_empty())
}

fn translated(space: &mut Space, programs: &[&Program], hook: Hook, entering: Set) -> Result<Translations, GaveUp> {
    let mut walk = Walk::new(space, programs, Options { entering, ..Options::default() });
    walk.translates = false;
    walk.hook(hook, &[ChainKind::Nat])?;
    let uses = walk.translated()?;
    let hooked = walk.finish()?;
    let mut unknown = hooked.unknown;
    for one in hooked.rates.into_iter().filter(|one| one.decides) {
        unknown.push(UnknownUse {
            text: format!("limit {}/{} s", one.rate.packets, one.rate.per_s),
            why: "depends on earlier packets",
            at: Some(one.at),
            reached: one.reached,
        });
    }
    Ok(Translations { uses, may_none: hooked.may_accept, may_drop: hooked.may_drop, unknown })
}

/// What each rule of the nat chains of a hook sees of the new connections that enter.
///
/// # Errors
/// When the space gives up.
pub fn translation_rules(
    space: &mut Space,
    programs: &[&Program],
    hook: Hook,
    entering: Set,
) -> Result<Vec<(RuleAt, RuleUse)>, GaveUp> {
    let new = space.range(Field::State, 0, 0)?;
    let entering = space.intersect(entering, new)?;
    let mut walk = Walk::new(space, programs, Options { entering, collect_rules: true, ..Options::default() });
    walk.hook(hook, &[ChainKind::Nat])?;
    let (hooked, seen) = walk.finish_seen()?;
    Ok(with_rules(space, hooked, seen)?.rules)
}

/// The rules that a packet may reach and match, the last one first.
///
/// # Errors
/// When the space gives up.
pub fn decided_by(space: &mut Space, programs: &[&Program], hook: Hook, point: &Point) -> Result<Vec<RuleAt>, GaveUp> {
    let entering = space.point(point)?;
    let mut walk = Walk::new(space, programs, Options { entering, ..Options::default() });
    walk.trail = Some(Vec::new());
    along(&mut walk, &way(hook))?;
    let mut trail = walk.trail.take().unwrap_or_default();
    trail.reverse();
    Ok(trail)
}
