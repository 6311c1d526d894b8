//! Address translation, compared: destinations before routing, sources after it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::classes;
use super::compare::{Found, How, Sides, Which};
use super::forwards;
use super::old::Old;
use super::usual::{Usual, telling};
use crate::analysis::proof;
use crate::netfilter::Hook;
use crate::ruleset::At;

/// Compares address translation.
pub(super) fn translation(space: &mut Space, sides: &Sides<'_>, forward: &Old) -> Result<Vec<Found>, GaveUp> {
    let mut found = Vec::new();
    let usual = Usual::of(space, sides.ruleset, Hook::Prerouting)?;
    let asked = forwards::asked(space, sides.ruleset)?;
    let inside = forwards::asked_inside(space, sides.ruleset)?;
    let new = proof::destinations(space, sides.ruleset)?;
    let new: Vec<((IpAddr, Option<u16>), Set)> = new.into_iter().collect();
    let theirs = by_delivery(space, sides.followed)?;
    let ours = by_delivery(space, &new)?;
    differ(space, &mut found, (&theirs, &ours), asked, (Which::Destinations, &usual))?;
    let all: Vec<((IpAddr, Option<u16>), Set)> = destinations(space, sides)?;
    let all = by_delivery(space, &all)?;
    // What no port forward answers for is dropped in both, or reaches the box as it is: the input hook tells.
    let known: BTreeMap<_, _> = all.into_iter().filter(|(key, _)| ours.contains_key(key)).collect();
    differ(space, &mut found, (&known, &ours), inside, (Which::Hairpin, &usual))?;
    sources(space, sides, forward, &usual, &mut found)?;
    Ok(found)
}

/// Where packets are sent to instead: address, and port where it changes.
type Delivery = (IpAddr, Option<u16>);

/// The rules' destinations with the packets from segments.
fn destinations(space: &mut Space, sides: &Sides<'_>) -> Result<Vec<(Delivery, Set)>, GaveUp> {
    let mut list = Vec::new();
    for (nat, set) in &sides.translations.uses {
        let Some((to, _)) = nat.to.filter(|(first, last)| first == last) else { continue };
        let family = space.witness(*set).map_or(0, |point| point.get(Field::Family));
        let port = nat.ports.filter(|(first, last)| first == last).map(|(port, _)| port);
        list.push(((super::terms::address(super::terms::family_of(family), to), port), *set));
    }
    Ok(list)
}

type ByDelivery = BTreeMap<Delivery, Set>;

/// A port that stays the same is no other port, however it was written.
fn by_delivery(space: &mut Space, list: &[((IpAddr, Option<u16>), Set)]) -> Result<ByDelivery, GaveUp> {
    let mut map = ByDelivery::new();
    for ((to, port), set) in list {
        let mut parts = vec![(*port, *set)];
        if let Some(port) = port {
            let same = space.range(Field::Dport, u128::from(*port), u128::from(*port))?;
            let stays = space.intersect(*set, same)?;
            let moves = space.minus(*set, same)?;
            parts = vec![(None, stays), (Some(*port), moves)];
        }
        for (port, set) in parts.into_iter().filter(|(_, set)| !set.is_empty()) {
            let known = map.entry((*to, port)).or_insert(Set::EMPTY);
            *known = space.union(*known, set)?;
        }
    }
    Ok(map)
}

fn differ(
    space: &mut Space,
    found: &mut Vec<Found>,
    (theirs, ours): (&ByDelivery, &ByDelivery),
    among: Set,
    (which, usual): (Which, &Usual),
) -> Result<(), GaveUp> {
    let keys: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    let mut differs = Set::EMPTY;
    for key in keys {
        let a = theirs.get(key).copied().unwrap_or(Set::EMPTY);
        let b = ours.get(key).copied().unwrap_or(Set::EMPTY);
        let one = space.symmetric_difference(a, b)?;
        let one = space.intersect(one, among)?;
        differs = space.union(differs, one)?;
    }
    if let Some(point) = telling(space, differs, usual)? {
        let hook = Hook::Prerouting;
        found.push(Found { which, how: How::Otherwise, hook, set: differs, among, point, sure: true });
    }
    Ok(())
}

/// Sources are compared where connections are accepted: of what is dropped nothing leaves.
fn sources(
    space: &mut Space,
    sides: &Sides<'_>,
    forward: &Old,
    usual: &Usual,
    found: &mut Vec<Found>,
) -> Result<(), GaveUp> {
    let new = proof::intent(space, sides.ruleset, Hook::Forward, At::ClockUnknown)?;
    let parts = classes::parts(space, sides.ruleset, Hook::Forward, sides.scope)?;
    let leaving = space.intersect_all(&[new.accept, forward.may, parts.promised])?;
    let wanted = proof::masquerade(space, sides.ruleset)?;
    let (same, other, certain) = sides.sources;
    let differs = space.symmetric_difference(wanted, same)?;
    let differs = space.union(differs, other)?;
    let differs = space.intersect(differs, leaving)?;
    if let Some(point) = telling(space, differs, usual)? {
        found.push(Found {
            which: Which::Sources,
            how: How::Otherwise,
            hook: Hook::Postrouting,
            set: differs,
            among: leaving,
            point,
            sure: certain,
        });
    }
    Ok(())
}
