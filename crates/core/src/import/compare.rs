//! What the policy does otherwise than the rules did: inside the promise there must be nothing, outside it is listed.
//!
//! The policy is the one that was read from the written text; nothing here knows how that text was made.

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Field, GaveUp, Point, Set, Space};

use super::classes::{self, Class, Scope};
use super::forwards;
use super::old::Old;
use crate::analysis::proof::{self, WISHES};
use crate::analysis::sets;
use crate::netfilter::Hook;
use crate::netfilter::meaning::Translations;
use crate::ruleset::{At, Need, Origin, Ruleset};

/// Which packets differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// Of the promise: what import could not say in the policy's language.
    Promised,
    /// A class outside of it.
    Class(Class),
    /// What Segwall accepts without being asked.
    Implied,
    /// Connections that a port forward made.
    Forwarded,
    /// Destinations that are translated: port forwards.
    Destinations,
    /// Port forwards as segments see them.
    Hairpin,
    /// Sources that are translated.
    Sources,
    /// Refused with an answer.
    Answered,
}

/// How they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The rules accepted, the policy drops.
    Closed,
    /// The rules dropped, the policy accepts.
    Opened,
    /// Both treat them otherwise in another way.
    Otherwise,
}

/// Packets that are treated otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub which: Which,
    pub how: How,
    pub hook: Hook,
    /// All of them.
    pub set: Set,
    /// All that were asked: what a reader takes for granted.
    pub among: Set,
    /// One of them.
    pub point: Point,
    /// The rules surely did otherwise; else they may have.
    pub sure: bool,
}

/// Both sides.
pub(super) struct Sides<'a> {
    pub ruleset: &'a Ruleset,
    /// The same policy without rules: what is accepted without being asked.
    pub bare: &'a Ruleset,
    pub scope: &'a Scope,
    /// Port forwards are kept apart from this.
    pub translations: &'a Translations,
    pub followed: &'a [((IpAddr, Option<u16>), Set)],
    /// Masqueraded by the rules; otherwise translated; whether that is certain.
    pub sources: (Set, Set, bool),
}

/// Compares at one hook.
pub(super) fn filter(space: &mut Space, sides: &Sides<'_>, hook: Hook, old: &Old) -> Result<Vec<Found>, GaveUp> {
    let new = proof::intent(space, sides.ruleset, hook, At::ClockUnknown)?;
    // What the box sends is accepted as a whole unless the policy says otherwise: then nothing of it is a need.
    let every = |rule: &crate::ruleset::Rule| rule.origin == Origin::Need(Need::Output);
    let implied = if hook == Hook::Output && sides.bare.rules.iter().any(every) {
        Set::EMPTY
    } else {
        proof::intent(space, sides.bare, hook, At::ClockUnknown)?.accept
    };
    let never = proof::not_local(space, sides.ruleset)?;
    let parts = classes::parts(space, sides.ruleset, hook, sides.scope)?;
    // Needs are about what opens something, and about neighbours; known connections are no need.
    let known = space.range(Field::State, 1, 3)?;
    let implied = space.minus(implied, known)?;
    let first = sets::first_packets(space, hook)?;
    let usual = Usual::of(space, sides.ruleset, hook)?;
    let mut comparison = Comparison {
        space,
        old,
        accept: new.accept,
        never,
        hook,
        implied,
        first,
        usual,
        found: Vec::new(),
        later: Vec::new(),
    };
    comparison.compare(Which::Promised, parts.promised)?;
    for (class, set) in parts.others {
        comparison.compare(Which::Class(class), set)?;
    }
    if hook == Hook::Forward {
        let translated = translated(comparison.space, sides, new.possible)?;
        comparison.compare(Which::Forwarded, translated)?;
    }
    comparison.put_off()?;
    let refused = comparison.space.intersect(old.rejects, parts.promised)?;
    let refused = comparison.space.minus(refused, new.accept)?;
    let silent = comparison.space.minus(refused, new.reject)?;
    comparison.push(Which::Answered, How::Otherwise, silent, (parts.promised, false))?;
    Ok(comparison.found)
}

