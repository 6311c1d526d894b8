//! What the kernel knows of links, addresses and routes, in the namespace of this thread.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_ROUTE;

use crate::attr::Reader;
use crate::netlink::{NetlinkError, Socket};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;

const IFINFO_LEN: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
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

const NDMSG_LEN: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// States that no address stands behind (`linux/neighbour.h`): asked without an answer, failed.
const NUD_INCOMPLETE: u16 = 0x01;
const NUD_FAILED: u16 = 0x20;
/// Not resolved, because nothing has to be: multicast, loopback.
const NUD_NOARP: u16 = 0x40;
/// Neighbours that are read at most; the kernel's own limit is 1,024 unless somebody raised it.
const NEIGHBOURS_MAX: usize = 262_144;

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
    /// Its hardware address, where it is Ethernet's.
    pub mac: Option<[u8; 6]>,
}

/// What an interface counted since it is there (`rtnl_link_stats64` of `linux/if_link.h`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Packets that came in.
    pub rx_packets: u64,
    /// Packets that went out.
    pub tx_packets: u64,
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Broken packets that came in.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets that came in and had no room.
    pub rx_dropped: u64,
    /// Packets that had no room to wait.
    pub tx_dropped: u64,
}

/// A neighbour: an address on a wire, and who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Index of the interface.
    pub link: u32,
    /// The address.
    pub addr: IpAddr,
    /// Who has it; `None`: nobody answered, or nobody has yet.
    pub mac: Option<[u8; 6]>,
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

/// Every interface with what it counted, by index.
///
/// # Errors
/// When the kernel does not answer.
pub fn link_counts() -> Result<Vec<(LinkFacts, LinkCounts)>, NetlinkError> {
    let mut found = Vec::new();
    let each = |body: &[u8]| {
        if let Some(link) = read_link(body) {
            found.push((link, read_counts(body)));
        }
    };
    Socket::open(NETLINK_ROUTE)?.dump(RTM_GETLINK, vec![0; IFINFO_LEN], each)?;
    found.sort_by_key(|(link, _)| link.index);
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

/// Every neighbour of both families that the kernel has asked for, answered or not.
///
/// # Errors
/// When the kernel does not answer.
pub fn neighbours() -> Result<Vec<Neighbour>, NetlinkError> {
    let mut found = Vec::new();
    Socket::open(NETLINK_ROUTE)?.dump(RTM_GETNEIGH, vec![0; NDMSG_LEN], |body| {
        if found.len() < NEIGHBOURS_MAX {
            found.extend(read_neighbour(body));
        }
    })?;
    Ok(found)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

pub(crate) fn read_link(body: &[u8]) -> Option<LinkFacts> {
    let flags = number(body.get(8..12)?)?;
    let mut link = LinkFacts {
        index: number(body.get(4..8)?)?,
        name: String::new(),
        kind: None,
        below: None,
        vlan: None,
        up: flags & IFF_UP != 0,
        carrier: false,
        mac: None,
    };
    for (kind, value) in Reader::new(body.get(IFINFO_LEN..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            IFLA_LINK => link.below = number(value),
            IFLA_CARRIER => link.carrier = value.first() == Some(&1),
            IFLA_LINKINFO => read_info(&mut link, value),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

/// Zeros where the kernel says nothing.
fn read_counts(body: &[u8]) -> LinkCounts {
    let mut attributes = Reader::new(body.get(IFINFO_LEN..).unwrap_or_default());
    let value = attributes.find(|(kind, _)| *kind == IFLA_STATS64).map_or(&[] as &[u8], |(_, value)| value);
    let at = |place: usize| {
        let bytes = value.get(8 * place..8 * place + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    };
    LinkCounts {
        rx_packets: at(0),
        tx_packets: at(1),
        rx_bytes: at(2),
        tx_bytes: at(3),
        rx_errors: at(4),
        tx_errors: at(5),
        rx_dropped: at(6),
        tx_dropped: at(7),
    }
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

pub(crate) fn read_address(body: &[u8]) -> Option<AddressFacts> {
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

/// `None` for bridge entries and for what needs no resolving.
pub(crate) fn read_neighbour(body: &[u8]) -> Option<Neighbour> {
    let family = i32::from(*body.first()?);
    let state = u16::from_ne_bytes(body.get(8..10)?.try_into().ok()?);
    if ![libc::AF_INET, libc::AF_INET6].contains(&family) || state & NUD_NOARP != 0 {
        return None;
    }
    let (mut addr, mut mac) = (None, None);
    for (kind, value) in Reader::new(body.get(NDMSG_LEN..)?) {
        match kind {
            NDA_DST => addr = address(value),
            NDA_LLADDR => mac = value.try_into().ok(),
            _ => {}
        }
    }
    let is_resolved = state & (NUD_INCOMPLETE | NUD_FAILED) == 0;
    Some(Neighbour { link: number(body.get(4..8)?)?, addr: addr?, mac: mac.filter(|_| is_resolved) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Writer;

    #[test]
    fn broken_neighbours_do_no_harm() {
        let mut head = [0; NDMSG_LEN];
        (head[0], head[4], head[8]) = (2, 7, 0x02);
        let mut attrs = Writer::after(&head);
        attrs.put(NDA_DST, &[192, 0, 2, 7]).put(NDA_LLADDR, &[2, 0, 0, 0, 0, 1]);
        let body = attrs.finish();
        let known = Neighbour { link: 7, addr: [192, 0, 2, 7].into(), mac: Some([2, 0, 0, 0, 0, 1]) };
        assert_eq!(read_neighbour(&body), Some(known));
        for len in 0..body.len() {
            read_neighbour(&body[..len]);
            read_link(&body[..len]);
            read_counts(&body[..len]);
        }
    }

    #[test]
    fn counters_are_read_in_the_order_of_the_kernel() {
        let stats: Vec<u8> = (1..=24u64).flat_map(u64::to_ne_bytes).collect();
        let mut attrs = Writer::after(&[0; IFINFO_LEN]);
        attrs.put(IFLA_STATS64, &stats);
        let counts = read_counts(&attrs.finish());
        assert_eq!((counts.rx_packets, counts.tx_bytes, counts.tx_dropped), (1, 4, 8));
        assert_eq!(read_counts(&[]), LinkCounts::default());
    }
}
