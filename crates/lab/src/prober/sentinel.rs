//! Packets that arrive for certain, behind those that may not: what has not come before them was dropped.

use std::collections::BTreeSet;

use segwall_host::conntrack::{Key, Tuple};
use segwall_packetset::{Family, Place, TcpFlags, proto};

use super::shot::{Content, Shot};
use crate::frame::{Packet, Tag, Transport};
use crate::topology::Topology;

/// Ports of sentinels, below and above those of probes.
const SENTINEL_PORTS: (u16, u16) = (1023, 65_534);

/// A packet of a known connection, which must arrive behind the probes that went the same way.
pub(super) struct Sentinel {
    pub(super) from: Place,
    pub(super) via: Place,
    pub(super) tuple: Tuple,
}

impl Sentinel {
    pub(super) fn shot(&self) -> Shot {
        let Key::Ports { src: sport, dst: dport } = self.tuple.key else { unreachable!("sentinels are UDP") };
        let transport = Transport::Ports { sport, dport, flags: TcpFlags(0), acknowledges: 0 };
        let packet = Packet {
            src: self.tuple.src,
            dst: self.tuple.dst,
            proto: proto::UDP,
            transport,
            tag: Tag { run: 0, number: 0 },
            broken: false,
        };
        Shot { from: self.from, via: self.via, content: Content::Fixed(packet) }
    }
}

/// One for each way that a shot goes; where no packet can go that way at all, one to the box itself.
pub(super) fn sentinels(topology: &Topology, shots: &[Shot]) -> Vec<Sentinel> {
    let ways: BTreeSet<(Place, Place)> = shots.iter().map(|shot| (shot.from, shot.via)).collect();
    let mut sentinels: Vec<Sentinel> = Vec::with_capacity(ways.len());
    let mut done = BTreeSet::new();
    for (from, via) in ways {
        let found = way(topology, from, via).or_else(|| match from {
            Place::Interface(id) => way(topology, from, Place::Gateway).or_else(|| {
                topology
                    .ids()
                    .filter(|other| *other != id)
                    .find_map(|other| way(topology, from, Place::Interface(other)))
            }),
            Place::Gateway | Place::Elsewhere => {
                topology.ids().find_map(|id| way(topology, Place::Gateway, Place::Interface(id)))
            }
        });
        if let Some(sentinel) = found
            && done.insert((sentinel.from, sentinel.via))
        {
            sentinels.push(sentinel);
        }
    }
    sentinels
}

fn way(topology: &Topology, from: Place, via: Place) -> Option<Sentinel> {
    let ends = |family: Family| match (from, via) {
        (Place::Interface(a), Place::Interface(b)) if a != b => {
            // Only a family that both carry: the packet has to pass anti-spoofing and to be routed.
            let (a, b) = (topology.host(a), topology.host(b));
            a.gateway_address(family).and(b.gateway_address(family))?;
            Some((a.address(family)?, b.address(family)?))
        }
        (Place::Interface(a), Place::Gateway) => {
            let host = topology.host(a);
            Some((host.address(family)?, host.gateway_address(family)?))
        }
        (Place::Gateway, Place::Interface(b)) => {
            let host = topology.host(b);
            Some((host.gateway_address(family)?, host.address(family)?))
        }
        _ => None,
    };
    let (src, dst) = Family::BOTH.into_iter().find_map(ends)?;
    let key = Key::Ports { src: SENTINEL_PORTS.0, dst: SENTINEL_PORTS.1 };
    Some(Sentinel { from, via, tuple: Tuple { proto: proto::UDP, src, dst, key } })
}
