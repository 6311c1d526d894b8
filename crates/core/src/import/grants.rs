//! Rules of the policy in the making: ends, services, and the lines they come from.

use std::collections::{BTreeMap, BTreeSet};

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Set, Space};

use super::services;
use super::terms::{among, name, number, numbers, of_family};
use crate::netfilter::Hook;
use crate::policy::{Service, Verdict};
use crate::ruleset::{Role, Ruleset};

/// A place that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// An interface of the ruleset, by its index.
    Zone(usize),
    /// The box.
    Gateway,
}

/// One end of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Every segment and the internet.
    Any,
    /// Every segment.
    Segments,
    /// All of a place; of the box its address on the interface.
    Whole(Place),
    /// These addresses of it.
    Part(Place, Vec<AddrRange>),
}

/// A line of the given rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineAt {
    /// Which file of rules.
    pub program: usize,
    /// Its line.
    pub line: u32,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    /// accept or drop.
    pub verdict: Verdict,
    /// Who.
    pub from: Vec<End>,
    /// To whom.
    pub to: Vec<End>,
    /// On what; `None`: everything.
    pub services: Option<Vec<Service>>,
    /// Where it comes from.
    pub lines: BTreeSet<LineAt>,
    /// Connections are written down.
    pub log: bool,
}

/// A zone of a side: its addresses, and whether the rule names it by itself.
type Expanded = BTreeMap<usize, (Option<Vec<AddrRange>>, bool)>;

fn expanded(ruleset: &Ruleset, ends: &[End]) -> Expanded {
    let mut zones = Expanded::new();
    let mut add = |zone: usize, addresses: Option<&Vec<AddrRange>>, direct: bool| {
        let entry = zones.entry(zone).or_insert_with(|| (addresses.cloned(), direct));
        entry.1 |= direct;
        entry.0 = match (entry.0.take(), addresses) {
            (Some(known), Some(more)) => Some(AddrRange::merge([known, more.clone()].concat())),
            _ => None,
        };
    };
    for end in ends {
        match end {
            End::Whole(Place::Zone(zone)) => add(*zone, None, true),
            End::Part(Place::Zone(zone), list) => add(*zone, Some(list), true),
            End::Whole(Place::Gateway) | End::Part(Place::Gateway, _) => {}
            End::Any | End::Segments => {
                for (zone, interface) in ruleset.interfaces.iter().enumerate() {
                    if *end == End::Any || interface.role != Role::Uplink {
                        add(zone, None, false);
                    }
                }
            }
        }
    }
    zones
}

fn side(space: &mut Space, ruleset: &Ruleset, zones: &Expanded, of: (Field, Field)) -> Result<Set, GaveUp> {
    let (interface, address) = of;
    let mut cubes = Vec::new();
    for (zone, (addresses, _)) in zones {
        let here = Cube::all().with_only(interface, name(&ruleset.interfaces[*zone].name));
        match addresses {
            None => cubes.push(here),
            Some(list) => {
                for family in Family::BOTH {
                    let list = numbers(list, family);
                    if !list.is_empty() {
                        let of = of_family(family).with_only(interface, name(&ruleset.interfaces[*zone].name));
                        cubes.push(of.with_ranges(address, &list));
                    }
                }
            }
        }
    }
    space.cubes(&cubes)
}

/// Destinations of `gateway` and `gateway/ADDRESS`.
fn to_the_box(space: &mut Space, ruleset: &Ruleset, ends: &[End]) -> Result<Set, GaveUp> {
    let mut cubes = Vec::new();
    for end in ends {
        match end {
            End::Part(Place::Gateway, list) => {
                for family in Family::BOTH {
                    let list = numbers(list, family);
                    if !list.is_empty() {
                        cubes.push(of_family(family).with_ranges(Field::Dst, &list));
                    }
                }
            }
            End::Whole(Place::Gateway) => {
                for interface in &ruleset.interfaces {
                    let here = Cube::all().with_only(Field::In, name(&interface.name));
                    if interface.dynamic {
                        // Within the promise the destination is one of its own.
                        cubes.push(here);
                        continue;
                    }
                    for family in Family::BOTH {
                        let own = interface.addresses.iter().filter(|addr| Family::of(**addr) == family);
                        let own: Vec<(u128, u128)> = own.map(|addr| (number(*addr), number(*addr))).collect();
                        if !own.is_empty() {
                            let of = of_family(family).with_only(Field::In, name(&interface.name));
                            cubes.push(of.with_ranges(Field::Dst, &own));
                        }
                    }
                }
            }
            End::Any | End::Segments | End::Whole(Place::Zone(_)) | End::Part(Place::Zone(_), _) => {}
        }
    }
    space.cubes(&cubes)
}

