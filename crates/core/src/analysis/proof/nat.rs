//! What the policy wants translated, as sets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::{Cube, Family, Field, GaveUp, Set, Space};

use super::boxes::own_addresses;
use super::terms::{LOCAL, NEW, family_number, is, name_of, names, port, ranges_of};
use crate::ruleset::{Role, Ruleset, Translation, private_ipv4};

/// Where packets are sent to instead: address, and port where it changes.
pub type Target = (IpAddr, Option<u16>);

/// Which first packets get which destination, in the coordinates of the prerouting hook: `Dst` and `Dport` are what was
/// sent, no output interface is known yet.
///
/// # Errors
/// When the space gives up.
pub fn destinations(space: &mut Space, ruleset: &Ruleset) -> Result<BTreeMap<Target, Set>, GaveUp> {
    let mut targets: BTreeMap<Target, Set> = BTreeMap::new();
    let mut taken = Set::EMPTY;
    for translation in &ruleset.translations {
        let mut cubes = asked(ruleset, translation, false);
        if translation.hairpin {
            cubes.extend(asked(ruleset, translation, true));
        }
        let mut set = space.cubes(&cubes)?;
        if ruleset.interface(translation.uplink).dynamic {
            let never = never_the_uplinks(space, ruleset, translation)?;
            set = space.minus(set, never)?;
        }
        let set = space.minus(set, taken)?;
        taken = space.union(taken, set)?;
        let known = targets.entry((translation.to, translation.to_port)).or_insert(Set::EMPTY);
        *known = space.union(*known, set)?;
    }
    targets.retain(|_, set| !set.is_empty());
    Ok(targets)
}

fn asked(ruleset: &Ruleset, translation: &Translation, hairpin: bool) -> Vec<Cube> {
    let family = Family::of(translation.to);
    let cube = is(is(Cube::all(), Field::Family, family_number(family)), Field::State, NEW);
    let cube = is(cube, Field::Proto, u128::from(translation.proto));
    let cube = port(cube, Field::Dport, translation.ports);
    let cube = if hairpin {
        let segments = ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id));
        cube.with_ranges(Field::In, &names(segments.map(|(_, interface)| interface.name.as_str())))
    } else {
        is(cube, Field::In, name_of(ruleset, translation.uplink))
    };
    let cube = match &translation.from {
        Some(from) if !hairpin => {
            let ranges = ranges_of(from, family);
            if ranges.is_empty() {
                return Vec::new();
            }
            cube.with_ranges(Field::Src, &ranges)
        }
        _ => cube,
    };
    let uplink = ruleset.interface(translation.uplink);
    if uplink.dynamic {
        // The kernel knows the addresses: local on the uplink, and from a segment every local one that is no other's.
        return vec![is(cube, if hairpin { Field::DstType } else { Field::DstTypeHere }, LOCAL)];
    }
    let own = own_addresses(&uplink.addresses, family);
    if own.is_empty() { Vec::new() } else { vec![cube.with_ranges(Field::Dst, &own)] }
}

/// Local addresses that are no dynamic uplink's: loopback, link-local, and those that the policy gives to others.
fn never_the_uplinks(space: &mut Space, ruleset: &Ruleset, translation: &Translation) -> Result<Set, GaveUp> {
    let family = Family::of(translation.to);
    let of = is(Cube::all(), Field::Family, family_number(family));
    let segments: Vec<(u128, u128)> = names(
        ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id)).map(|(_, interface)| interface.name.as_str()),
    );
    let from_segments = of.clone().with_ranges(Field::In, &segments);
    let mut cubes = Vec::new();
    match family {
        Family::V4 => cubes.push(from_segments.clone().with(Field::Dst, 0x7f00_0000, 0x7fff_ffff)),
        Family::V6 => {
            cubes.push(of.with(Field::Dst, 0xfe80 << 112, (0xfec0 << 112) - 1));
            cubes.push(is(from_segments.clone(), Field::Dst, 1));
        }
    }
    for interface in ruleset.interfaces.iter().filter(|interface| !interface.dynamic) {
        let own = own_addresses(&interface.addresses, family);
        if !own.is_empty() {
            cubes.push(from_segments.clone().with_ranges(Field::Dst, &own));
        }
    }
    space.cubes(&cubes)
}

