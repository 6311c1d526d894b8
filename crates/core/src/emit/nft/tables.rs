//! Boxes → elements of lookup tables, by treatment and shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use segwall_packetset::{AddrRange, Family, InterfaceId};

use super::super::ends::{Addrs, addrs_of};
use super::exclusive::exclusive;
use super::model::{Hook, Key, Set, SetKind};
use super::services::Services;
use super::shape::{Dst, Shape, Side, Svc};
use super::treatment::Treatment;
use super::{EXPANSION_MAX, disjoint};
use crate::policy::Verdict;
use crate::ruleset::{self, FlowBox, Origin, Path, Role, Rule, Ruleset};

/// Fields in a key at most.
const FIELDS_MAX: usize = 5;

/// Elements of one shape.
#[derive(Debug, Default)]
pub(super) struct Elements {
    pub keys: Vec<Key>,
    pub rules: Vec<u32>,
}

/// Lookup tables of one hook and treatment.
pub(super) type Tables = BTreeMap<Shape, Elements>;

/// All lookup tables.
pub(super) struct Builder<'a> {
    ruleset: &'a Ruleset,
    /// Interfaces whose sources may come by no other.
    exclusive: Vec<bool>,
    segments: Vec<u32>,
    pub tables: BTreeMap<(Hook, Treatment), Tables>,
}

