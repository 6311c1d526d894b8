//! Sets that questions begin with.

use segwall_packetset::{Cube, Family, Field, GaveUp, Set, Space, TcpFlags, interface, proto};

use crate::analysis::proof::LOOPBACK;
use crate::analysis::proof::terms::{LOCAL, NEW, family_number};
use crate::netfilter::Hook;

/// Family, protocol, and ranges of types.
type Opening = (Family, u8, [(u128, u128); 2]);

/// Messages of ICMP and of ICMPv6 that open a connection (`nf_conntrack_proto_icmp.c`, `nf_conntrack_proto_icmpv6.c`).
const OPENING: [Opening; 2] =
    [(Family::V4, proto::ICMP, [(8, 8), (13, 17)]), (Family::V6, proto::ICMPV6, [(128, 128), (139, 139)])];
/// Of 13 to 17, those that are replies.
const REPLIES: [u128; 2] = [14, 16];

/// Packets that can be at a hook: whole ones ([`Space::wellformed`]), with an interface where the hook has one, without
/// where it has none. Only the hooks a verdict is asked of: input, forward, output; others limit nothing.
///
/// What the kernel's routing never hands to a hook is not in it: forwarded packets to an address of the box, and IPv4
/// packets that come with one as their source (`fib_validate_source`, unless `accept_local` is set).
///
/// # Errors
/// When the space gives up.
pub fn possible(space: &mut Space, hook: Hook) -> Result<Set, GaveUp> {
    let some = |cube: Cube, field: Field| cube.with(field, 1, field.max());
    let none = |cube: Cube, field| cube.with_only(field, 0);
    let cube = match hook {
        Hook::Input | Hook::Prerouting => none(some(Cube::all(), Field::In), Field::Out),
        Hook::Output => none(some(Cube::all(), Field::Out), Field::In),
        Hook::Forward => some(some(Cube::all(), Field::In), Field::Out),
        Hook::Postrouting | Hook::Ingress | Hook::Egress => Cube::all(),
    };
    let set = space.cube(&cube)?;
    let wellformed = space.wellformed()?;
    let mut set = space.intersect(set, wellformed)?;
    let local = |field| Cube::all().with_only(field, LOCAL);
    if hook == Hook::Forward {
        // What the box tells itself is not forwarded, and what is the box's own is delivered.
        let lo = box_itself(space)?;
        let own = space.cubes(&[local(Field::DstType), local(Field::DstTypeHere)])?;
        set = space.minus(set, lo)?;
        set = space.minus(set, own)?;
    }
    if matches!(hook, Hook::Forward | Hook::Input) {
        let v4 = |cube: Cube| cube.with_only(Field::Family, family_number(Family::V4));
        let own = space.cubes(&[v4(local(Field::SrcType)), v4(local(Field::SrcTypeHere))])?;
        let lo = box_itself(space)?;
        let own = space.minus(own, lo)?;
        set = space.minus(set, own)?;
    }
    Ok(set)
}

/// Packets that come or go by the loopback interface.
///
/// # Errors
/// When the space gives up.
pub fn box_itself(space: &mut Space) -> Result<Set, GaveUp> {
    let lo = interface(LOOPBACK).expect("a name");
    let (input, output) = (space.range(Field::In, lo, lo)?, space.range(Field::Out, lo, lo)?);
    space.union(input, output)
}

/// First packets of connections at a hook: new, TCP with a bare SYN, ICMP with a message that opens one. Translated ones
/// are among them (a forwarded port is seen so at the input and forward hooks): intersect with [`untranslated`] where no
/// translation is loaded.
///
/// # Errors
/// When the space gives up.
pub fn first_packets(space: &mut Space, hook: Hook) -> Result<Set, GaveUp> {
    let possible = possible(space, hook)?;
    let new = space.range(Field::State, NEW, NEW)?;
    let opening = can_open(space)?;
    space.intersect_all(&[possible, new, opening])
}