/// Connections that the policy's port forwards make, honest ones, from the internet.
fn translated(space: &mut Space, sides: &Sides<'_>, possible: Set) -> Result<Set, GaveUp> {
    let new = space.range(Field::State, 0, 0)?;
    let opening = sets::can_open(space)?;
    let by_forward = space.range(Field::Translated, 1, 1)?;
    let to = super::terms::among(space, Field::Dst, &sides.scope.forwarded_to)?;
    let asked = forwards::asked(space, sides.ruleset)?;
    let inputs: Vec<Field> =
        Field::ALL.into_iter().filter(|field| !matches!(field, Field::In | Field::Src | Field::Family)).collect();
    let from = space.exists(asked, &inputs)?;
    let set = space.intersect_all(&[possible, new, opening, by_forward, to, from])?;
    // They leave by the segment that the target lies in.
    let mut cubes = Vec::new();
    for interface in &sides.ruleset.interfaces {
        for family in segwall_packetset::Family::BOTH {
            let list = super::terms::numbers(&interface.sources, family);
            if !list.is_empty() {
                let of = super::terms::of_family(family).with_only(Field::Out, super::terms::name(&interface.name));
                cubes.push(of.with_ranges(Field::Dst, &list));
            }
        }
    }
    let home = space.cubes(&cubes)?;
    space.intersect(set, home)
}

struct Comparison<'a> {
    space: &'a mut Space,
    old: &'a Old,
    accept: Set,
    never: Set,
    hook: Hook,
    /// Accepted without being asked.
    implied: Set,
    /// First packets of connections.
    first: Set,
    usual: Usual,
    found: Vec<Found>,
    /// Told with others of their kind: which, how, all of them, those that are certain.
    later: Vec<(Which, How, Set, Set)>,
}

impl Comparison<'_> {
    fn compare(&mut self, which: Which, among: Set) -> Result<(), GaveUp> {
        let dropped = self.space.minus(among, self.accept)?;
        let closed = self.space.intersect(dropped, self.old.may)?;
        let surely = self.space.intersect(dropped, self.old.sure)?;
        self.closed(which, (closed, surely), among)?;
        let accepted = self.space.intersect(among, self.accept)?;
        let opened = self.space.minus(accepted, self.old.sure)?;
        let surely = self.space.minus(accepted, self.old.may)?;
        // What Segwall accepts by itself is one thing to tell, wherever it goes.
        let needs = self.space.intersect(opened, self.implied)?;
        let sure_needs = self.space.intersect(surely, self.implied)?;
        self.put(Which::Implied, How::Opened, needs, sure_needs)?;
        let opened = self.space.minus(opened, self.implied)?;
        let surely = self.space.minus(surely, self.implied)?;
        self.both(which, How::Opened, opened, surely, among)
    }

    /// Of a class by where packets go, those that open nothing are told by their state.
    fn closed(&mut self, which: Which, (closed, surely): (Set, Set), among: Set) -> Result<(), GaveUp> {
        let Which::Class(class) = which else { return self.both(which, How::Closed, closed, surely, among) };
        if !class.is_of_places() || class == Class::Loopback {
            return self.put(which, How::Closed, closed, surely);
        }
        for state in Class::STATES {
            let of = match state {
                Class::OpensNothing => {
                    let new = self.space.range(Field::State, 0, 0)?;
                    self.space.minus(new, self.first)?
                }
                other => {
                    let number = match other {
                        Class::Established => 1,
                        Class::Related => 2,
                        Class::Invalid => 3,
                        _ => 4,
                    };
                    self.space.range(Field::State, number, number)?
                }
            };
            let (some, sure) = (self.space.intersect(closed, of)?, self.space.intersect(surely, of)?);
            self.put(Which::Class(state), How::Closed, some, sure)?;
        }
        let (first, sure) = (self.space.intersect(closed, self.first)?, self.space.intersect(surely, self.first)?);
        self.both(which, How::Closed, first, sure, among)
    }

    /// Puts a part off until all of its kind are there.
    fn put(&mut self, which: Which, how: How, all: Set, sure: Set) -> Result<(), GaveUp> {
        if all.is_empty() {
            return Ok(());
        }
        match self.later.iter_mut().find(|(known, direction, _, _)| *known == which && *direction == how) {
            Some((_, _, known, known_sure)) => {
                *known = self.space.union(*known, all)?;
                *known_sure = self.space.union(*known_sure, sure)?;
            }
            None => self.later.push((which, how, all, sure)),
        }
        Ok(())
    }

    fn put_off(&mut self) -> Result<(), GaveUp> {
        for (which, how, all, sure) in std::mem::take(&mut self.later) {
            self.both(which, how, all, sure, all)?;
        }
        Ok(())
    }

    fn both(&mut self, which: Which, how: How, may: Set, surely: Set, among: Set) -> Result<(), GaveUp> {
        let before = self.found.len();
        self.push(which, how, surely, (among, true))?;
        let unsure = self.space.minus(may, surely)?;
        // A class is told once: where some of it is certain, what is not so is left out; the promise is told whole.
        if self.found.len() == before || which == Which::Promised || which == Which::Forwarded {
            self.push(which, how, unsure, (among, false))?;
        }
        Ok(())
    }

    fn push(&mut self, which: Which, how: How, set: Set, (among, sure): (Set, bool)) -> Result<(), GaveUp> {
        if set.is_empty() {
            return Ok(());
        }
        let set = self.space.minus(set, self.never)?;
        if let Some(point) = telling(self.space, set, &self.usual)? {
            self.found.push(Found { which, how, hook: self.hook, set, among, point, sure });
        }
        Ok(())
    }
}

