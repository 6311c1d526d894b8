//! Packets that people know: of all packets that differ in one way, the one that is shown.

use segwall_packetset::{AddrRange, Cube, Field, GaveUp, Point, Set, Space};

use super::classes;
use crate::analysis::proof::WISHES;
use crate::analysis::sets;
use crate::netfilter::Hook;
use crate::ruleset::Ruleset;

/// What packets look like that people know, one wish after another.
pub(super) struct Usual(Vec<Set>);

impl Usual {
    pub fn of(space: &mut Space, ruleset: &Ruleset, hook: Hook) -> Result<Self, GaveUp> {
        /// Hosts are rather in the middle of a network than at its edge.
        const HOSTS: [u128; 2] = [10, 20];
        const OUTSIDE: [[&str; 2]; 2] = [["198.51.100.7", "2001:db8::7"], ["203.0.113.9", "2001:db8::9"]];
        const SERVICES: [u128; 4] = [22, 443, 80, 53];
        let hosts = |end: usize| -> Vec<AddrRange> {
            let outside = OUTSIDE[end].iter().map(|text| text.parse().expect("an address"));
            let networks = ruleset.interfaces.iter().flat_map(|interface| &interface.networks);
            let inside = networks.filter_map(|network| network.nth(HOSTS[end])).map(AddrRange::single);
            outside.chain(inside).collect()
        };
        let mut own = classes::own_addresses(ruleset);
        own.push("fe80::1".parse().expect("an address"));
        // Interfaces that the policy knows, or the one that carries them; not in and out of one.
        let mut known: Vec<&str> = ruleset.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let carriers: Vec<&str> =
            known.iter().filter_map(|name| name.rsplit_once('.')).map(|(trunk, _)| trunk).collect();
        known.extend(carriers);
        known.push("eth9");
        let by_in = sets::interfaces_named(space, Field::In, known.iter().copied())?;
        let by_out = sets::interfaces_named(space, Field::Out, known.iter().copied())?;
        let policys = ruleset.interfaces.iter().map(|interface| interface.name.as_str());
        let by_policys = sets::interfaces_named(space, Field::Out, policys)?;
        let mut same = Vec::new();
        for interface in &ruleset.interfaces {
            let number = super::terms::name(&interface.name);
            same.push(Cube::all().with_only(Field::In, number).with_only(Field::Out, number));
        }
        let same = space.cubes(&same)?;
        let apart = space.complement(same)?;
        let new = space.range(Field::State, 0, 0)?;
        let opening = sets::can_open(space)?;
        let from = super::terms::among(space, Field::Src, &hosts(0))?;
        let to_hosts = super::terms::among(space, Field::Dst, &hosts(1))?;
        let to_own = super::terms::among(space, Field::Dst, &own)?;
        // Where nothing opens a connection, what people know is an acknowledgement.
        let ack = space.range(Field::Flags, 0x10, 0x10)?;
        let mut wishes = vec![new, opening, ack];
        if hook != Hook::Output {
            wishes.push(by_in);
        }
        if hook != Hook::Input {
            wishes.extend([by_policys, by_out]);
        }
        if hook == Hook::Forward {
            wishes.push(apart);
        }
        let from_own = super::terms::among(space, Field::Src, &own)?;
        wishes.push(if hook == Hook::Output { from_own } else { from });
        if hook == Hook::Input {
            wishes.push(to_own);
        }
        wishes.push(to_hosts);
        let v4 = space.range(Field::Family, 0, 0)?;
        wishes.push(v4);
        let services: Vec<(u128, u128)> = SERVICES.iter().map(|port| (*port, *port)).collect();
        wishes.push(space.ranges(Field::Dport, &services)?);
        Ok(Self(wishes))
    }
}

/// A packet of the set that looks as usual as it can.
pub(super) fn telling(space: &mut Space, set: Set, usual: &Usual) -> Result<Option<Point>, GaveUp> {
    let mut chosen = set;
    for wish in &usual.0 {
        let some = space.intersect(chosen, *wish)?;
        if !some.is_empty() {
            chosen = some;
        }
    }
    Ok(space.witness_preferring(chosen, &WISHES))
}
