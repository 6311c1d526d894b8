//! What each class asks of a packet.

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Set, Space, interface};

use super::classes::{Class, Scope};
use super::terms::{among, family_number, name, number, of_family};
use crate::analysis::proof::LOOPBACK;
use crate::analysis::sets;
use crate::netfilter::Hook;
use crate::ruleset::{Role, Ruleset};

/// `RTN_LOCAL` of the kernel's `rtnetlink.h`.
const LOCAL: u128 = 2;

/// Everything that is asked of a class, whatever was asked before.
pub(super) fn set(
    space: &mut Space,
    ruleset: &Ruleset,
    hook: Hook,
    scope: &Scope,
    class: Class,
) -> Result<Set, GaveUp> {
    let state = |space: &mut Space, number| space.range(Field::State, number, number);
    match class {
        Class::Elsewhere => elsewhere(space, ruleset, hook),
        Class::Loopback => sets::box_itself(space),
        Class::Invalid => state(space, 3),
        Class::Untracked => state(space, 4),
        Class::Related => state(space, 2),
        Class::Established => state(space, 1),
        Class::OpensNothing => {
            let opening = sets::can_open(space)?;
            space.complement(opening)
        }
        Class::OtherIcmp => space.cubes(&[
            of_family(Family::V4).with_only(Field::Proto, 58),
            of_family(Family::V6).with_only(Field::Proto, 1),
        ]),
        Class::NotCarried => not_carried(space, ruleset, hook),
        Class::Ipv6Unfiltered if !scope.ipv6_unfiltered => Ok(Set::EMPTY),
        Class::Ipv6Unfiltered => space.range(Field::Family, 1, 1),
        Class::Spoofed | Class::OwnSource if hook == Hook::Output => Ok(Set::EMPTY),
        Class::Spoofed => {
            let honest = behind(space, ruleset, Field::In, Field::Src)?;
            let not = space.complement(honest)?;
            let own = own_source(space, ruleset)?;
            space.minus(not, own)
        }
        Class::OwnSource => own_source(space, ruleset),
        Class::OtherAddress if hook != Hook::Input => Ok(Set::EMPTY),
        Class::OtherAddress => {
            let own = own_here(space, ruleset)?;
            let all = among(space, Field::Dst, &own_addresses(ruleset))?;
            space.minus(all, own)
        }
        Class::Broadcast if hook == Hook::Input => broadcast(space, ruleset),
        Class::Broadcast => Ok(Set::EMPTY),
        Class::Astray if hook == Hook::Input => {
            let own = own_here(space, ruleset)?;
            let known = among(space, Field::Dst, &own_addresses(ruleset))?;
            let own = space.union(own, known)?;
            space.complement(own)
        }
        Class::Astray => {
            let right = behind(space, ruleset, Field::Out, Field::Dst)?;
            space.complement(right)
        }
        Class::NotTheBox if hook == Hook::Output => from_the_box(space, ruleset).and_then(|own| space.complement(own)),
        Class::NotTheBox => Ok(Set::EMPTY),
        Class::Back if hook == Hook::Forward => back(space, ruleset),
        Class::Back => Ok(Set::EMPTY),
        Class::PortZero => port_zero(space),
        Class::Straight => forwarded(space, ruleset, hook, scope),
        Class::Implied => Ok(Set::EMPTY),
        Class::SourcePort => {
            let low = space.range(Field::Sport, 0, UNPRIVILEGED - 1)?;
            let ported = ported();
            let ported = space.cube(&ported)?;
            space.intersect(low, ported)
        }
    }
}

/// Packets from the internet to where port forwards lead, translated or not.
pub(super) fn forwarded(space: &mut Space, ruleset: &Ruleset, hook: Hook, scope: &Scope) -> Result<Set, GaveUp> {
    if hook != Hook::Forward || scope.forwarded_to.is_empty() {
        return Ok(Set::EMPTY);
    }
    let to = among(space, Field::Dst, &scope.forwarded_to)?;
    let uplinks = uplinks(space, ruleset, Field::In)?;
    space.intersect(to, uplinks)
}

fn elsewhere(space: &mut Space, ruleset: &Ruleset, hook: Hook) -> Result<Set, GaveUp> {
    let lo = interface(LOOPBACK).expect("a name");
    let mut known: Vec<(u128, u128)> =
        ruleset.interfaces.iter().map(|one| name(&one.name)).chain([lo]).map(|name| (name, name)).collect();
    known.sort_unstable();
    let by_in = space.ranges(Field::In, &known)?;
    let by_out = space.ranges(Field::Out, &known)?;
    let known = match hook {
        Hook::Input => by_in,
        Hook::Output => by_out,
        _ => space.intersect(by_in, by_out)?,
    };
    space.complement(known)
}

fn not_carried(space: &mut Space, ruleset: &Ruleset, hook: Hook) -> Result<Set, GaveUp> {
    let mut cubes = Vec::new();
    for family in Family::BOTH {
        for interface in ruleset.interfaces.iter().filter(|interface| !interface.carries(family)) {
            for field in sides(hook) {
                cubes.push(of_family(family).with_only(*field, name(&interface.name)));
            }
        }
    }
    space.cubes(&cubes)
}

fn sides(hook: Hook) -> &'static [Field] {
    match hook {
        Hook::Input => &[Field::In],
        Hook::Output => &[Field::Out],
        _ => &[Field::In, Field::Out],
    }
}

/// Every address of the box.
pub(super) fn own_addresses(ruleset: &Ruleset) -> Vec<AddrRange> {
    let own = ruleset.interfaces.iter().flat_map(|interface| &interface.addresses);
    AddrRange::merge(own.copied().map(AddrRange::single).collect())
}

