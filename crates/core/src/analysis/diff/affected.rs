//! Packets that rules can treat otherwise at all: two rule sets that share most of their rules differ only about packets
//! that match one of the others.
//!
//! A packet that matches none of the rules that only one side has goes the same way on both, wherever it goes: it falls
//! through each of them. So everything that is not decided along that way, too, is no difference; unless one of the rules
//! leaves something behind that a match elsewhere asks for, which the model does not follow.

use segwall_packetset::{Cube, Field, GaveUp, Set, Space};

use crate::netfilter::{Action, Chain, Content, Key, Match, Program, Rule, Step, Table, Values, Verdicts};

/// Lists of rules whose lengths multiply to more are not aligned: all of them count as different.
const ALIGNED_MAX: usize = 4_000_000;

/// What no rule and no hook changes about a packet.
const CONSTANT: [Field; 2] = [Field::Family, Field::Proto];
/// What nothing changes where no address is translated.
const UNTRANSLATED: [Field; 5] = [Field::In, Field::Src, Field::Dst, Field::Sport, Field::Dport];

/// Every packet that a rule of only one side may match; `None`: no such bound is known.
pub(super) fn affected(space: &mut Space, before: &[&Program], after: &[&Program]) -> Result<Option<Set>, GaveUp> {
    let tables = |programs: &[&Program]| -> Vec<Table> {
        programs.iter().flat_map(|program| &program.tables).map(bare).collect()
    };
    let (before, after) = (tables(before), tables(after));
    let Some(rules) = differing(&before, &after) else { return Ok(None) };
    let kept_elsewhere = before.iter().chain(&after).any(asks_elsewhere);
    if rules.iter().any(|rule| leaves_behind(rule, kept_elsewhere)) {
        return Ok(None);
    }
    let translates = before.iter().chain(&after).flat_map(|table| &table.chains).any(translates);
    let fields: Vec<Field> = CONSTANT.into_iter().chain(UNTRANSLATED.into_iter().filter(|_| !translates)).collect();
    let mut all = Set::EMPTY;
    for rule in rules {
        let set = may_match(space, rule, &fields)?;
        all = space.union(all, set)?;
    }
    Ok(Some(all))
}

/// A table without what only people see.
pub(super) fn bare(table: &Table) -> Table {
    let mut table = table.clone();
    for chain in &mut table.chains {
        chain.span = None;
        for rule in &mut chain.rules {
            rule.span = None;
            rule.comment = None;
            rule.handle = None;
        }
    }
    table
}

/// Whether a table looks something up that is kept outside the text, or asks for earlier packets.
fn asks_elsewhere(table: &Table) -> bool {
    let is_known = |name: &String| {
        let content = table.sets.iter().find(|set| set.name == *name).map(|set| &set.content);
        matches!(content, Some(Content::Elements(_) | Content::Verdicts(_)))
    };
    let asks = |step: &Step| match step {
        Step::Match(Match::Among { values: Values::Set(name), .. }) => !is_known(name),
        Step::Verdicts { entries: Verdicts::Map(name), .. } => !is_known(name),
        Step::Match(Match::Unknown(_)) => true,
        Step::Match(_) | Step::Verdicts { .. } | Step::Do(_) => false,
    };
    table.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.steps).any(asks)
}

/// Whether other rules may match otherwise because of this one: it is about earlier packets, or learns.
fn leaves_behind(rule: &Rule, kept_elsewhere: bool) -> bool {
    rule.steps.iter().any(|step| match step {
        Step::Match(Match::Unknown(_)) | Step::Do(Action::Unknown(_)) => true,
        Step::Match(Match::Rate(rate)) => rate.shared.is_some() || !rate.by.is_empty(),
        // Learning in a set or a list reads as nothing.
        Step::Do(Action::Nothing) => kept_elsewhere,
        Step::Match(Match::Among { .. }) | Step::Verdicts { .. } | Step::Do(_) => false,
    })
}

fn translates(chain: &Chain) -> bool {
    // Maps may hold translations.
    let acts = |step: &Step| matches!(step, Step::Do(Action::Nat(_) | Action::Unknown(_)) | Step::Verdicts { .. });
    chain.rules.iter().flat_map(|rule| &rule.steps).any(acts)
}

