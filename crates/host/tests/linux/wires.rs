//! A gateway with a host on each side, whose own kernels hold real connections.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use segwall_host::netns::Netns;
use segwall_host::rtnl::{Change, Rtnl, VethEnd};
use segwall_host::sysctl;

pub struct Wires {
    pub gateway: Netns,
    pub left: Netns,
    pub right: Netns,
    /// Index of the right host's interface.
    pub right_link: u32,
}

const GATEWAYS: [(&str, [&str; 2]); 2] =
    [("left", ["192.0.2.1", "2001:db8:1::1"]), ("right", ["198.51.100.1", "2001:db8:2::1"])];
const HOSTS: [[&str; 2]; 2] = [["192.0.2.10", "2001:db8:1::10"], ["198.51.100.10", "2001:db8:2::10"]];

fn prefix_len(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 24 } else { 64 }
}

impl Wires {
    pub fn new() -> Self {
        let [gateway, left, right] = [(); 3].map(|()| Netns::create().unwrap());
        let mut base = Rtnl::open().unwrap();
        let end = |name: &str, mac: [u8; 6], netns| VethEnd { name: name.to_owned(), mac, netns };
        for netns in [&gateway, &left, &right] {
            netns.run(|| sysctl::set_if_present("net/ipv6/conf/default/accept_dad", "0")).unwrap().unwrap();
        }
        base.apply(&[
            Change::Veth(
                end("left", [2, 0, 0, 0, 0, 1], gateway.as_fd()),
                end("host", [2, 0, 0, 0, 0, 2], left.as_fd()),
            ),
            Change::Veth(
                end("right", [2, 0, 0, 0, 0, 3], gateway.as_fd()),
                end("host", [2, 0, 0, 0, 0, 4], right.as_fd()),
            ),
        ])
        .unwrap();
        let address = |link, addr: &str| {
            let addr: IpAddr = addr.parse().unwrap();
            Change::Address { link, addr, prefix_len: prefix_len(addr) }
        };
        let mut routing = gateway.run(Rtnl::open).unwrap().unwrap();
        let links = routing.links().unwrap();
        for (name, addresses) in GATEWAYS {
            let link = links[name].index;
            let changes: Vec<_> = addresses.iter().map(|addr| address(link, addr)).chain([Change::Up(link)]).collect();
            routing.apply(&changes).unwrap();
        }
        gateway
            .run(|| {
                sysctl::set("net/ipv4/ip_forward", "1").unwrap();
                sysctl::set("net/ipv6/conf/all/forwarding", "1").unwrap();
            })
            .unwrap();
        let mut right_link = 0;
        for ((netns, addresses), (_, gateways)) in [(&left, HOSTS[0]), (&right, HOSTS[1])].into_iter().zip(GATEWAYS) {
            let mut rtnl = netns.run(Rtnl::open).unwrap().unwrap();
            let link = rtnl.links().unwrap()["host"].index;
            let mut changes: Vec<_> =
                addresses.iter().map(|addr| address(link, addr)).chain([Change::Up(link)]).collect();
            for via in gateways {
                let via: IpAddr = via.parse().unwrap();
                let to = if via.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
                changes.push(Change::Route { to, prefix_len: 0, via: Some(via), link });
            }
            rtnl.apply(&changes).unwrap();
            right_link = link;
        }
        Self { gateway, left, right, right_link }
    }

    /// A connection from the left host to a port of the right one: both ends.
    pub fn connect(&self, family: usize, port: u16) -> (TcpStream, TcpStream) {
        let addr = SocketAddr::new(HOSTS[1][family].parse().unwrap(), port);
        let listener = self.right.run(|| TcpListener::bind(addr)).unwrap().unwrap();
        let near = self.left.run(|| TcpStream::connect_timeout(&addr, Duration::from_secs(5))).unwrap().unwrap();
        near.set_nodelay(true).unwrap();
        let (far, _) = listener.accept().unwrap();
        far.set_nodelay(true).unwrap();
        (near, far)
    }

    /// Whether a new connection is let through.
    pub fn connects(&self, port: u16) -> bool {
        let addr = SocketAddr::new(HOSTS[1][0].parse().unwrap(), port);
        let _listener = self.right.run(|| TcpListener::bind(addr)).unwrap().unwrap();
        self.left.run(|| TcpStream::connect_timeout(&addr, Duration::from_millis(300))).unwrap().is_ok()
    }

    /// A socket that sends to a UDP port of the right host, and the one that listens there.
    pub fn udp(&self, port: u16) -> (UdpSocket, UdpSocket) {
        let addr = SocketAddr::new(HOSTS[1][0].parse().unwrap(), port);
        let far = self.right.run(|| UdpSocket::bind(addr)).unwrap().unwrap();
        let near = self.left.run(|| UdpSocket::bind((HOSTS[0][0], 0))).unwrap().unwrap();
        near.connect(addr).unwrap();
        (near, far)
    }
}
