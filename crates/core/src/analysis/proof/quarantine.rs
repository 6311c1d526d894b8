//! Quarantine in a proof: whatever hosts are, were or will be in the kernel's two sets.
//!
//! A rule looks a packet's source or destination up in them, and nothing else; so what a program does with a packet depends
//! on the packet and on two bits: whether its source is in, and whether its destination is. The program is proved once for
//! each value of the bits, with every lookup answered by them, and so for every content of the sets, at every moment. Any
//! other use of a set is not decided.
//!
//! The claim leaves out that the box's own addresses are in the sets, for `segwall quarantine` never puts them there: the
//! destination of what the box gets, and the source of what it sends.

use segwall_packetset::{Cube, Field, GaveUp, Set, Space};

use super::intent::{Intent, LOOPBACK};
use super::terms::{is, name_number, number};
use crate::netfilter::{Content, Hook, Key, Match, Program, Step, TableFamily, Values};
use crate::ruleset::Ruleset;
use crate::ruleset::quarantine::{
    PORTS_FROM_BOX, PORTS_TO_BOX, Quarantined, SET4, SET6, TABLE, TYPES_FROM_BOX, TYPES_TO_BOX,
};

const CHANGES: &str = "hosts come into quarantine and leave it";

/// The bits that are asked about at a hook: none but for programs that hold our table.
pub fn cases(programs: &[&Program], hook: Hook) -> Vec<Quarantined> {
    let is_ours = programs
        .iter()
        .flat_map(|program| &program.tables)
        .any(|table| table.family == TableFamily::Inet && table.name == TABLE);
    let ends = |src, dst| Quarantined { src, dst };
    match hook {
        _ if !is_ours => vec![Quarantined::NONE],
        Hook::Input => vec![Quarantined::NONE, ends(true, false)],
        Hook::Output => vec![Quarantined::NONE, ends(false, true)],
        Hook::Forward => vec![Quarantined::NONE, ends(true, false), ends(false, true), ends(true, true)],
        Hook::Prerouting | Hook::Postrouting | Hook::Ingress | Hook::Egress => vec![Quarantined::NONE],
    }
}

/// Where a program looks packets up in the quarantine.
#[derive(Debug)]
pub struct Lookup {
    table: usize,
    chain: usize,
    rule: usize,
    step: usize,
    /// The source, not the destination.
    is_src: bool,
}

/// Finds them. What the sets hold now is forgotten: hosts come and go.
pub fn lookups(program: &mut Program) -> Vec<Lookup> {
    let mut lookups = Vec::new();
    for (table_at, table) in program.tables.iter_mut().enumerate() {
        if table.family != TableFamily::Inet || table.name != TABLE {
            continue;
        }
        for set in table.sets.iter_mut().filter(|set| is_quarantine(&set.name)) {
            set.content = Content::Unknown(CHANGES);
        }
        for (chain, rules) in table.chains.iter().enumerate() {
            for (rule, steps) in rules.rules.iter().enumerate() {
                for (step, found) in steps.steps.iter().enumerate() {
                    let Step::Match(Match::Among { keys, values: Values::Set(name), .. }) = found else { continue };
                    let is_src = match keys.as_slice() {
                        [Key::Field(Field::Src)] => true,
                        [Key::Field(Field::Dst)] => false,
                        _ => continue,
                    };
                    if is_quarantine(name) {
                        lookups.push(Lookup { table: table_at, chain, rule, step, is_src });
                    }
                }
            }
        }
    }
    lookups
}

/// Answers them by the bits.
pub fn answer(program: &mut Program, lookups: &[Lookup], ends: Quarantined) {
    for at in lookups {
        let step = &mut program.tables[at.table].chains[at.chain].rules[at.rule].steps[at.step];
        if let Step::Match(Match::Among { values, .. }) = step {
            let is_in = if at.is_src { ends.src } else { ends.dst };
            *values = Values::Here(if is_in { vec![vec![(0, u128::MAX)]] } else { Vec::new() });
        }
    }
}

fn is_quarantine(name: &str) -> bool {
    [SET4, SET6].contains(&name)
}

/// What the policy wants of packets whose ends are quarantined: what a quarantine holds back is dropped.
///
/// # Errors
/// When the space gives up.
pub fn narrowed(
    space: &mut Space,
    ruleset: &Ruleset,
    hook: Hook,
    want: Intent,
    ends: Quarantined,
) -> Result<Intent, GaveUp> {
    let passes = passes(space, ruleset, hook, ends)?;
    let mut limited = Vec::with_capacity(want.limited.len());
    for (at, limit, set) in want.limited {
        let set = space.intersect(set, passes)?;
        if !set.is_empty() {
            limited.push((at, limit, set));
        }
    }
    Ok(Intent {
        possible: want.possible,
        accept: space.intersect(want.accept, passes)?,
        reject: space.intersect(want.reject, passes)?,
        limited,
        logged: space.intersect(want.logged, passes)?,
    })
}

/// Packets that the quarantine leaves to the rules.
fn passes(space: &mut Space, ruleset: &Ruleset, hook: Hook, ends: Quarantined) -> Result<Set, GaveUp> {
    let mut passes = Set::ALL;
    for (is_in, other) in [(ends.src, Field::Dst), (ends.dst, Field::Src)] {
        if is_in {
            let allowed = allowed(space, ruleset, other)?;
            passes = space.intersect(passes, allowed)?;
        }
    }
    if ends == Quarantined::NONE {
        return Ok(passes);
    }
    let (known, inside) = match hook {
        Hook::Input => (known(space, &PORTS_TO_BOX, &TYPES_TO_BOX)?, Field::In),
        Hook::Output => (known(space, &PORTS_FROM_BOX, &TYPES_FROM_BOX)?, Field::Out),
        _ => return Ok(passes),
    };
    let lo = name_number(LOOPBACK);
    let inside = space.range(inside, lo, lo)?;
    space.union_all(&[passes, known, inside])
}

/// Packets whose other end is one that quarantined hosts may exchange packets with.
fn allowed(space: &mut Space, ruleset: &Ruleset, field: Field) -> Result<Set, GaveUp> {
    let cubes: Vec<Cube> = ruleset
        .quarantine_allow
        .iter()
        .map(|range| {
            let family = super::terms::family_number(range.family());
            is(Cube::all(), Field::Family, family).with(field, number(range.first()), number(range.last()))
        })
        .collect();
    space.cubes(&cubes)
}

/// What keeps a host known to the box.
fn known(space: &mut Space, ports: &[u16], types: &[u8]) -> Result<Set, GaveUp> {
    let values = |list: &mut dyn Iterator<Item = u128>| list.map(|value| (value, value)).collect::<Vec<_>>();
    let ports = values(&mut ports.iter().map(|port| u128::from(*port)));
    let types = values(&mut types.iter().map(|kind| u128::from(*kind)));
    let udp = is(Cube::all(), Field::Proto, 17).with_ranges(Field::Dport, &ports);
    let v6 = super::terms::family_number(segwall_packetset::Family::V6);
    let icmp = is(is(Cube::all(), Field::Family, v6), Field::Proto, 58).with_ranges(Field::IcmpType, &types);
    space.cubes(&[udp, icmp])
}
