//! A rule's boxes as cubes of the packet space.

use segwall_packetset::{Cube, Family, Field, InterfaceId, PortRange};

use super::terms::{LOCAL, family_number, is, name_of, names, of_service, port, ranges_of};
use crate::netfilter::Hook;
use crate::policy::Service;
use crate::ruleset::{At, Dst, FlowBox, Need, Origin, Path, Role, Rule, Ruleset, Side, slots::slots};

/// The hook of a box.
pub fn hook_of(flow_box: &FlowBox) -> Hook {
    match flow_box.path {
        Path::Input { .. } => Hook::Input,
        Path::Forward { .. } => Hook::Forward,
        Path::Output { .. } => Hook::Output,
    }
}

/// Every packet of a hook that a rule covers, as cubes. What a rule says of connection states is not part of it.
pub fn cubes(ruleset: &Ruleset, rule: &Rule, hook: Hook, at: At) -> Vec<Cube> {
    let mut list = Vec::new();
    let times = times(ruleset, rule, at);
    for flow_box in rule.boxes.iter().filter(|flow_box| hook_of(flow_box) == hook) {
        for family in Family::BOTH {
            let start = is(Cube::all(), Field::Family, family_number(family));
            let Some(start) = source(start, flow_box, family) else { continue };
            let start = hops(start, rule, hook);
            for cube in sides(ruleset, flow_box, &start) {
                let Some(cube) = translated(ruleset, flow_box, cube) else { continue };
                for cube in destinations(ruleset, flow_box, family, cube) {
                    for cube in services(flow_box, family, cube) {
                        list.extend(times.iter().map(|time| time.narrow(cube.clone())));
                    }
                }
            }
        }
    }
    list
}

/// A cube narrowed to a box's sources in a family; `None` where it has none.
pub fn source(cube: Cube, flow_box: &FlowBox, family: Family) -> Option<Cube> {
    let Some(ranges) = &flow_box.src else { return Some(cube) };
    let ranges = ranges_of(ranges, family);
    (!ranges.is_empty()).then(|| cube.with_ranges(Field::Src, &ranges))
}

/// What the protocols demand of packets to the box: they never crossed a router (RFC 4861, RFC 3810).
fn hops(cube: Cube, rule: &Rule, hook: Hook) -> Cube {
    match (rule.origin, hook) {
        (Origin::Need(Need::NeighbourDiscovery | Need::RouterAdvertisement), Hook::Input) => is(cube, Field::Hops, 255),
        (Origin::Need(Need::Mld), Hook::Input) => is(cube, Field::Hops, 1),
        _ => cube,
    }
}

/// Interfaces of a side; `None`: every name.
fn ids(ruleset: &Ruleset, side: Side) -> Option<Vec<InterfaceId>> {
    match side {
        Side::Any => None,
        Side::Segments => {
            Some(ruleset.interface_ids().map(|(id, _)| id).filter(|id| ruleset.is_segment(*id)).collect())
        }
        Side::One(id) => Some(vec![id]),
    }
}

fn one_of(ruleset: &Ruleset, cube: Cube, field: Field, list: Option<&[InterfaceId]>) -> Cube {
    match list {
        None => cube,
        Some(list) => cube.with_ranges(field, &names(list.iter().map(|id| ruleset.interface(*id).name.as_str()))),
    }
}

/// The box's interfaces. A packet does not leave where it entered, unless the box says so. What enters by an interface
/// that no policy names never passes anti-spoofing: it may be left out here.
fn sides(ruleset: &Ruleset, flow_box: &FlowBox, start: &Cube) -> Vec<Cube> {
    match flow_box.path {
        Path::Input { input } => vec![one_of(ruleset, start.clone(), Field::In, ids(ruleset, input).as_deref())],
        Path::Output { output } => vec![one_of(ruleset, start.clone(), Field::Out, ids(ruleset, output).as_deref())],
        Path::Forward { input, output, same } => {
            let outputs = ids(ruleset, output);
            let inputs = ids(ruleset, input);
            let meet = match (&inputs, &outputs) {
                (Some(inputs), Some(outputs)) => inputs.iter().any(|id| outputs.contains(id)),
                _ => true,
            };
            if same || !meet {
                let cube = one_of(ruleset, start.clone(), Field::In, inputs.as_deref());
                return vec![one_of(ruleset, cube, Field::Out, outputs.as_deref())];
            }
            let inputs = inputs.unwrap_or_else(|| ruleset.interface_ids().map(|(id, _)| id).collect());
            let mut list = Vec::new();
            for id in inputs {
                let own = name_of(ruleset, id);
                let cube = is(start.clone(), Field::In, own);
                match &outputs {
                    Some(outputs) => {
                        let others: Vec<InterfaceId> = outputs.iter().copied().filter(|other| *other != id).collect();
                        if !others.is_empty() {
                            list.push(one_of(ruleset, cube, Field::Out, Some(&others)));
                        }
                    }
                    None => list.push(cube.with_ranges(Field::Out, &all_but(own))),
                }
            }
            list
        }
    }
}

fn all_but(value: u128) -> Vec<(u128, u128)> {
    let below = value.checked_sub(1).map(|last| (0, last));
    let above = value.checked_add(1).map(|first| (first, u128::MAX));
    below.into_iter().chain(above).collect()
}