/// Packets whose address lies behind the interface: of a segment its networks, of an uplink what lies in no segment; never
/// an address of the box.
fn behind(space: &mut Space, ruleset: &Ruleset, side: Field, end: Field) -> Result<Set, GaveUp> {
    let mut cubes = Vec::new();
    for interface in &ruleset.interfaces {
        if interface.role == Role::Uplink {
            continue;
        }
        for family in Family::BOTH {
            let ranges = super::terms::numbers(&interface.sources, family);
            if !ranges.is_empty() {
                cubes.push(of_family(family).with_only(side, name(&interface.name)).with_ranges(end, &ranges));
            }
        }
    }
    let segments = space.cubes(&cubes)?;
    let inside = among(space, end, &ruleset.inside)?;
    let uplinks = uplinks(space, ruleset, side)?;
    let outside = space.minus(uplinks, inside)?;
    let all = space.union(segments, outside)?;
    let own = among(space, end, &own_addresses(ruleset))?;
    space.minus(all, own)
}

fn uplinks(space: &mut Space, ruleset: &Ruleset, side: Field) -> Result<Set, GaveUp> {
    let uplinks = ruleset.interfaces.iter().filter(|interface| interface.role == Role::Uplink);
    let names: Vec<(u128, u128)> = uplinks.map(|uplink| name(&uplink.name)).map(|name| (name, name)).collect();
    space.ranges(side, &names)
}

/// Packets to an address that the box has on the interface they come by.
fn own_here(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut cubes: Vec<Cube> = Vec::new();
    for interface in &ruleset.interfaces {
        for family in Family::BOTH {
            let here = of_family(family).with_only(Field::In, name(&interface.name));
            if interface.dynamic {
                let here = here.with_only(Field::DstTypeHere, LOCAL);
                cubes.push(match family {
                    Family::V4 => here,
                    // A link-local address is on every interface.
                    Family::V6 => here.with_ranges(Field::Dst, &[(0, (0xfe80 << 112) - 1), (0xfec0 << 112, u128::MAX)]),
                });
                continue;
            }
            let own: Vec<(u128, u128)> = interface
                .addresses
                .iter()
                .filter(|addr| Family::of(**addr) == family)
                .map(|addr| (number(*addr), number(*addr)))
                .collect();
            if !own.is_empty() {
                cubes.push(here.with_ranges(Field::Dst, &own));
            }
        }
    }
    space.cubes(&cubes)
}

/// Packets from an address of the box, or from one that a dynamic uplink may have.
fn from_the_box(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let own = among(space, Field::Src, &own_addresses(ruleset))?;
    if !ruleset.interfaces.iter().any(|interface| interface.dynamic) {
        return Ok(own);
    }
    let inside = among(space, Field::Src, &ruleset.inside)?;
    let uplinks = uplinks(space, ruleset, Field::Out)?;
    let dynamic = space.minus(uplinks, inside)?;
    space.union(own, dynamic)
}

fn broadcast(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut v4 = vec![(0xe000_0000, 0xefff_ffff), (0xffff_ffff, 0xffff_ffff)];
    for network in ruleset.interfaces.iter().flat_map(|interface| &interface.networks) {
        if Family::of(network.first()) == Family::V4 && !network.is_single() {
            v4.push((number(network.last()), number(network.last())));
        }
    }
    let v4 = of_family(Family::V4).with_ranges(Field::Dst, &v4);
    let v6 = of_family(Family::V6).with(Field::Dst, 0xff00 << 112, u128::MAX);
    space.cubes(&[v4, v6])
}

/// Packets that leave where they came, where one network alone is behind that interface: they stay on the wire.
fn back(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut cubes = Vec::new();
    for interface in &ruleset.interfaces {
        for family in Family::BOTH {
            let several = interface.role != Role::Uplink && several_networks(ruleset, &interface.name, family);
            if !several {
                let name = name(&interface.name);
                cubes.push(
                    Cube::all()
                        .with_only(Field::Family, family_number(family))
                        .with_only(Field::In, name)
                        .with_only(Field::Out, name),
                );
            }
        }
    }
    space.cubes(&cubes)
}

/// Whether the box routes inside a segment: it has several networks of a family.
fn several_networks(ruleset: &Ruleset, device: &str, family: Family) -> bool {
    let interface = ruleset.interfaces.iter().find(|interface| interface.name == device);
    interface.is_some_and(|interface| {
        let routed: Vec<AddrRange> = interface.networks.iter().copied().filter(|net| net.family() == family).collect();
        let all: Vec<AddrRange> = interface.sources.iter().copied().filter(|net| net.family() == family).collect();
        routed.len() > 1 || AddrRange::merge(routed) != all
    })
}

/// The first port that every program may send from.
const UNPRIVILEGED: u128 = 1024;

/// Protocols with ports.
fn ported() -> Cube {
    let ported: Vec<(u128, u128)> = (0..=u8::MAX)
        .filter(|number| segwall_packetset::proto::has_ports(*number))
        .map(|number| (u128::from(number), u128::from(number)))
        .collect();
    Cube::all().with_ranges(Field::Proto, &ported)
}

fn port_zero(space: &mut Space) -> Result<Set, GaveUp> {
    space.cube(&ported().with_only(Field::Dport, 0))
}

/// Packets that come from elsewhere with a source of the box; of a dynamic uplink whatever it has.
pub(super) fn own_source(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut own = among(space, Field::Src, &own_addresses(ruleset))?;
    for interface in ruleset.interfaces.iter().filter(|interface| interface.dynamic) {
        let here = Cube::all().with_only(Field::In, name(&interface.name)).with_only(Field::SrcTypeHere, LOCAL);
        let here = space.cube(&here)?;
        own = space.union(own, here)?;
    }
    Ok(own)
}
