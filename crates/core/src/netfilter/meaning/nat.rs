//! Address translation: which first packets of connections get which.

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::super::model::{ChainKind, Hook, Nat, Program};
use super::hooks::family_of;
use super::keys::Known;
use super::mark::Flows;
use super::walk::Walk;
use super::{Hooked, Options, UnknownUse};

/// What the nat chains of a hook do with new connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translations {
    /// Translations with the packets that may get them, in the coordinates of that hook. The first decides.
    pub uses: Vec<(Nat, Set)>,
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
    let mut result = Translations { uses: Vec::new(), may_drop: Set::EMPTY, unknown: Vec::new() };
    let mut known = Known::new();
    let new = space.range(Field::State, 0, 0)?;
    let mut chains = Vec::new();
    for (program, tables) in programs.iter().enumerate().map(|(at, program)| (at, &program.tables)) {
        for (table, list) in tables.iter().enumerate().map(|(at, table)| (at, &table.chains)) {
            for (chain, base) in list.iter().enumerate().filter_map(|(at, chain)| Some((at, chain.base?))) {
                if base.hook == hook && base.kind == ChainKind::Nat {
                    chains.push((base.priority, program, table, chain, base.accepts));
                }
            }
        }
    }
    chains.sort_by_key(|(priority, ..)| *priority);
    // Once translated, later nat chains of the hook leave a connection alone.
    let mut open = new;
    for (_, program, table, chain, accepts) in chains {
        let Some(families) = family_of(programs[program].tables[table].family) else { continue };
        let ours = space.ranges(Field::Family, families)?;
        let entering = space.intersect(open, ours)?;
        let options = Options { entering, ..Options::default() };
        let mut hooked = Hooked {
            may_accept: Set::EMPTY,
            may_drop: Set::EMPTY,
            may_untrack: Set::EMPTY,
            may_reject: Vec::new(),
            rates: Vec::new(),
            logs: Vec::new(),
            unknown: Vec::new(),
            rules: Vec::new(),
        };
        let mut walk = Walk::new(space, programs, &options, &mut known, &mut hooked, (program, table));
        let fell = walk.chain(chain, Flows::of(entering))?;
        let uses = walk.translated;
        if !accepts {
            let fell = fell.total(space)?;
            hooked.may_drop = space.union(hooked.may_drop, fell)?;
        }
        for (nat, set) in uses {
            open = space.minus(open, set)?;
            result.uses.push((nat, set));
        }
        result.may_drop = space.union(result.may_drop, hooked.may_drop)?;
        result.unknown.extend(hooked.unknown);
        for rate in hooked.rates.into_iter().filter(|rate| rate.decides) {
            result.unknown.push(UnknownUse {
                text: format!("limit {}/{} s", rate.rate.packets, rate.rate.per_s),
                why: "depends on earlier packets",
                at: Some(rate.at),
                reached: rate.reached,
            });
        }
    }
    Ok(result)
}
