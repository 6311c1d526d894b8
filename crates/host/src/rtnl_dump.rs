//! What the kernel knows of links, addresses and routes, in the namespace of this thread.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_ROUTE;

use crate::attr::Reader;
use crate::netlink::{NetlinkError, Socket};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;

const IFINFO_LEN: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_CARRIER: u16 = 33;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFF_UP: u32 = 1;

const IFADDR_LEN: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

const ROUTE_LEN: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
const RT_TABLE_MAIN: u32 = 254;
const RTN_UNICAST: u8 = 1;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its kind, as the driver says it: `vlan`, `veth`, `bridge`; none of a plain card.
    pub kind: Option<String>,
    /// Index of the interface below it.
    pub below: Option<u32>,
    /// Its VLAN.
    pub vlan: Option<u16>,
    /// Switched on.
    pub up: bool,
    /// A cable is plugged in.
    pub carrier: bool,
}

/// An address of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressFacts {
    /// Index of its interface.
    pub link: u32,
    /// The address.
    pub addr: IpAddr,
    /// Its prefix length.
    pub prefix_len: u8,
}

/// A route of the main table with one next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteFacts {
    /// Network.
    pub to: IpAddr,
    /// Its length.
    pub prefix_len: u8,
    /// Next hop.
    pub via: IpAddr,
    /// Index of the interface.
    pub link: u32,
}

/// Every interface, by index.
///
/// # Errors
/// When the kernel does not answer.
pub fn links() -> Result<BTreeMap<u32, LinkFacts>, NetlinkError> {
    let mut found = BTreeMap::new();
    let each = |body: &[u8]| {
        if let Some(link) = read_link(body) {
            found.insert(link.index, link);
        }
    };
    Socket::open(NETLINK_ROUTE)?.dump(RTM_GETLINK, vec![0; IFINFO_LEN], each)?;
    Ok(found)
}

/// Every address of both families.
///
/// # Errors
/// When the kernel does not answer.
pub fn addresses() -> Result<Vec<AddressFacts>, NetlinkError> {
    let mut found = Vec::new();
    Socket::open(NETLINK_ROUTE)?.dump(RTM_GETADDR, vec![0; IFADDR_LEN], |body| found.extend(read_address(body)))?;
    Ok(found)
}

/// Every unicast route of the main table that has one next hop, both families.
///
/// # Errors
/// When the kernel does not answer.
pub fn routes() -> Result<Vec<RouteFacts>, NetlinkError> {
    let mut found = Vec::new();
    Socket::open(NETLINK_ROUTE)?.dump(RTM_GETROUTE, vec![0; ROUTE_LEN], |body| found.extend(read_route(body)))?;
    Ok(found)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn read_link(body: &[u8]) -> Option<LinkFacts> {
    let flags = number(body.get(8..12)?)?;
    let mut link = LinkFacts {
        index: number(body.get(4..8)?)?,
        name: String::new(),
        kind: None,
        below: None,
        vlan: None,
        up: flags & IFF_UP != 0,
        carrier: false,
    };
    for (kind, value) in Reader::new(body.get(IFINFO_LEN..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_LINK => link.below = number(value),
            IFLA_CARRIER => link.carrier = value.first() == Some(&1),
            IFLA_LINKINFO => read_info(&mut link, value),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn read_info(link: &mut LinkFacts, value: &[u8]) {
    let mut data: &[u8] = &[];
    for (kind, value) in Reader::new(value) {
        match kind {
            IFLA_INFO_KIND => link.kind = Some(text(value)),
            IFLA_INFO_DATA => data = value,
            _ => {}
        }
    }
    if link.kind.as_deref() == Some("vlan") {
        let id = Reader::new(data).find(|(kind, _)| *kind == IFLA_VLAN_ID);
        link.vlan = id.and_then(|(_, value)| value.try_into().ok()).map(u16::from_ne_bytes);
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn read_address(body: &[u8]) -> Option<AddressFacts> {
    let (mut local, mut other) = (None, None);
    for (kind, value) in Reader::new(body.get(IFADDR_LEN..)?) {
        match kind {
            IFA_LOCAL => local = address(value),
            IFA_ADDRESS => other = address(value),
            _ => {}
        }
    }
    // Of a tunnel IFA_ADDRESS is the other end's.
    Some(AddressFacts { link: number(body.get(4..8)?)?, addr: local.or(other)?, prefix_len: *body.get(1)? })
}

fn read_route(body: &[u8]) -> Option<RouteFacts> {
    let (family, prefix_len) = (i32::from(*body.first()?), *body.get(1)?);
    let (mut table, mut to, mut via, mut link) = (u32::from(*body.get(4)?), None, None, None);
    for (kind, value) in Reader::new(body.get(ROUTE_LEN..)?) {
        match kind {
            RTA_DST => to = address(value),
            RTA_GATEWAY => via = address(value),
            RTA_OIF => link = number(value),
            RTA_TABLE => table = number(value)?,
            _ => {}
        }
    }
    let everything = match family {
        libc::AF_INET => IpAddr::from([0; 4]),
        libc::AF_INET6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let is_plain = table == RT_TABLE_MAIN && *body.get(7)? == RTN_UNICAST;
    is_plain.then_some(RouteFacts { to: to.unwrap_or(everything), prefix_len, via: via?, link: link? })
}