/// Sides of a box, and how they take part: ids are given where they are keys.
struct Sides<'a> {
    input: (Side, &'a [u32]),
    output: (Side, &'a [u32]),
    same: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(ruleset: &'a Ruleset) -> Self {
        let segments = ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id)).map(|(id, _)| id.0).collect();
        Self { ruleset, exclusive: exclusive(ruleset), segments, tables: BTreeMap::new() }
    }

    /// Adds a box of a rule.
    pub(super) fn add_box(&mut self, treatment: Treatment, rule_at: u32, rule: &Rule, flow_box: &FlowBox) {
        let (hook, input, output, same) = match flow_box.path {
            Path::Input { input } => (Hook::Input, input, ruleset::Side::Any, true),
            Path::Forward { input, output, same } => (Hook::Forward, input, output, same),
            Path::Output { output } => (Hook::Output, ruleset::Side::Any, output, true),
        };
        let segments = std::mem::take(&mut self.segments);
        let (one_in, one_out) = (one(input), one(output));
        let services = Services::of(flow_box.services.as_ref());
        let expand = rule.verdict == Verdict::Accept
            && matches!(rule.origin, Origin::Written(_))
            && flow_box.src.is_none()
            && elements_of(flow_box, input, output, segments.len()) <= EXPANSION_MAX;
        let side = |side: ruleset::Side| match side {
            ruleset::Side::Any => Side::Free,
            ruleset::Side::Segments if expand => Side::Key,
            ruleset::Side::Segments => Side::Segments,
            ruleset::Side::One(_) => Side::Key,
        };
        let sides = Sides {
            input: (side(input), ids(input, &one_in, &segments)),
            output: (side(output), ids(output, &one_out, &segments)),
            same,
        };
        match &flow_box.dst {
            ruleset::Dst::Own => self.own_box(treatment, rule_at, hook, input, flow_box, &services, &segments),
            ruleset::Dst::Any => self.add_dst(treatment, rule_at, hook, &sides, flow_box, None, &services),
            ruleset::Dst::Addresses(list) => {
                self.add_dst(treatment, rule_at, hook, &sides, flow_box, Some(list), &services);
            }
        }
        self.segments = segments;
    }

    /// Destinations are the box's own addresses on the interface the packet came by.
    #[allow(clippy::too_many_arguments)]
    fn own_box(
        &mut self,
        treatment: Treatment,
        rule_at: u32,
        hook: Hook,
        input: ruleset::Side,
        flow_box: &FlowBox,
        services: &Services,
        segments: &[u32],
    ) {
        let ruleset = self.ruleset;
        let named: Vec<InterfaceId> = match input {
            ruleset::Side::One(id) => vec![id],
            ruleset::Side::Segments => Vec::new(),
            ruleset::Side::Any => {
                ruleset.interface_ids().filter(|(id, _)| !ruleset.is_segment(*id)).map(|(id, _)| id).collect()
            }
        };
        for id in named {
            let interface = ruleset.interface(id);
            let ids = [id.0];
            let sides = Sides { input: (Side::Key, &ids), output: (Side::Free, &[]), same: true };
            if interface.dynamic {
                self.add_asked(treatment, rule_at, hook, &sides, Dst::OwnAsked, flow_box, services);
            } else {
                let mut singles: Vec<AddrRange> = interface.addresses.iter().copied().map(AddrRange::single).collect();
                singles.sort_unstable();
                singles.dedup();
                self.add_dst(treatment, rule_at, hook, &sides, flow_box, Some(&singles.into()), services);
            }
        }
        let with_segments = match input {
            ruleset::Side::One(_) => false,
            ruleset::Side::Segments | ruleset::Side::Any => !segments.is_empty(),
        };
        if with_segments {
            // The set of own addresses names its segment in each element: no lookup of the interface beside it.
            let sides = Sides { input: (Side::Free, &[]), output: (Side::Free, &[]), same: true };
            self.add_asked(treatment, rule_at, hook, &sides, Dst::OwnOfSegments, flow_box, services);
        }
    }

    /// Like [`Self::add_dst`] for destinations that are matched before the lookup.
    #[allow(clippy::too_many_arguments)]
    fn add_asked(
        &mut self,
        treatment: Treatment,
        rule_at: u32,
        hook: Hook,
        sides: &Sides<'_>,
        dst: Dst,
        flow_box: &FlowBox,
        services: &Services,
    ) {
        for family in Family::BOTH {
            let Some(src) = addrs_of(flow_box.src.as_ref(), family) else { continue };
            for part in [None, Some(family)] {
                for (svc, keys) in services.groups(part) {
                    self.product(treatment, rule_at, hook, sides, (src, dst, Addrs::Free), Some(family), svc, &keys);
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn add_dst(
        &mut self,
        treatment: Treatment,
        rule_at: u32,
        hook: Hook,
        sides: &Sides<'_>,
        flow_box: &FlowBox,
        dst: Option<&Arc<[AddrRange]>>,
        services: &Services,
    ) {
        let addressed = flow_box.src.is_some() || dst.is_some();
        if !addressed {
            for (svc, keys) in services.groups(None) {
                self.product(treatment, rule_at, hook, sides, (Addrs::Free, Dst::Free, Addrs::Free), None, svc, &keys);
            }
        }
        for family in Family::BOTH {
            let Some((src, to)) = addrs_of(flow_box.src.as_ref(), family).zip(addrs_of(dst, family)) else { continue };
            let how = match to {
                Addrs::Free | Addrs::Family => Dst::Free,
                Addrs::Ranges(_) => Dst::Key,
            };
            for part in [None, Some(family)] {
                if part.is_none() && !addressed {
                    continue;
                }
                for (svc, keys) in services.groups(part) {
                    self.product(treatment, rule_at, hook, sides, (src, how, to), Some(family), svc, &keys);
                }
            }
        }
    }

    /// Adds every combination.
    #[allow(clippy::too_many_arguments)]
    fn product(
        &mut self,
        treatment: Treatment,
        rule_at: u32,
        hook: Hook,
        sides: &Sides<'_>,
        (src, how, dst): (Addrs<'_>, Dst, Addrs<'_>),
        family: Option<Family>,
        svc: Svc,
        services: &[&[Key]],
    ) {
        // What no interface carries is dropped before any lookup.
        let carried = |family| self.ruleset.interfaces.iter().any(|interface| interface.carries(family));
        if hook != Hook::Output && family.is_some_and(|family| !carried(family)) {
            return;
        }
        let (mut input, mut in_ids) = sides.input;
        let (output, out_ids) = sides.output;
        let from: &[AddrRange] = match src {
            Addrs::Free | Addrs::Family => &[],
            Addrs::Ranges(ranges) => ranges,
        };
        let to: &[AddrRange] = match dst {
            Addrs::Free | Addrs::Family => &[],
            Addrs::Ranges(ranges) => ranges,
        };
        // The key holds five fields: in the forward hook a source stands for the interface it must come by.
        if let ([first], false, Hook::Forward, Side::Key) = (in_ids, from.is_empty(), hook, input) {
            let id = InterfaceId(*first);
            input = if self.tied(id, from) { Side::Free } else { Side::Pinned(id) };
            in_ids = &[];
        }
        let keyed = input == Side::Key && output == Side::Key;
        let apart = match (sides.input, sides.output) {
            // One interface on each side: known to differ, or they cover nothing.
            ((Side::Key, [a]), (Side::Key, [b])) if a == b && !sides.same => return,
            ((Side::Key, [_]), (Side::Key, [_])) => false,
            _ => !sides.same && !keyed && !self.never_same(sides),
        };
        let shape = Shape { interval: false, src: !from.is_empty(), dst: how, input, output, svc, family, apart };
        let tables = self.tables.entry((hook, treatment)).or_default();
        let none_id = [0u32];
        let no_range = [AddrRange::all(Family::V4)];
        let ins: &[u32] = if input == Side::Key { in_ids } else { &none_id };
        let outs: &[u32] = if output == Side::Key { out_ids } else { &none_id };
        let froms = if from.is_empty() { &no_range[..] } else { from };
        let tos = if to.is_empty() { &no_range[..] } else { to };
        let skip_same = !sides.same && keyed;
        let (mut flat, mut ranged) = (Elements::default(), Elements::default());
        let mut element = [Key::Byte(0); FIELDS_MAX];
        for i in ins {
            for o in outs {
                if skip_same && i == o {
                    continue;
                }
                for s in froms {
                    for d in tos {
                        for service in services {
                            let mut len = 0;
                            let mut push = |key: Key| {
                                element[len] = key;
                                len += 1;
                            };
                            if input == Side::Key {
                                push(Key::Name(*i));
                            }
                            if !from.is_empty() {
                                push(Key::addresses(*s));
                            }
                            if output == Side::Key {
                                push(Key::Name(*o));
                            }
                            if !to.is_empty() {
                                push(Key::addresses(*d));
                            }
                            for key in *service {
                                push(*key);
                            }
                            let element = &element[..len];
                            let into = if element.iter().any(Key::is_range) { &mut ranged } else { &mut flat };
                            into.keys.extend_from_slice(element);
                            into.rules.push(rule_at);
                        }
                    }
                }
            }
        }
        for (interval, mut new) in [(false, flat), (true, ranged)] {
            if !new.rules.is_empty() {
                let table = tables.entry(Shape { interval, ..shape }).or_default();
                table.keys.append(&mut new.keys);
                table.rules.append(&mut new.rules);
            }
        }
    }

    /// Whether packets with these sources can only have come by this interface, once anti-spoofing let them pass.
    fn tied(&self, id: InterfaceId, from: &[AddrRange]) -> bool {
        let interface = self.ruleset.interface(id);
        match interface.role {
            Role::Segment(_) => {
                self.exclusive[id.index()]
                    && from.iter().all(|range| interface.sources.iter().any(|source| source.covers(range)))
            }
            Role::Uplink => {
                self.exclusive[id.index()]
                    && !from.iter().any(|range| self.ruleset.inside.iter().any(|inside| inside.overlaps(range)))
            }
        }
    }

    fn never_same(&self, sides: &Sides<'_>) -> bool {
        let uplink = |(side, ids): (Side, &[u32])| match (side, ids) {
            (Side::Key, [id]) => !self.ruleset.is_segment(InterfaceId(*id)),
            _ => false,
        };
        let segments = |(side, ids): (Side, &[u32])| match side {
            Side::Segments => true,
            Side::Key => ids.iter().all(|id| self.ruleset.is_segment(InterfaceId(*id))),
            Side::Pinned(_) | Side::Free => false,
        };
        (uplink(sides.input) && segments(sides.output)) || (segments(sides.input) && uplink(sides.output))
    }

    /// The sets of a hook and treatment with the shapes that look them up, and the rules of those without a key.
    pub(super) fn finish(&mut self, hook: Hook, treatment: Treatment, counter: bool) -> Vec<Lookup> {
        let Some(tables) = self.tables.remove(&(hook, treatment)) else { return Vec::new() };
        let prefix = treatment.prefix();
        tables
            .into_iter()
            .map(|(shape, elements)| {
                let fields = shape.fields();
                let rules: BTreeSet<u32> = elements.rules.iter().copied().collect();
                let set = (!fields.is_empty()).then(|| {
                    let (keys, rules) = disjoint::normal(elements.keys, elements.rules, fields.len(), shape.interval);
                    Set {
                        name: format!("{prefix}_{}", shape.suffix(hook)),
                        types: fields.iter().map(|field| field.key_type()).collect(),
                        kind: SetKind::Written { interval: shape.interval, counter },
                        keys,
                        rules,
                    }
                });
                Lookup { shape, set, rules }
            })
            .collect()
    }
}

/// One lookup: its set, unless its shape has no key.
pub(super) struct Lookup {
    pub shape: Shape,
    pub set: Option<Set>,
    /// Rules that it decides for.
    pub rules: BTreeSet<u32>,
}

fn one(side: ruleset::Side) -> [u32; 1] {
    match side {
        ruleset::Side::One(id) => [id.0],
        ruleset::Side::Any | ruleset::Side::Segments => [0],
    }
}

/// The interfaces of a side.
fn ids<'a>(side: ruleset::Side, one: &'a [u32; 1], segments: &'a [u32]) -> &'a [u32] {
    match side {
        ruleset::Side::Any => &[],
        ruleset::Side::Segments => segments,
        ruleset::Side::One(_) => one,
    }
}

/// Elements of a box when every segment is written out.
fn elements_of(flow_box: &FlowBox, input: ruleset::Side, output: ruleset::Side, segments: usize) -> usize {
    let ids = |side| match side {
        ruleset::Side::Segments => segments,
        ruleset::Side::Any | ruleset::Side::One(_) => 1,
    };
    let dst = match &flow_box.dst {
        ruleset::Dst::Addresses(list) => list.len(),
        ruleset::Dst::Any | ruleset::Dst::Own => 1,
    };
    let services = flow_box.services.as_ref().map_or(1, |services| services.len());
    [ids(input), ids(output), dst, services].into_iter().fold(1usize, usize::saturating_mul)
}
