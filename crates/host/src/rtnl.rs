//! Links, addresses, routes and neighbours, as values that are applied in one go.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::Emitable;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use thiserror::Error;

use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NetlinkError, Request, Socket};
use crate::rtnl_dump;

/// Longest interface name; the kernel's IFNAMSIZ without the NUL.
pub const NAME_LEN_MAX: usize = 15;

const RTM_GETLINK: u16 = 18;
const IFINFO_LEN: usize = 16;

/// A hardware address.
pub type Mac = [u8; 6];

/// One end of a veth pair.
#[derive(Debug, Clone)]
pub struct VethEnd<'a> {
    /// Interface name.
    pub name: String,
    /// Hardware address.
    pub mac: Mac,
    /// The namespace it is put into.
    pub netns: BorrowedFd<'a>,
}

/// A change to the network of the namespace the socket is in.
#[derive(Debug, Clone)]
pub enum Change<'a> {
    /// Two interfaces with a wire between them. They are made down: a veth cannot be created up in one message.
    Veth(VethEnd<'a>, VethEnd<'a>),
    /// A tagged interface on top of another one.
    Vlan {
        /// Its name.
        name: String,
        /// Index of the interface below.
        parent: u32,
        /// 1 to 4094.
        id: u16,
        /// Hardware address.
        mac: Mac,
        /// The namespace it is put into; `None`: that of the interface below.
        netns: Option<BorrowedFd<'a>>,
    },
    /// Switches an interface on.
    Up(u32),
    /// Switches an interface on, and never asks for a neighbour on it: every packet goes out with the interface's own
    /// hardware address, which only a packet socket on the other side takes.
    UpWithoutNeighbours(u32),
    /// Takes an interface away, by name.
    Delete(String),
    /// An address on an interface, usable at once (no duplicate address detection).
    Address {
        /// Interface index.
        link: u32,
        /// The address.
        addr: IpAddr,
        /// Its prefix length.
        prefix_len: u8,
    },
    /// A route: network and prefix length, next hop.
    Route {
        /// Network; unspecified with length 0 for the default route.
        to: IpAddr,
        /// Prefix length.
        prefix_len: u8,
        /// Next hop; it need not lie in a network of the interface.
        via: Option<IpAddr>,
        /// Interface index.
        link: u32,
    },
    /// Every address of this network is one of this host.
    LocalRoute {
        /// Network.
        to: IpAddr,
        /// Prefix length.
        prefix_len: u8,
        /// Interface index.
        link: u32,
    },
    /// A neighbour that is never asked for.
    Neighbour {
        /// Interface index.
        link: u32,
        /// Address.
        addr: IpAddr,
        /// Hardware address.
        mac: Mac,
    },
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Veth(a, b) => write!(f, "veth pair {} and {}", a.name, b.name),
            Self::Vlan { name, id, .. } => write!(f, "VLAN {id} as {name}"),
            Self::Up(link) | Self::UpWithoutNeighbours(link) => write!(f, "interface {link} up"),
            Self::Delete(name) => write!(f, "removal of {name}"),
            Self::Address { link, addr, prefix_len } => write!(f, "address {addr}/{prefix_len} on interface {link}"),
            Self::Route { to, prefix_len, link, .. } => write!(f, "route to {to}/{prefix_len} by interface {link}"),
            Self::LocalRoute { to, prefix_len, .. } => write!(f, "local route to {to}/{prefix_len}"),
            Self::Neighbour { link, addr, .. } => write!(f, "neighbour {addr} on interface {link}"),
        }
    }
}

/// A change or a question failed.
#[derive(Debug, Error)]
pub enum RtnlError {
    /// No socket, or no answer.
    #[error("cannot talk to the kernel about interfaces")]
    Netlink(#[source] NetlinkError),
    /// One change was refused.
    #[error("cannot apply: {change}")]
    Refused {
        /// What it was.
        change: String,
        /// What the kernel said.
        source: NetlinkError,
    },
}

/// What is known of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its index in its namespace.
    pub index: u32,
    /// Its hardware address, where it has one of six bytes.
    pub mac: Option<Mac>,
}

/// A socket for links, addresses, routes and neighbours of the namespace it was opened in.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Opens it in the current namespace.
    ///
    /// # Errors
    /// When the kernel has no such socket.
    pub fn open() -> Result<Self, RtnlError> {
        Socket::open(NETLINK_ROUTE).map(|socket| Self { socket }).map_err(RtnlError::Netlink)
    }

    /// Applies all changes in order; stops at the first that is refused.
    ///
    /// # Errors
    /// The first refusal, naming the change.
    pub fn apply(&mut self, changes: &[Change<'_>]) -> Result<(), RtnlError> {
        let requests: Vec<Request> = changes.iter().map(request).collect();
        self.socket.transact(&requests).map_err(|error| match error {
            NetlinkError::Refused { index, .. } => {
                RtnlError::Refused { change: changes[index].to_string(), source: error }
            }
            other => RtnlError::Netlink(other),
        })
    }

    /// Every interface by name.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn links(&mut self) -> Result<BTreeMap<String, Link>, RtnlError> {
        let mut links = BTreeMap::new();
        let read = |body: &[u8]| {
            if let Some(found) = rtnl_dump::read_link(body) {
                links.insert(found.name, Link { index: found.index, mac: found.mac });
            }
        };
        self.socket.dump(RTM_GETLINK, vec![0; IFINFO_LEN], read).map_err(RtnlError::Netlink)?;
        Ok(links)
    }

    /// Whether the kernel has VLAN devices (8021q). Found by making one, since nothing else tells for sure.
    ///
    /// # Errors
    /// When not even the interface below it can be made.
    pub fn has_vlan(&mut self, here: BorrowedFd<'_>) -> Result<bool, RtnlError> {
        let end = |name: &str, last| VethEnd { name: name.to_owned(), mac: [2, 0, 0, 0, 0xff, last], netns: here };
        self.apply(&[Change::Veth(end("sw-try-a", 1), end("sw-try-b", 2))])?;
        let found = match self.links()?.get("sw-try-a") {
            Some(link) => self
                .apply(&[Change::Vlan {
                    name: "sw-try-v".to_owned(),
                    parent: link.index,
                    id: 1,
                    mac: [2, 0, 0, 0, 0xff, 3],
                    netns: None,
                }])
                .is_ok(),
            None => false,
        };
        // Takes its peer and the VLAN with it.
        self.apply(&[Change::Delete("sw-try-a".to_owned())])?;
        Ok(found)
    }
}

