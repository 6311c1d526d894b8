//! Port forwards, from DNAT and the accepts behind it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, PortRange, Set, Space, proto};

use super::Given;
use super::class_sets::own_source;
use super::classes::own_addresses;
use super::grants::LineAt;
use super::old::Old;
use super::services;
use super::terms::{address, among, family_number, family_of, name, number, of_family, ranges, within};
use crate::analysis::sets;
use crate::netfilter::meaning::Translations;
use crate::netfilter::{Action, Hook, Nat, NatKind, Step};
use crate::policy::{Ports, Service};
use crate::ruleset::{Role, Ruleset};

/// A port forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// What is forwarded, as sent.
    pub ports: Vec<Service>,
    /// From which part of the internet; `None`: all of it.
    pub from: Option<Vec<AddrRange>>,
    /// To whom.
    pub to: IpAddr,
    /// To which port, where it differs.
    pub to_port: Option<u16>,
    /// From segments too.
    pub hairpin: bool,
    /// Where it comes from.
    pub(super) lines: BTreeSet<LineAt>,
}

/// Where a translation leads: the address, and the port where it gets another one.
pub(super) type Target = (IpAddr, Option<u16>);

/// What was found of port forwards.
#[derive(Debug, Clone, Default)]
pub(super) struct Forwards {
    pub list: Vec<Forward>,
    /// Translations of the rules that somebody accepted can follow, with their packets before routing.
    pub followed: Vec<(Target, Set)>,
    /// For people.
    pub notes: Vec<String>,
    /// Translations that no policy has, in words.
    pub not_expressed: Vec<(String, Set)>,
}

/// Boxes of one translation that are looked at.
const BOXES_MAX: usize = 256;
const NEW: u128 = 0;

/// First packets of connections from the internet to an address of the uplink, before routing.
pub(super) fn asked(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let own = to_the_uplink(space, ruleset, Field::DstTypeHere)?;
    let uplink: Vec<Cube> = uplinks(ruleset).map(|device| Cube::all().with_only(Field::In, name(device))).collect();
    let by = space.cubes(&uplink)?;
    let inside = among(space, Field::Src, &ruleset.inside)?;
    let by = space.minus(by, inside)?;
    let first = first(space)?;
    space.intersect_all(&[own, by, first])
}

/// The same from segments.
pub(super) fn asked_inside(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let own = to_the_uplink(space, ruleset, Field::DstType)?;
    let mut cubes = Vec::new();
    for interface in ruleset.interfaces.iter().filter(|interface| interface.role != Role::Uplink) {
        for family in Family::BOTH {
            let list = super::terms::numbers(&interface.sources, family);
            if !list.is_empty() {
                cubes
                    .push(of_family(family).with_only(Field::In, name(&interface.name)).with_ranges(Field::Src, &list));
            }
        }
    }
    let by = space.cubes(&cubes)?;
    let boxes = among(space, Field::Src, &own_addresses(ruleset))?;
    let by = space.minus(by, boxes)?;
    let first = first(space)?;
    space.intersect_all(&[own, by, first])
}

fn uplinks(ruleset: &Ruleset) -> impl Iterator<Item = &str> {
    ruleset.interfaces.iter().filter(|one| one.role == Role::Uplink).map(|one| one.name.as_str())
}

fn first(space: &mut Space) -> Result<Set, GaveUp> {
    let new = space.range(Field::State, NEW, NEW)?;
    let opening = sets::can_open(space)?;
    let plain = sets::untranslated(space)?;
    let wellformed = space.wellformed()?;
    let ported: Vec<(u128, u128)> = (0..=u8::MAX)
        .filter(|number| proto::has_ports(*number))
        .map(|number| (u128::from(number), u128::from(number)))
        .collect();
    let ported = space.cube(&Cube::all().with_ranges(Field::Proto, &ported).with(Field::Dport, 1, 65_535))?;
    space.intersect_all(&[new, opening, plain, wellformed, ported])
}

