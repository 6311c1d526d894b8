//! Packets on their way into the lab: from a host as frames, from the box itself through a raw socket.

use std::net::{IpAddr, Ipv4Addr};

use segwall_host::rtnl::Mac;
use segwall_packetset::Place;

use super::Prober;
use super::ledger::Ledger;
use super::shot::{Content, Shot};
use crate::error::LabError;
use crate::frame::{Packet, Tag, ethernet};
use crate::topology::Topology;

impl Prober {
    pub(super) fn send(
        &mut self,
        topology: &Topology,
        from: Place,
        shots: &[Shot],
        first: usize,
        ledger: &mut Ledger,
    ) -> Result<(), LabError> {
        let crafted = shots.iter().enumerate().map(|(offset, shot)| ledger.craft(first + offset, shot));
        let packets: Vec<(IpAddr, Vec<u8>)> = crafted.collect();
        match from {
            Place::Interface(id) => {
                let host = topology.host(id);
                let frames: Vec<Vec<u8>> = packets
                    .iter()
                    .map(|(dst, ip)| ethernet(host.mac, destination_mac(*dst, host.gateway_mac), dst.is_ipv4(), ip))
                    .collect();
                self.sockets[id.index()].send(&frames)?;
            }
            Place::Gateway | Place::Elsewhere => {
                for (offset, (dst, ip)) in packets.iter().enumerate() {
                    let link = match shots[offset].via {
                        Place::Interface(id) => Some(self.network.gateway_links[id.index()]),
                        Place::Gateway | Place::Elsewhere => None,
                    };
                    if let Err(error) = self.raw.send(ip, *dst, link) {
                        ledger.unsent(first + offset, &error);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn send_sentinels(
        &mut self,
        topology: &Topology,
        from: Place,
        shots: &[Shot],
        base: u64,
        first: usize,
    ) -> Result<(), LabError> {
        let tagged = shots.iter().enumerate().map(|(offset, shot)| {
            let number = base + u64::try_from(first + offset).expect("counted in 64 bits");
            let Content::Fixed(packet) = &shot.content else { return shot.clone() };
            let tag = Tag { run: self.run, number };
            let packet = Packet { tag, ..*packet };
            Shot { content: Content::Ready(packet.ip(), tag), ..shot.clone() }
        });
        let tagged: Vec<Shot> = tagged.collect();
        let mut unused = Ledger::new(self.run, u64::MAX, &[]);
        self.send(topology, from, &tagged, 0, &mut unused)
    }
}

fn destination_mac(dst: IpAddr, gateway: Mac) -> Mac {
    match dst {
        IpAddr::V4(Ipv4Addr::BROADCAST) => [0xff; 6],
        IpAddr::V4(v4) if v4.is_multicast() => {
            let [_, b, c, d] = v4.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(v6) if v6.is_multicast() => {
            let octets = v6.octets();
            [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
        }
        IpAddr::V4(_) | IpAddr::V6(_) => gateway,
    }
}
