//! A gateway with three interfaces, and packet sockets at their far ends.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use segwall_host::conntrack::Conntrack;
use segwall_host::netns::Netns;
use segwall_host::packet::PacketSocket;
use segwall_host::rtnl::{Change, Mac, Rtnl, VethEnd};
use segwall_host::sysctl;

use crate::packet::{self, Shot};

/// The gateway's interfaces.
pub const NAMES: [&str; 3] = ["eth1", "eth2", "wan0"];
/// Frames a socket keeps until they are read.
const FRAMES_MAX: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);

const SETTINGS: &[(&str, &str)] = &[
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/default/forwarding", "1"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/addr_gen_mode", "1"),
    ("net/ipv6/icmp/ratelimit", "0"),
];

pub struct Wire {
    pub gateway: Netns,
    pub conntrack: Conntrack,
    sockets: Vec<PacketSocket>,
    _hosts: Vec<Netns>,
}

/// Hardware address of the far end of an interface.
pub fn host_mac(at: usize) -> Mac {
    [2, 0, 0, 0, 1, u8::try_from(at).unwrap()]
}

fn gateway_mac(at: usize) -> Mac {
    [2, 0, 0, 0, 2, u8::try_from(at).unwrap()]
}

impl Wire {
    pub fn new() -> Self {
        let gateway = Netns::create().unwrap();
        gateway
            .run(|| {
                for (key, value) in SETTINGS {
                    sysctl::set_if_present(key, value).unwrap();
                }
            })
            .unwrap();
        let mut base = Rtnl::open().unwrap();
        let mut routing = gateway.run(Rtnl::open).unwrap().unwrap();
        let (mut sockets, mut hosts) = (Vec::new(), Vec::new());
        for (at, name) in NAMES.into_iter().enumerate() {
            let host = Netns::create().unwrap();
            host.run(|| sysctl::set_if_present("net/ipv6/conf/default/disable_ipv6", "1")).unwrap().unwrap();
            let end = |name: &str, mac, netns| VethEnd { name: name.to_owned(), mac, netns };
            let near = end(name, gateway_mac(at), gateway.as_fd());
            base.apply(&[Change::Veth(near, end("host", host_mac(at), host.as_fd()))]).unwrap();
            let mut inside = host.run(Rtnl::open).unwrap().unwrap();
            let far = inside.links().unwrap()["host"].index;
            inside.apply(&[Change::Up(far)]).unwrap();
            let link = routing.links().unwrap()[name].index;
            let address =
                |text: String, prefix_len| Change::Address { link, addr: text.parse::<IpAddr>().unwrap(), prefix_len };
            routing
                .apply(&[
                    Change::UpWithoutNeighbours(link),
                    address(format!("10.{}.0.1", at + 1), 16),
                    address(format!("2001:db8:{}::1", at + 1), 48),
                ])
                .unwrap();
            sockets.push(host.run(|| PacketSocket::open(far, FRAMES_MAX)).unwrap().unwrap());
            hosts.push(host);
        }
        let conntrack = gateway.run(Conntrack::open).unwrap().unwrap();
        Self { gateway, conntrack, sockets, _hosts: hosts }
    }

    /// Sends all shots; which of them arrived, and at which interface. Behind them goes a packet that every program of ours
    /// accepts, by every way: when these have arrived, nothing else is to come.
    pub fn send(&mut self, shots: &[Shot]) -> Vec<Option<usize>> {
        let mut arrived = vec![None; shots.len()];
        for from in 0..NAMES.len() {
            let mut frames: Vec<Vec<u8>> = shots
                .iter()
                .enumerate()
                .filter(|(_, shot)| shot.from == from)
                .map(|(id, shot)| frame(from, shot.is_v4, &packet::bytes(shot, u32::try_from(id).unwrap())))
                .collect();
            frames.extend((0..NAMES.len()).map(|to| frame(from, true, &packet::sentinel(from, to))));
            self.sockets[from].send(&frames).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        let mut sentinels = [[false; 3]; 3];
        while sentinels.iter().flatten().any(|seen| !seen) {
            assert!(Instant::now() < deadline, "sentinels did not arrive: {sentinels:?}");
            for (at, socket) in self.sockets.iter_mut().enumerate() {
                socket.receive(|frame| match packet::id(frame) {
                    Some(id) if packet::is_sentinel(id) => sentinels[packet::sentinel_from(id)][at] = true,
                    Some(id) => {
                        if let Some(place) = arrived.get_mut(id as usize) {
                            *place = Some(at);
                        }
                    }
                    None => {}
                });
            }
        }
        arrived
    }
}

fn frame(from: usize, is_v4: bool, ip: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + ip.len());
    frame.extend(gateway_mac(from));
    frame.extend(host_mac(from));
    frame.extend(if is_v4 { [0x08, 0x00] } else { [0x86, 0xdd] });
    frame.extend(ip);
    frame
}