/// Sources of `gateway` and `gateway/ADDRESS`.
fn from_the_box(space: &mut Space, ends: &[End]) -> Result<Set, GaveUp> {
    let mut set = Set::EMPTY;
    for end in ends {
        let one = match end {
            End::Whole(Place::Gateway) => Set::ALL,
            End::Part(Place::Gateway, list) => among(space, Field::Src, list)?,
            End::Any | End::Segments | End::Whole(Place::Zone(_)) | End::Part(Place::Zone(_), _) => Set::EMPTY,
        };
        set = space.union(set, one)?;
    }
    Ok(set)
}

/// The packets of the promise that a rule speaks of.
pub(super) fn set(space: &mut Space, ruleset: &Ruleset, hook: Hook, grant: &Grant) -> Result<Set, GaveUp> {
    let services = services::set(space, grant.services.as_deref())?;
    let (from, to) = (expanded(ruleset, &grant.from), expanded(ruleset, &grant.to));
    let ends = match hook {
        Hook::Input => {
            let from = side(space, ruleset, &from, (Field::In, Field::Src))?;
            let to = to_the_box(space, ruleset, &grant.to)?;
            space.intersect(from, to)?
        }
        Hook::Output => {
            let to = side(space, ruleset, &to, (Field::Out, Field::Dst))?;
            let from = from_the_box(space, &grant.from)?;
            space.intersect(from, to)?
        }
        _ => {
            let sources = side(space, ruleset, &from, (Field::In, Field::Src))?;
            let destinations = side(space, ruleset, &to, (Field::Out, Field::Dst))?;
            let both = space.intersect(sources, destinations)?;
            // What stays in a segment is meant only where the rule names it at both ends.
            let mut same = Vec::new();
            for (zone, (_, direct)) in &from {
                if let Some((_, also)) = to.get(zone)
                    && !(*direct && *also)
                {
                    let name = name(&ruleset.interfaces[*zone].name);
                    same.push(Cube::all().with_only(Field::In, name).with_only(Field::Out, name));
                }
            }
            let same = space.cubes(&same)?;
            space.minus(both, same)?
        }
    };
    space.intersect(ends, services)
}

/// All zones of a side in the fewest words. `but`: the one at the other end, which no `any` means.
pub(super) fn shortest(ruleset: &Ruleset, zones: &BTreeSet<usize>, but: Option<usize>) -> Vec<End> {
    let missing: Vec<usize> =
        (0..ruleset.interfaces.len()).filter(|zone| Some(*zone) != but && !zones.contains(zone)).collect();
    let is_uplink = |zone: &usize| ruleset.interfaces[*zone].role == Role::Uplink;
    let segments = ruleset.interfaces.len() - ruleset.interfaces.iter().filter(|one| one.role == Role::Uplink).count();
    // With two segments or fewer their names are shorter, and say more.
    let few = segments <= 2;
    if !few && missing.is_empty() {
        return vec![End::Any];
    }
    if !few && missing.iter().all(is_uplink) {
        let uplinks = zones.iter().copied().filter(is_uplink);
        return std::iter::once(End::Segments).chain(uplinks.map(|zone| End::Whole(Place::Zone(zone)))).collect();
    }
    zones.iter().filter(|zone| Some(**zone) != but).map(|zone| End::Whole(Place::Zone(*zone))).collect()
}