/// Packets whose headers can be those of a connection's first packet, whatever connection tracking says.
///
/// # Errors
/// When the space gives up.
pub fn can_open(space: &mut Space) -> Result<Set, GaveUp> {
    let tcp = space.range(Field::Proto, u128::from(proto::TCP), u128::from(proto::TCP))?;
    let syn = bare_syn(space)?;
    let other = space.minus(tcp, syn)?;
    let mut icmp = Vec::new();
    for (family, protocol, _) in OPENING {
        icmp.push(of_family(family).with_only(Field::Proto, u128::from(protocol)));
    }
    let icmp = space.cubes(&icmp)?;
    let opens = opening_icmp(space)?;
    let silent = space.minus(icmp, opens)?;
    let out = space.union(other, silent)?;
    space.complement(out)
}

/// ICMP and ICMPv6 messages that open a connection.
///
/// # Errors
/// When the space gives up.
pub fn opening_icmp(space: &mut Space) -> Result<Set, GaveUp> {
    let cubes: Vec<Cube> = OPENING
        .iter()
        .map(|(family, protocol, kinds)| {
            of_family(*family).with_only(Field::Proto, u128::from(*protocol)).with_ranges(Field::IcmpType, kinds)
        })
        .collect();
    let set = space.cubes(&cubes)?;
    let replies = of_family(Family::V4).with_only(Field::Proto, u128::from(proto::ICMP));
    let replies = REPLIES.iter().fold(replies, |cube, kind| cube.with(Field::IcmpType, *kind, *kind));
    let replies = space.cube(&replies)?;
    space.minus(set, replies)
}

/// TCP with SYN and without FIN, RST and ACK.
///
/// # Errors
/// When the space gives up.
pub fn bare_syn(space: &mut Space) -> Result<Set, GaveUp> {
    let flags: Vec<(u128, u128)> =
        (0..=u8::MAX).filter(|flags| TcpFlags(*flags).is_bare_syn()).map(|f| (u128::from(f), u128::from(f))).collect();
    space.cube(&Cube::all().with_only(Field::Proto, u128::from(proto::TCP)).with_ranges(Field::Flags, &flags))
}

/// Packets whose destination is the one they were sent to.
///
/// # Errors
/// When the space gives up.
pub fn untranslated(space: &mut Space) -> Result<Set, GaveUp> {
    space.range(Field::Translated, 0, 0)
}

/// Packets that come by one of these interfaces (`field` is [`Field::In`]) or leave by one ([`Field::Out`]). Names that no
/// interface can have are left out.
///
/// # Errors
/// When the space gives up.
pub fn interfaces_named<'a>(
    space: &mut Space,
    field: Field,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Set, GaveUp> {
    let ranges: Vec<(u128, u128)> = names.into_iter().filter_map(interface).map(|name| (name, name)).collect();
    space.ranges(field, &ranges)
}

fn of_family(family: Family) -> Cube {
    Cube::all().with_only(Field::Family, family_number(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use segwall_packetset::{CtState, Flow, Header, Place, Point};
    use std::net::IpAddr;

    #[test]
    fn what_opens_is_what_the_kernel_calls_new() {
        let mut space = Space::default();
        let first = first_packets(&mut space, Hook::Forward).unwrap();
        for family in Family::BOTH {
            let addr: IpAddr = if family == Family::V4 { "10.0.0.1" } else { "fd00::1" }.parse().unwrap();
            let own = if family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
            for kind in 0..=u8::MAX {
                let flow = Flow {
                    input: Place::Elsewhere,
                    output: Place::Elsewhere,
                    proto: own,
                    src: addr,
                    dst: addr,
                    header: Header::Icmp { kind, code: 0 },
                    sent: None,
                };
                let point = Point::default()
                    .with(Field::Family, family_number(family))
                    .with(Field::Proto, u128::from(own))
                    .with(Field::IcmpType, u128::from(kind))
                    .with(Field::In, interface("eth0").unwrap())
                    .with(Field::Out, interface("eth1").unwrap());
                assert_eq!(space.contains(first, &point), flow.first_state() == CtState::New, "{family} {kind}");
            }
        }
        let untracked = space.range(Field::State, 4, 4).unwrap();
        assert!(space.intersect(first, untracked).unwrap().is_empty());
    }
}