fn to_the_uplink(space: &mut Space, ruleset: &Ruleset, local: Field) -> Result<Set, GaveUp> {
    /// `RTN_LOCAL` of the kernel's `rtnetlink.h`.
    const LOCAL: u128 = 2;
    let mut set = Set::EMPTY;
    for interface in ruleset.interfaces.iter().filter(|interface| interface.role == Role::Uplink) {
        let own = if interface.dynamic {
            let here = space.range(local, LOCAL, LOCAL)?;
            // What is another's is not the uplink's; link-local and loopback addresses are nobody's here.
            let inside = among(space, Field::Dst, &ruleset.inside)?;
            let special = space.cubes(&[
                of_family(Family::V4).with(Field::Dst, 0x7f00_0000, 0x7fff_ffff),
                of_family(Family::V6).with(Field::Dst, 0, 1),
                of_family(Family::V6).with(Field::Dst, 0xfe80 << 112, (0xfec0 << 112) - 1),
            ])?;
            let others = space.union(inside, special)?;
            space.minus(here, others)?
        } else {
            let own: Vec<AddrRange> = interface.addresses.iter().copied().map(AddrRange::single).collect();
            among(space, Field::Dst, &own)?
        };
        let families: Vec<Cube> =
            Family::BOTH.into_iter().filter(|family| interface.carries(*family)).map(of_family).collect();
        let carried = space.cubes(&families)?;
        let own = space.intersect(own, carried)?;
        set = space.union(set, own)?;
    }
    Ok(set)
}

/// The port forwards of the rules. `forward`: what they do with packets that pass the box.
pub(super) fn forwards(
    space: &mut Space,
    given: &Given<'_>,
    ruleset: &Ruleset,
    found: &Translations,
    forward: &Old,
) -> Result<Forwards, GaveUp> {
    let mut result = Forwards::default();
    let (asked, inside) = (asked(space, ruleset)?, asked_inside(space, ruleset)?);
    for (nat, set) in &found.uses {
        let from_outside = space.intersect(*set, asked)?;
        let from_inside = space.intersect(*set, inside)?;
        if from_outside.is_empty() && from_inside.is_empty() {
            continue;
        }
        let one = Translation { nat, lines: lines(given, nat), space, ruleset, forward, result: &mut result };
        one.read(from_outside, from_inside, asked)?;
    }
    Ok(result)
}

/// Lines that translate so.
fn lines(given: &Given<'_>, nat: &Nat) -> BTreeSet<LineAt> {
    let mut lines = BTreeSet::new();
    for (at, (source, program)) in given.programs.iter().enumerate() {
        let rules = program.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        for rule in rules {
            let does = rule.steps.iter().any(|step| matches!(step, Step::Do(Action::Nat(other)) if other == nat));
            if let Some(span) = rule.span.filter(|_| does) {
                lines.insert(LineAt { program: at, line: source.line(span.start) });
            }
        }
    }
    lines
}

struct Translation<'a> {
    nat: &'a Nat,
    lines: BTreeSet<LineAt>,
    space: &'a mut Space,
    ruleset: &'a Ruleset,
    forward: &'a Old,
    result: &'a mut Forwards,
}