fn request(change: &Change<'_>) -> Request {
    let make = NLM_F_CREATE | NLM_F_EXCL;
    let (message, flags) = match change {
        Change::Veth(a, b) => (RouteNetlinkMessage::NewLink(veth(a, b)), make),
        Change::Vlan { name, parent, id, mac, netns } => {
            (RouteNetlinkMessage::NewLink(vlan(name, *parent, *id, *mac, *netns)), make)
        }
        Change::Up(link) => {
            let mut message = LinkMessage::default();
            message.header.index = *link;
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
            (RouteNetlinkMessage::SetLink(message), 0)
        }
        Change::UpWithoutNeighbours(link) => {
            let mut message = LinkMessage::default();
            message.header.index = *link;
            message.header.flags = LinkFlags::Up | LinkFlags::Noarp;
            message.header.change_mask = LinkFlags::Up | LinkFlags::Noarp;
            (RouteNetlinkMessage::SetLink(message), 0)
        }
        Change::Delete(name) => {
            let mut message = LinkMessage::default();
            message.attributes = vec![LinkAttribute::IfName(name.clone())];
            (RouteNetlinkMessage::DelLink(message), 0)
        }
        Change::Address { link, addr, prefix_len } => {
            (RouteNetlinkMessage::NewAddress(address(*link, *addr, *prefix_len)), make)
        }
        Change::Route { to, prefix_len, via, link } => {
            (RouteNetlinkMessage::NewRoute(route(*to, *prefix_len, *via, *link)), make)
        }
        Change::LocalRoute { to, prefix_len, link } => {
            let mut message = route(*to, *prefix_len, None, *link);
            message.header.kind = RouteType::Local;
            message.header.scope = RouteScope::Host;
            message.header.table = RT_TABLE_LOCAL;
            (RouteNetlinkMessage::NewRoute(message), make)
        }
        Change::Neighbour { link, addr, mac } => {
            let mut message = NeighbourMessage::default();
            message.header.family = family(*addr);
            message.header.ifindex = *link;
            message.header.state = NeighbourState::Permanent;
            message.attributes = vec![
                NeighbourAttribute::Destination(match *addr {
                    IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
                    IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
                }),
                NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
            ];
            (RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
        }
    };
    let mut body = vec![0; Emitable::buffer_len(&message)];
    message.emit(&mut body);
    Request { kind: message.message_type(), flags, body }
}

const RT_TABLE_LOCAL: u8 = 255;

fn family(addr: IpAddr) -> AddressFamily {
    match addr {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn veth(a: &VethEnd<'_>, b: &VethEnd<'_>) -> LinkMessage {
    let end = |end: &VethEnd<'_>| {
        vec![
            LinkAttribute::IfName(end.name.clone()),
            LinkAttribute::Address(end.mac.to_vec()),
            LinkAttribute::NetNsFd(end.netns.as_raw_fd()),
        ]
    };
    let mut peer = LinkMessage::default();
    peer.attributes = end(b);
    let mut message = LinkMessage::default();
    message.attributes = end(a);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    message
}

fn vlan(name: &str, parent: u32, id: u16, mac: Mac, netns: Option<BorrowedFd<'_>>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.to_vec()),
        LinkAttribute::Link(parent),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(id)])),
        ]),
    ];
    if let Some(netns) = netns {
        message.attributes.push(LinkAttribute::NetNsFd(netns.as_raw_fd()));
    }
    message
}

fn address(link: u32, addr: IpAddr, prefix_len: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(addr);
    message.header.prefix_len = prefix_len;
    message.header.index = link;
    let link_local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
    message.header.scope = if link_local { AddressScope::Link } else { AddressScope::Universe };
    message.attributes = vec![AddressAttribute::Local(addr), AddressAttribute::Address(addr)];
    match addr {
        IpAddr::V4(v4) if prefix_len < 31 => {
            let host_bits = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
            message.attributes.push(AddressAttribute::Broadcast((u32::from(v4) | host_bits).into()));
        }
        IpAddr::V4(_) => {}
        IpAddr::V6(_) => message.header.flags = AddressHeaderFlags::Nodad,
    }
    message
}

fn route(to: IpAddr, prefix_len: u8, via: Option<IpAddr>, link: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to);
    message.header.destination_prefix_length = prefix_len;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.scope = if via.is_some() { RouteScope::Universe } else { RouteScope::Link };
    if prefix_len > 0 {
        message.attributes.push(RouteAttribute::Destination(RouteAddress::from(to)));
    }
    if let Some(via) = via {
        message.header.flags = RouteFlags::Onlink;
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::from(via)));
    }
    message.attributes.push(RouteAttribute::Oif(link));
    message
}