/// First packets of connections that are translated as no port forward does it. There are none: what the nat chains
/// translate is compared by itself.
///
/// # Errors
/// When the space gives up.
pub fn never_translated(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut made = Vec::new();
    for translation in &ruleset.translations {
        let mut inputs = vec![ruleset.interface(translation.uplink).name.as_str()];
        if translation.hairpin {
            let segments = ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id));
            inputs.extend(segments.map(|(_, interface)| interface.name.as_str()));
        }
        let family = Family::of(translation.to);
        let to = super::terms::number(translation.to);
        let cube =
            is(is(Cube::all(), Field::Family, family_number(family)), Field::Proto, u128::from(translation.proto));
        let cube = is(cube.with_ranges(Field::In, &names(inputs.into_iter())), Field::Dst, to);
        made.push(port(port(cube, Field::SentDport, translation.ports), Field::Dport, translation.delivered_ports()));
    }
    let made = space.cubes(&made)?;
    let translated = space.cube(&is(is(Cube::all(), Field::State, NEW), Field::Translated, 1))?;
    space.minus(translated, made)
}

/// First packets as they were sent that a port forward takes: behind it none of them is left.
///
/// # Errors
/// When the space gives up.
pub fn taken(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let taken: Vec<Set> = destinations(space, ruleset)?.into_values().collect();
    let taken = space.union_all(&taken)?;
    let as_sent = space.range(Field::Translated, 0, 0)?;
    space.intersect(taken, as_sent)
}

/// Packets from the box's own addresses in segments.
///
/// # Errors
/// When the space gives up.
pub fn segment_addresses(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut cubes = Vec::new();
    for interface in ruleset.interfaces.iter().filter(|interface| interface.role != Role::Uplink) {
        for family in Family::BOTH {
            let own = own_addresses(&interface.addresses, family);
            if !own.is_empty() {
                cubes.push(is(Cube::all(), Field::Family, family_number(family)).with_ranges(Field::Src, &own));
            }
        }
    }
    space.cubes(&cubes)
}

/// Packets that masquerading leaves as they are: they come from the address that it chooses. That is the one whose network
/// the next hop lies in (`inet_select_addr` of the kernel), or the only one there is.
///
/// # Errors
/// When the space gives up.
pub fn own_already(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let mut cubes = Vec::new();
    let of = is(Cube::all(), Field::Family, family_number(Family::V4));
    for (id, interface) in ruleset.interface_ids().filter(|(_, interface)| !interface.dynamic) {
        let own: Vec<_> = interface.addresses.iter().filter(|addr| addr.is_ipv4()).collect();
        for addr in &own {
            let from = is(of.clone(), Field::Out, name_of(ruleset, id));
            let from = is(from, Field::Src, super::terms::number(**addr));
            if own.len() == 1 {
                cubes.push(from);
                continue;
            }
            let near = interface.networks.iter().filter(|network| network.contains(**addr)).copied();
            cubes.push(from.with_ranges(Field::Dst, &ranges_of(&near.collect::<Vec<_>>(), Family::V4)));
        }
    }
    space.cubes(&cubes)
}

/// Which packets get the address of the interface they leave by for their source, in the coordinates of the postrouting
/// hook.
///
/// # Errors
/// When the space gives up.
pub fn masquerade(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let private = ranges_of(&private_ipv4(), Family::V4);
    let mut cubes = Vec::new();
    for (id, interface) in ruleset.interface_ids() {
        let name = name_of(ruleset, id);
        let leaving = is(Cube::all(), Field::Out, name);
        if interface.masquerade {
            let cube = is(leaving.clone(), Field::Family, family_number(Family::V4));
            cubes.push(cube.with_ranges(Field::Src, &private));
        }
        if interface.role != Role::Uplink {
            cubes.push(is(is(leaving, Field::In, name), Field::Translated, 1));
        }
    }
    space.cubes(&cubes)
}