impl Translation<'_> {
    fn read(self, outside: Set, inside: Set, asked: Set) -> Result<(), GaveUp> {
        let family = self.space.witness(outside).or_else(|| self.space.witness(inside));
        let family = family_of(family.map_or(0, |point| point.get(Field::Family)));
        let to = self.nat.to.filter(|(first, last)| first == last).map(|(to, _)| address(family, to));
        let port = self.nat.ports.filter(|(first, last)| first == last).map(|(port, _)| port);
        let single = self.nat.ports.is_none() || port.is_some();
        let (NatKind::Destination, Some(to), true) = (self.nat.kind, to, single) else {
            self.result.not_expressed.push(("a translation that no policy has".to_owned(), outside));
            return Ok(());
        };
        let home = self.ruleset.interfaces.iter().position(|interface| {
            interface.role != Role::Uplink && interface.sources.iter().any(|range| range.contains(to))
        });
        let Some(home) = home.filter(|_| !outside.is_empty()) else {
            if !outside.is_empty() {
                let words = format!("a translation to {to}, which lies in no segment");
                self.result.not_expressed.push((words, outside));
            }
            return Ok(());
        };
        self.boxes(outside, inside, asked, (family, to, port, home))
    }

    fn boxes(
        self,
        outside: Set,
        inside: Set,
        asked: Set,
        (family, to, port, home): (Family, IpAddr, Option<u16>, usize),
    ) -> Result<(), GaveUp> {
        let kept = [Field::Family, Field::Proto, Field::Src, Field::Dport];
        let hidden: Vec<Field> = Field::ALL.into_iter().filter(|field| !kept.contains(field)).collect();
        let not = self.space.complement(asked)?;
        let sure = self.space.union(outside, not)?;
        let sure = self.space.forall(sure, &hidden)?;
        let care = self.space.exists(asked, &hidden)?;
        let sure = self.space.intersect(sure, care)?;
        let simple = self.space.simplify(sure, care)?;
        let cubes: Vec<Cube> = self.space.boxes(simple).take(BOXES_MAX).collect();
        let mut written = Set::EMPTY;
        for cube in cubes {
            let services = services::ports_of(&cube);
            if services.is_empty() {
                continue;
            }
            let from = cube.get(Field::Src).map(|list| ranges(family, list));
            let from = match from {
                Some(list) => Some(outside_of(&list, &self.ruleset.inside)),
                None => None,
            };
            for service in services {
                let Ports::Range(sent) = service.ports else { continue };
                // A range keeps its ports.
                if port.is_some() && !sent.is_single() {
                    let words = format!("several ports to one port of {to}");
                    self.result.not_expressed.push((words, outside));
                    continue;
                }
                let delivered = port.map_or(sent, PortRange::single);
                let of = Cube::all()
                    .with_only(Field::Family, family_number(family))
                    .with_only(Field::Proto, u128::from(service.proto))
                    .with(Field::Dport, u128::from(sent.first), u128::from(sent.last));
                let mut asking = self.space.cube(&of)?;
                if let Some(list) = &from {
                    let list = among(self.space, Field::Src, list)?;
                    asking = self.space.intersect(asking, list)?;
                }
                let asking = self.space.intersect(asking, outside)?;
                let passed = of
                    .without(Field::Dport)
                    .with_only(Field::State, NEW)
                    .with_only(Field::Translated, 1)
                    .with_only(Field::Out, name(&self.ruleset.interfaces[home].name))
                    .with_only(Field::Dst, number(to))
                    .with(Field::Dport, u128::from(delivered.first), u128::from(delivered.last))
                    .with(Field::SentDport, u128::from(sent.first), u128::from(sent.last));
                let passed = self.space.cube(&passed)?;
                let passed = follows(self.space, self.ruleset, passed, from.as_deref())?;
                if self.space.intersect(passed, self.forward.may)?.is_empty() {
                    self.result.notes.push(format!(
                        "{} to {to} is translated, but no rule accepts it then: no port forward is written",
                        crate::policy::write_service(&service)
                    ));
                    continue;
                }
                let from = match accepted_from(self.space, passed, self.forward.sure, family)? {
                    None => from.clone(),
                    Some(list) if list.is_empty() => {
                        let words =
                            format!("{} to {to}, which is accepted in part", crate::policy::write_service(&service));
                        self.result.not_expressed.push((words, asking));
                        continue;
                    }
                    Some(list) => Some(outside_of(&list, &self.ruleset.inside)),
                };
                let asking = match &from {
                    None => asking,
                    Some(list) => {
                        let list = among(self.space, Field::Src, list)?;
                        self.space.intersect(asking, list)?
                    }
                };
                written = self.space.union(written, asking)?;
                let known = self.space.cube(&Cube::all().with_only(Field::Proto, u128::from(service.proto)).with(
                    Field::Dport,
                    u128::from(sent.first),
                    u128::from(sent.last),
                ))?;
                let hairpin_asked = asked_inside(self.space, self.ruleset)?;
                let of_family = self.space.range(Field::Family, family_number(family), family_number(family))?;
                let hairpin_asked = self.space.intersect_all(&[hairpin_asked, known, of_family])?;
                let hairpin = !hairpin_asked.is_empty() && within(self.space, hairpin_asked, inside)?;
                let to_port = port.filter(|port| *port != sent.first || !sent.is_single());
                add(
                    &mut self.result.list,
                    Forward {
                        ports: vec![service],
                        from: from.clone(),
                        to,
                        to_port,
                        hairpin,
                        lines: self.lines.clone(),
                    },
                );
            }
        }
        self.result.followed.push(((to, port), written));
        Ok(())
    }
}