/// Connections that a port forward made. Where the uplink's addresses come and go, every translation to these ports is
/// its: the text cannot name them, and translates nothing else.
fn translated(ruleset: &Ruleset, flow_box: &FlowBox, cube: Cube) -> Option<Cube> {
    let Some(at) = flow_box.translated else { return Some(cube) };
    let translation = &ruleset.translations[at as usize];
    let cube = port(is(cube, Field::Translated, 1), Field::SentDport, translation.ports);
    let uplink = ruleset.interface(translation.uplink);
    if uplink.dynamic {
        return Some(cube);
    }
    let family = Family::of(translation.to);
    let own = own_addresses(&uplink.addresses, family);
    (!own.is_empty()).then(|| cube.with_ranges(Field::SentDst, &own))
}

/// Addresses of one family as sorted ranges.
pub fn own_addresses(addresses: &[std::net::IpAddr], family: Family) -> Vec<(u128, u128)> {
    let mut list: Vec<(u128, u128)> = addresses
        .iter()
        .filter(|addr| Family::of(**addr) == family)
        .map(|addr| super::terms::number(*addr))
        .map(|addr| (addr, addr))
        .collect();
    list.sort_unstable();
    list.dedup();
    list
}

fn destinations(ruleset: &Ruleset, flow_box: &FlowBox, family: Family, cube: Cube) -> Vec<Cube> {
    match &flow_box.dst {
        Dst::Any => vec![cube],
        Dst::Addresses(ranges) => {
            let ranges = ranges_of(ranges, family);
            if ranges.is_empty() { Vec::new() } else { vec![cube.with_ranges(Field::Dst, &ranges)] }
        }
        Dst::Own => {
            let Path::Input { input } = flow_box.path else { return Vec::new() };
            let inputs = ids(ruleset, input).unwrap_or_else(|| ruleset.interface_ids().map(|(id, _)| id).collect());
            inputs
                .into_iter()
                .filter_map(|id| {
                    let interface = ruleset.interface(id);
                    let here = is(cube.clone(), Field::In, name_of(ruleset, id));
                    if interface.dynamic && interface.role == Role::Uplink {
                        let here = is(here, Field::DstTypeHere, LOCAL);
                        // Its addresses are those that come and go; a link-local one is on every interface.
                        return Some(match family {
                            Family::V4 => here,
                            Family::V6 => {
                                here.with_ranges(Field::Dst, &[(0, (0xfe80 << 112) - 1), (0xfec0 << 112, u128::MAX)])
                            }
                        });
                    }
                    let own = own_addresses(&interface.addresses, family);
                    (!own.is_empty()).then(|| here.with_ranges(Field::Dst, &own))
                })
                .collect()
        }
    }
}

/// A cube of a family as one for each of a box's services.
pub fn services(flow_box: &FlowBox, family: Family, cube: Cube) -> Vec<Cube> {
    let Some(services) = &flow_box.services else { return vec![cube] };
    // Ports of one protocol together: fewer cubes, the same packets.
    let mut list: Vec<Cube> = Vec::new();
    let mut ported: std::collections::BTreeMap<u8, Vec<(u128, u128)>> = std::collections::BTreeMap::new();
    for service in services.iter() {
        let Service { proto, ports } = *service;
        if let crate::policy::Ports::Range(PortRange { first, last }) = ports {
            ported.entry(proto).or_default().push((u128::from(first), u128::from(last)));
        } else {
            list.extend(of_service(cube.clone(), service, family));
        }
    }
    for (proto, ranges) in ported {
        list.push(is(cube.clone(), Field::Proto, u128::from(proto)).with_ranges(Field::Dport, &ranges));
    }
    list
}

/// When a rule covers.
struct Time {
    days: Vec<(u128, u128)>,
    seconds: Option<(u128, u128)>,
    before_ns: Option<u128>,
}

impl Time {
    fn narrow(&self, mut cube: Cube) -> Cube {
        if !self.days.is_empty() {
            cube = cube.with_ranges(Field::Day, &self.days);
        }
        if let Some((first, last)) = self.seconds {
            cube = cube.with(Field::Second, first, last);
        }
        if let Some(before) = self.before_ns {
            cube = cube.with(Field::Time, 0, before.saturating_sub(1));
        }
        cube
    }
}

/// Empty where a rule is not active at all.
fn times(ruleset: &Ruleset, rule: &Rule, at: At) -> Vec<Time> {
    let always = Time { days: Vec::new(), seconds: None, before_ns: None };
    if rule.when.is_always() {
        return vec![always];
    }
    match at {
        At::ClockUnknown => {
            if ruleset.is_active(rule, at) {
                vec![always]
            } else {
                Vec::new()
            }
        }
        At::Instant(now) if rule.when.until.is_some_and(|until| until <= now) => Vec::new(),
        At::Instant(_) => slots(ruleset, &rule.when, at, ruleset.weekday_zone_s)
            .into_iter()
            .map(|slot| Time {
                // Days of the policy begin with Monday, those of the kernel with Sunday.
                days: if slot.daily() {
                    Vec::new()
                } else {
                    (0u128..7)
                        .zip(slot.days)
                        .filter(|(_, on)| *on)
                        .map(|(day, _)| ((day + 1) % 7, (day + 1) % 7))
                        .collect()
                },
                seconds: (!slot.whole_day()).then(|| (u128::from(slot.first_s), u128::from(slot.last_s))),
                before_ns: slot.until.map(|until| u128::try_from(until.as_nanosecond()).unwrap_or(0)),
            })
            .collect(),
    }
}
