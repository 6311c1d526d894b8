//! Client, gateway and server, each in a namespace of its own, and the frames they exchange.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use segwall_host::conntrack::Conntrack;
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_host::packet::PacketSocket;
use segwall_host::rtnl::{Change, Mac, Rtnl, VethEnd};
use segwall_host::sysctl;

pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
pub const GATEWAY_LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const GATEWAY_RIGHT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

pub const CLIENT_MAC: Mac = [2, 0, 0, 0, 0, 1];
const LEFT_MAC: Mac = [2, 0, 0, 0, 0, 2];
const SERVER_MAC: Mac = [2, 0, 0, 0, 0, 3];
const RIGHT_MAC: Mac = [2, 0, 0, 0, 0, 4];

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

pub struct Net {
    pub gateway: Netns,
    pub client: PacketSocket,
    pub server: PacketSocket,
    pub conntrack: Conntrack,
    nft: Nft,
}

impl Net {
    pub fn new() -> Self {
        let (client, gateway, server) = (Netns::create().unwrap(), Netns::create().unwrap(), Netns::create().unwrap());
        let end = |name: &str, mac, netns| VethEnd { name: String::from(name), mac, netns };
        let mut base = Rtnl::open().unwrap();
        for netns in [&client, &gateway, &server] {
            // No router solicitations and reports of the kernel's own between our frames.
            netns.run(|| sysctl::set_if_present("net/ipv6/conf/default/disable_ipv6", "1")).unwrap().unwrap();
        }
        gateway
            .run(|| {
                sysctl::set("net/ipv4/ip_forward", "1").unwrap();
                sysctl::set("net/ipv4/conf/all/rp_filter", "0").unwrap();
                sysctl::set("net/ipv4/conf/default/rp_filter", "0").unwrap();
            })
            .unwrap();
        base.apply(&[
            Change::Veth(end("host", CLIENT_MAC, client.as_fd()), end("left", LEFT_MAC, gateway.as_fd())),
            Change::Veth(end("host", SERVER_MAC, server.as_fd()), end("right", RIGHT_MAC, gateway.as_fd())),
        ])
        .unwrap();
        let mut routing = gateway.run(Rtnl::open).unwrap().unwrap();
        let links = routing.links().unwrap();
        assert_eq!(links["left"].mac, Some(LEFT_MAC));
        let (left, right) = (links["left"].index, links["right"].index);
        let neighbour = |link, addr: Ipv4Addr, mac| Change::Neighbour { link, addr: IpAddr::V4(addr), mac };
        let address = |link, addr: Ipv4Addr| Change::Address { link, addr: IpAddr::V4(addr), prefix_len: 24 };
        routing
            .apply(&[
                address(left, GATEWAY_LEFT),
                address(right, GATEWAY_RIGHT),
                Change::Up(left),
                Change::Up(right),
                neighbour(left, CLIENT, CLIENT_MAC),
                neighbour(right, SERVER, SERVER_MAC),
            ])
            .unwrap();
        let host = |netns: &Netns| {
            let mut rtnl = netns.run(Rtnl::open).unwrap().unwrap();
            let link = rtnl.links().unwrap()["host"].index;
            rtnl.apply(&[Change::Up(link)]).unwrap();
            netns.run(|| PacketSocket::open(link, 256)).unwrap().unwrap()
        };
        let (client, server) = (host(&client), host(&server));
        let conntrack = gateway.run(Conntrack::open).unwrap().unwrap();
        Self { gateway, client, server, conntrack, nft: Nft::find().unwrap() }
    }

    pub fn load(&self, text: &str) {
        self.nft.load(&self.gateway, text).unwrap();
    }

    pub fn nft(&self) -> &Nft {
        &self.nft
    }

    /// Which of the IPv4 packets arrived at the server, by destination port.
    pub fn arrived(&mut self) -> Vec<u16> {
        let mut ports = Vec::new();
        self.server.receive(|frame| {
            if frame.len() >= 38 && frame[12..14] == [8, 0] {
                ports.push(u16::from_be_bytes([frame[36], frame[37]]));
            }
        });
        ports
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet with full checksums.
pub fn packet(proto: u8, src: Ipv4Addr, dst: Ipv4Addr, mut payload: Vec<u8>, checksum_at: usize) -> Vec<u8> {
    let pseudo = sum(&src.octets()) + sum(&dst.octets()) + u32::from(proto) + payload.len() as u32;
    let check = fold(pseudo + sum(&payload));
    payload[checksum_at..checksum_at + 2].copy_from_slice(&check.to_be_bytes());
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0];
    ip[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    ip.extend(src.octets());
    ip.extend(dst.octets());
    let check = fold(sum(&ip));
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    ip.extend(payload);
    ip
}

pub fn tcp(src: Ipv4Addr, dst: Ipv4Addr, sport: u16, dport: u16, flags: u8) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(sport.to_be_bytes());
    header.extend(dport.to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, if flags == SYN { 0 } else { 1 }, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    packet(6, src, dst, header, 16)
}

pub fn udp(src: Ipv4Addr, dst: Ipv4Addr, sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(sport.to_be_bytes());
    header.extend(dport.to_be_bytes());
    header.extend((8 + payload.len() as u16).to_be_bytes());
    header.extend([0, 0]);
    header.extend(payload);
    packet(17, src, dst, header, 6)
}

/// What the client puts on its wire.
pub fn from_client(ip: Vec<u8>) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(LEFT_MAC);
    frame.extend(CLIENT_MAC);
    frame.extend([8, 0]);
    frame.extend(ip);
    frame
}