/// Translated packets that were sent to a static address of the uplink; one that comes and goes is not known here.
pub(super) fn sent_to_the_uplink(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut sent = Vec::new();
    for interface in ruleset.interfaces.iter().filter(|interface| interface.role == Role::Uplink) {
        if interface.dynamic {
            return Ok(Set::ALL);
        }
        for addr in &interface.addresses {
            sent.push(of_family(Family::of(*addr)).with_only(Field::SentDst, number(*addr)));
        }
    }
    space.cubes(&sent)
}

/// Packets that a forward made, from where it takes them.
fn follows(space: &mut Space, ruleset: &Ruleset, set: Set, from: Option<&[AddrRange]>) -> Result<Set, GaveUp> {
    let uplink: Vec<Cube> = uplinks(ruleset).map(|device| Cube::all().with_only(Field::In, name(device))).collect();
    let by = space.cubes(&uplink)?;
    let inside = among(space, Field::Src, &ruleset.inside)?;
    let by = space.minus(by, inside)?;
    let opening = sets::can_open(space)?;
    let possible = sets::possible(space, Hook::Forward)?;
    let sent = sent_to_the_uplink(space, ruleset)?;
    let set = space.intersect_all(&[set, by, opening, possible, sent])?;
    let own = own_source(space, ruleset)?;
    let set = space.minus(set, own)?;
    match from {
        None => Ok(set),
        Some(list) => {
            let list = among(space, Field::Src, list)?;
            space.intersect(set, list)
        }
    }
}

/// The sources from which all of it is accepted; `None`: every one.
fn accepted_from(space: &mut Space, passed: Set, sure: Set, family: Family) -> Result<Option<Vec<AddrRange>>, GaveUp> {
    if within(space, passed, sure)? {
        return Ok(None);
    }
    let others: Vec<Field> = Field::ALL.into_iter().filter(|field| *field != Field::Src).collect();
    let not = space.complement(passed)?;
    let good = space.union(sure, not)?;
    let good = space.forall(good, &others)?;
    let care = space.exists(passed, &others)?;
    let good = space.intersect(good, care)?;
    let cube = space.boxes(good).next();
    Ok(Some(cube.and_then(|cube| cube.get(Field::Src).map(|list| ranges(family, list))).unwrap_or_default()))
}

/// One forward for several ports, where nothing else differs.
fn add(list: &mut Vec<Forward>, forward: Forward) {
    let same = list.iter_mut().find(|known| {
        known.to == forward.to
            && known.to_port == forward.to_port
            && known.from == forward.from
            && known.hairpin == forward.hairpin
    });
    match same {
        Some(known) => {
            known.ports = services::joined(&known.ports, &forward.ports);
            known.lines.extend(&forward.lines);
        }
        None => list.push(forward),
    }
}

fn outside_of(list: &[AddrRange], inside: &[AddrRange]) -> Vec<AddrRange> {
    list.iter().copied().filter(|range| !inside.iter().any(|known| known.covers(range))).collect()
}
