//! Packets of known connections, in both directions: by the right interface they pass, by any other they do not. A
//! connection's entry knows no interface.

use std::collections::BTreeSet;
use std::net::IpAddr;

use segwall_host::conntrack::{Key, Tuple};
use segwall_packetset::{Family, Header, InterfaceId, Place, TcpFlags, proto};

use crate::connections::others;
use crate::error::LabError;
use crate::frame::{Packet, SEQUENCE, Tag, Transport};
use crate::probe::{Expected, Kind, Label, Probe};
use crate::prober::{Content, Shot};
use crate::report::Compared;
use crate::session::Session;

/// Ports of connections that are entered by hand.
const KNOWN_PORT: u16 = 1000;
const BOX_PORT: u16 = 1001;

/// A packet of a known connection, and whether it comes the right way.
struct Try {
    probe: Probe,
    expected: Expected,
    shot: Shot,
    right: bool,
}

/// Accepted flows, as connections that are known already.
///
/// # Errors
/// When the lab itself fails.
pub fn run(session: &mut Session<'_>, group: &[Probe], seed: u64) -> Result<(), LabError> {
    let count = session.topology.hosts.len();
    let mut known: BTreeSet<Tuple> = BTreeSet::new();
    let mut tries: Vec<Try> = Vec::new();
    for (number, probe) in group.iter().enumerate() {
        let expected = session.expected(probe);
        let (a, b) = (expected.flow.input, expected.flow.output);
        let Header::Ports { dport, .. } = probe.header else { continue };
        // What a host without an address may send, it may send by every interface.
        let is_plain = expected.flow.sent.is_none()
            && !session.ruleset.is_broadcast(probe.dst)
            && !is_first_contact(probe.src)
            && matches!(probe.proto, proto::TCP | proto::UDP);
        let tuple = tuple(probe, dport);
        if a == b || !is_plain || known.contains(&tuple.reversed()) || !known.insert(tuple) {
            continue;
        }
        let there = make(probe, probe.src, probe.dst, KNOWN_PORT, dport);
        let back = make(probe, probe.dst, probe.src, dport, KNOWN_PORT);
        let mut add = |from, via, packet, right| {
            let shot = Shot { from, via, content: Content::Fixed(packet) };
            tries.push(Try { probe: *probe, expected, shot, right });
        };
        add(a, b, there, true);
        add(b, a, back, true);
        let near = [a, b].into_iter().filter_map(|place| match place {
            Place::Interface(id) => Some(id),
            Place::Gateway | Place::Elsewhere => None,
        });
        let home = near.clone().next().unwrap_or(InterfaceId(0));
        let wrong: BTreeSet<InterfaceId> = others(home, count, seed.wrapping_add(number as u64))
            .chain(near)
            .chain(session.topology.internet())
            .collect();
        for wrong in wrong {
            for (via, packet) in [(b, there), (a, back)] {
                if !is_at_home(session, wrong, packet.src) {
                    add(Place::Interface(wrong), via, packet, false);
                }
            }
        }
    }
    shoot(session, tries, &known)
}

/// Connections of the box with itself, as seen from outside: nobody speaks in the name of the box.
///
/// # Errors
/// When the lab itself fails.
pub fn in_the_name_of_the_box(session: &mut Session<'_>) -> Result<(), LabError> {
    let mut known: BTreeSet<Tuple> = BTreeSet::new();
    let mut tries: Vec<Try> = Vec::new();
    let count = session.topology.hosts.len();
    for (input, family) in session.topology.ids().flat_map(|id| Family::BOTH.map(|family| (id, family))) {
        let Some(dst) = session.topology.host(input).gateway_address(family) else { continue };
        // On the uplink its own address is a lie too; in a segment it belongs to the subnet.
        let liars = others(input, count, u64::from(input.0)).chain(session.topology.internet());
        let names: BTreeSet<IpAddr> =
            liars.filter_map(|id| session.topology.host(id).gateway_address(family)).collect();
        for src in names.into_iter().filter(|src| !is_at_home(session, input, *src)) {
            // To itself a packet would go nowhere; another address of the box will do.
            let other = || {
                session
                    .topology
                    .ids()
                    .find_map(|id| session.topology.host(id).gateway_address(family).filter(|addr| *addr != src))
            };
            let Some(dst) = Some(dst).filter(|dst| *dst != src).or_else(other) else { continue };
            let probe = Probe {
                kind: Kind::Hijack,
                input: Place::Interface(input),
                to: Place::Gateway,
                src,
                dst,
                proto: proto::UDP,
                header: Header::Ports { sport: 0, dport: BOX_PORT },
                flags: TcpFlags(0),
                broken: false,
                label: Label::Other(proto::UDP),
            };
            known.insert(tuple(&probe, BOX_PORT));
            let expected = session.expected(&probe);
            let packet = make(&probe, src, dst, KNOWN_PORT, BOX_PORT);
            let shot = Shot { from: probe.input, via: Place::Gateway, content: Content::Fixed(packet) };
            tries.push(Try { probe, expected, shot, right: false });
        }
    }
    shoot(session, tries, &known)
}

fn shoot(session: &mut Session<'_>, mut tries: Vec<Try>, known: &BTreeSet<Tuple>) -> Result<(), LabError> {
    tries.sort_by_key(|each| each.shot.from);
    let known: Vec<Tuple> = known.iter().copied().collect();
    let shots: Vec<Shot> = tries.iter().map(|each| each.shot.clone()).collect();
    let seen = session.prober.shoot(session.topology, &shots, &known)?;
    for (each, seen) in tries.iter().zip(&seen) {
        let difference = match (each.right, &seen.arrived) {
            (true, Some(_)) | (false, None) => None,
            (true, None) => Some("a packet of the known connection was dropped".to_owned()),
            (false, Some(_)) => {
                let by = session.topology.place_name(each.shot.from);
                Some(format!("a packet of the known connection passed, though it came by {by}"))
            }
        };
        let probe = Probe { kind: Kind::Hijack, ..each.probe };
        let context = session.context();
        session.tally.note(&context, Compared { probe: &probe, expected: &each.expected, seen, difference });
    }
    Ok(())
}

/// Whether a source is at home on an interface. On the internet every outside address is.
fn is_at_home(session: &Session<'_>, id: InterfaceId, src: IpAddr) -> bool {
    let interface = session.ruleset.interface(id);
    if session.ruleset.is_segment(id) {
        return interface.sources.iter().any(|range| range.contains(src));
    }
    let inside = session.ruleset.inside.iter().any(|range| range.contains(src));
    !inside && !session.topology.host(id).gateway_addresses.iter().any(|(addr, _)| *addr == src)
}

fn is_first_contact(src: IpAddr) -> bool {
    match src {
        IpAddr::V4(v4) => v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

fn tuple(probe: &Probe, dport: u16) -> Tuple {
    Tuple { proto: probe.proto, src: probe.src, dst: probe.dst, key: Key::Ports { src: KNOWN_PORT, dst: dport } }
}

fn make(probe: &Probe, src: IpAddr, dst: IpAddr, sport: u16, dport: u16) -> Packet {
    let transport = Transport::Ports { sport, dport, flags: TcpFlags(TcpFlags::ACK), acknowledges: SEQUENCE };
    Packet { src, dst, proto: probe.proto, transport, tag: Tag { run: 0, number: 0 }, broken: false }
}