/// Rules that only one side has; `None` where the sides differ in more than rules.
fn differing<'t>(before: &'t [Table], after: &'t [Table]) -> Option<Vec<&'t Rule>> {
    if before.len() != after.len() {
        return None;
    }
    let mut list = Vec::new();
    for (one, other) in before.iter().zip(after) {
        if (one.family, &one.name, &one.sets) != (other.family, &other.name, &other.sets) {
            return None;
        }
        for (chains, others) in [(&one.chains, &other.chains), (&other.chains, &one.chains)] {
            for chain in chains {
                match others.iter().find(|known| known.name == chain.name) {
                    Some(known) if known.base == chain.base => {}
                    // A chain that only one side has is reached by rules that only this side has.
                    None if chain.base.is_none() => {}
                    Some(_) | None => return None,
                }
            }
        }
        let bases = |chains: &'t [Chain]| chains.iter().filter(|chain| chain.base.is_some()).map(|chain| &chain.name);
        if !bases(&one.chains).eq(bases(&other.chains)) {
            return None; // those of one priority run in their order
        }
        for chain in &one.chains {
            if let Some(known) = other.chains.iter().find(|known| known.name == chain.name) {
                list.extend(unshared(&chain.rules, &known.rules));
            }
        }
    }
    Some(list)
}

/// Rules of two chains that are not in a longest list that both have in this order.
fn unshared<'t>(one: &'t [Rule], other: &'t [Rule]) -> Vec<&'t Rule> {
    let same_begin = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same_begin..], &other[same_begin..]);
    let same_end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[..one.len() - same_end], &other[..other.len() - same_end]);
    let width = other.len() + 1;
    if one.len().saturating_mul(width) > ALIGNED_MAX {
        return one.iter().chain(other).collect();
    }
    // How many rules the rests from here on share.
    let mut shared = vec![0_u32; (one.len() + 1) * width];
    for a in (0..one.len()).rev() {
        for b in (0..other.len()).rev() {
            shared[a * width + b] = if one[a] == other[b] {
                shared[(a + 1) * width + b + 1] + 1
            } else {
                shared[(a + 1) * width + b].max(shared[a * width + b + 1])
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut list = Vec::new();
    while a < one.len() && b < other.len() {
        if one[a] == other[b] {
            (a, b) = (a + 1, b + 1);
        } else if shared[(a + 1) * width + b] >= shared[a * width + b + 1] {
            list.push(&one[a]);
            a += 1;
        } else {
            list.push(&other[b]);
            b += 1;
        }
    }
    list.extend(one[a..].iter().chain(&other[b..]));
    list
}

/// Packets that may match the conditions in front of a rule's first action, by these fields alone.
fn may_match(space: &mut Space, rule: &Rule, fields: &[Field]) -> Result<Set, GaveUp> {
    let mut set = Set::ALL;
    for step in &rule.steps {
        let found = match step {
            Step::Match(found) => found,
            Step::Do(Action::Nothing) => continue,
            Step::Do(_) | Step::Verdicts { .. } => break,
        };
        let Match::Among { keys, not, values: Values::Here(elements) } = found else { continue };
        let known: Vec<Option<Field>> = keys
            .iter()
            .map(|key| match key {
                Key::Field(field) => Some(*field).filter(|field| fields.contains(field)),
                Key::Masked(..)
                | Key::TransportSource
                | Key::TransportDestination
                | Key::SentDestination
                | Key::SentPort => None,
            })
            .collect();
        if known.iter().all(Option::is_none) || *not && known.len() > 1 {
            continue;
        }
        let cubes: Vec<Cube> = elements
            .iter()
            .map(|element| {
                let limits = known.iter().zip(element).filter_map(|(field, range)| Some((((*field)?), *range)));
                limits.fold(Cube::all(), |cube, (field, (first, last))| cube.with(field, first, last))
            })
            .collect();
        let inside = space.cubes(&cubes)?;
        set = if *not { space.minus(set, inside)? } else { space.intersect(set, inside)? };
    }
    Ok(set)
}