/// What packets look like that people know, one wish after another.
struct Usual(Vec<Set>);

impl Usual {
    fn of(space: &mut Space, ruleset: &Ruleset, hook: Hook) -> Result<Self, GaveUp> {
        /// Hosts are rather in the middle of a network than at its edge.
        const HOST: u128 = 10;
        const OUTSIDE: [&str; 2] = ["198.51.100.7", "2001:db8::7"];
        const SERVICES: [u128; 4] = [22, 443, 80, 53];
        let mut hosts: Vec<AddrRange> = OUTSIDE.iter().map(|text| text.parse().expect("an address")).collect();
        let networks = ruleset.interfaces.iter().flat_map(|interface| &interface.networks);
        hosts.extend(networks.filter_map(|network| network.nth(HOST)).map(AddrRange::single));
        let own = classes::own_addresses(ruleset);
        // Interfaces that the policy knows, or the one that carries them; not in and out of one.
        let mut known: Vec<&str> = ruleset.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let carriers: Vec<&str> =
            known.iter().filter_map(|name| name.rsplit_once('.')).map(|(trunk, _)| trunk).collect();
        known.extend(carriers);
        known.push("eth9");
        let by_in = sets::interfaces_named(space, Field::In, known.iter().copied())?;
        let by_out = sets::interfaces_named(space, Field::Out, known.iter().copied())?;
        let mut same = Vec::new();
        for interface in &ruleset.interfaces {
            let number = super::terms::name(&interface.name);
            same.push(segwall_packetset::Cube::all().with_only(Field::In, number).with_only(Field::Out, number));
        }
        let same = space.cubes(&same)?;
        let apart = space.complement(same)?;
        let new = space.range(Field::State, 0, 0)?;
        let opening = sets::can_open(space)?;
        let from = super::terms::among(space, Field::Src, &hosts)?;
        let to_hosts = super::terms::among(space, Field::Dst, &hosts)?;
        let to_own = super::terms::among(space, Field::Dst, &own)?;
        let mut wishes = vec![new, opening];
        if hook != Hook::Output {
            wishes.push(by_in);
        }
        if hook != Hook::Input {
            wishes.push(by_out);
        }
        if hook == Hook::Forward {
            wishes.push(apart);
        }
        wishes.push(if hook == Hook::Output { Set::ALL } else { from });
        wishes.push(if hook == Hook::Input { to_own } else { to_hosts });
        let v4 = space.range(Field::Family, 0, 0)?;
        wishes.push(v4);
        let services: Vec<(u128, u128)> = SERVICES.iter().map(|port| (*port, *port)).collect();
        wishes.push(space.ranges(Field::Dport, &services)?);
        Ok(Self(wishes))
    }
}

/// A packet of the set that looks as usual as it can.
fn telling(space: &mut Space, set: Set, usual: &Usual) -> Result<Option<Point>, GaveUp> {
    let mut chosen = set;
    for wish in &usual.0 {
        let some = space.intersect(chosen, *wish)?;
        if !some.is_empty() {
            chosen = some;
        }
    }
    Ok(space.witness_preferring(chosen, &WISHES))
}

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

/// The rules' destinations with the packets from segments.
fn destinations(space: &mut Space, sides: &Sides<'_>) -> Result<Vec<((IpAddr, Option<u16>), Set)>, GaveUp> {
    let mut list = Vec::new();
    for (nat, set) in &sides.translations.uses {
        let Some((to, _)) = nat.to.filter(|(first, last)| first == last) else { continue };
        let family = space.witness(*set).map_or(0, |point| point.get(Field::Family));
        let port = nat.ports.filter(|(first, last)| first == last).map(|(port, _)| port);
        list.push(((super::terms::address(super::terms::family_of(family), to), port), *set));
    }
    Ok(list)
}

type ByDelivery = BTreeMap<(IpAddr, Option<u16>), Set>;

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
    let keys: std::collections::BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
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
