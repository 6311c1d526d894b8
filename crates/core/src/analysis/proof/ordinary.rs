//! Which packet of a set to show: one that people have met before, between interfaces and addresses that they know.

use segwall_packetset::{Family, Field, Point, Set, Space, TcpFlags, proto};

use super::terms::{name_number, name_of, number};
use crate::netfilter::Hook;
use crate::ruleset::{Interface, Role, Ruleset};

/// What a packet should look like where the set leaves a choice.
pub const WISHES: [(Field, u128); 7] = [
    (Field::State, 0),
    (Field::Translated, 0),
    (Field::Proto, proto::TCP as u128),
    (Field::Flags, TcpFlags::SYN as u128),
    (Field::Sport, 40_000),
    (Field::Hops, 64), // what most hosts send with
    (Field::PktType, 0),
];
/// Well-known ports, the most usual first.
const PORTS: [u128; 4] = [443, 22, 53, 80];
/// An interface that no policy names, for packets that come by none of the policy's.
const STRANGER: &str = "other0";
/// Hosts on the internet: 198.51.100.7 (RFC 5737) and 2001:db8::7 (RFC 3849).
const OUTSIDE: [u128; 2] = [0xc633_6407, (0x2001_0db8 << 96) | 7];
/// Hosts of a segment have this number in its network, where it is large enough.
const HOST: u128 = 10;

/// An ordinary packet of the set: interfaces of the policy, hosts of their networks, a well-known port. The same set gives
/// the same packet.
pub fn ordinary(space: &Space, ruleset: &Ruleset, hook: Hook, set: Set) -> Option<Point> {
    let interfaces: Vec<u128> = ruleset.interface_ids().map(|(id, _)| name_of(ruleset, id)).collect();
    let stranger = name_number(STRANGER);
    let mut wishes = WISHES.to_vec();
    // What has no interface of entry or exit has 0 there.
    match hook {
        Hook::Output => wishes.push((Field::In, 0)),
        _ => wishes.extend(interfaces.iter().chain([&stranger]).map(|name| (Field::In, *name))),
    }
    let input = space.witness_preferring(set, &wishes)?.get(Field::In);
    match hook {
        Hook::Prerouting | Hook::Input | Hook::Ingress => wishes.push((Field::Out, 0)),
        Hook::Forward | Hook::Output | Hook::Postrouting | Hook::Egress => {
            let others = interfaces.iter().filter(|name| **name != input);
            wishes.extend(others.chain([&input, &stranger]).map(|name| (Field::Out, *name)));
        }
    }
    let point = space.witness_preferring(set, &wishes)?;
    let family = if point.get(Field::Family) == 0 { Family::V4 } else { Family::V6 };
    let of = |field| {
        let at = interfaces.iter().position(|name| *name == point.get(field));
        at.map(|at| &ruleset.interfaces[at])
    };
    match (of(Field::In), of(Field::Out)) {
        (Some(from), Some(to)) => {
            wishes.extend(host(from, family).map(|addr| (Field::Src, addr)));
            wishes.extend(host(to, family).map(|addr| (Field::Dst, addr)));
        }
        (Some(from), None) => {
            wishes.extend(host(from, family).map(|addr| (Field::Src, addr)));
            let outside = OUTSIDE[usize::from(family == Family::V6)];
            wishes.extend(own(from, family).into_iter().chain([outside]).map(|addr| (Field::Dst, addr)));
        }
        (None, Some(to)) => {
            wishes.extend(own(to, family).map(|addr| (Field::Src, addr)));
            wishes.extend(host(to, family).map(|addr| (Field::Dst, addr)));
        }
        (None, None) => {}
    }
    // What was translated was sent to the uplink's address.
    let uplinks = ruleset.interfaces.iter().filter(|interface| interface.role == Role::Uplink);
    wishes.extend(uplinks.filter_map(|uplink| own(uplink, family)).map(|addr| (Field::SentDst, addr)));
    wishes.extend(PORTS.map(|port| (Field::Dport, port)));
    space.witness_preferring(set, &wishes)
}

/// A host behind an interface.
fn host(interface: &Interface, family: Family) -> Option<u128> {
    if interface.role == Role::Uplink {
        return Some(OUTSIDE[usize::from(family == Family::V6)]);
    }
    let network = interface.networks.iter().find(|network| network.family() == family)?;
    let (first, last) = (number(network.first()), number(network.last()));
    Some(first.saturating_add(HOST).min(last))
}

/// The box's own address at an interface.
fn own(interface: &Interface, family: Family) -> Option<u128> {
    interface.addresses.iter().find(|addr| Family::of(**addr) == family).map(|addr| number(*addr))
}
