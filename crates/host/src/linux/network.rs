//! Interfaces, addresses and routes: states to be reached, whatever was there before.

use std::io;
use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_ROUTE;
use segwall_packetset::AddrRange;

use crate::apply::HostError;
use crate::attr::Writer;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, NetlinkError, Request, Socket};
use crate::rtnl_dump::{self, LinkFacts};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFF_UP: u32 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_F_NODAD: u8 = 2;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
/// In a request to delete: whatever its scope is.
const SCOPE_NOWHERE: u8 = 255;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
/// In a request to delete: whoever made it.
const RTPROT_UNSPEC: u8 = 0;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;

const MAKE: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// A VLAN device is there, or is not. One of the same name that is something else is nobody's to touch.
pub(super) fn vlan(name: &str, trunk: &str, id: u16, present: bool) -> Result<(), HostError> {
    let links = rtnl_dump::links().map_err(unanswered)?;
    let named = |name: &str| links.values().find(|link| link.name == name);
    let is_it = |link: &LinkFacts| {
        let below = link.below.and_then(|index| links.get(&index));
        link.vlan == Some(id) && below.is_some_and(|below| below.name == trunk)
    };
    match (named(name), present) {
        (None, false) => Ok(()),
        (Some(link), true) if is_it(link) => Ok(()),
        (Some(link), false) if is_it(link) => {
            let body = link_header(link.index, 0, 0);
            tolerating(&[libc::ENODEV], Request { kind: RTM_DELLINK, flags: 0, body })
                .map_err(|error| HostError::new(format!("remove the interface {name}"), error))
        }
        (Some(_), _) => {
            let doing = format!("{} VLAN {id} on {trunk} as {name}", if present { "make" } else { "remove" });
            Err(HostError::new(doing, format!("there is an interface {name} that is something else")))
        }
        (None, true) => {
            let doing = format!("make {name}, VLAN {id} on {trunk}");
            let Some(below) = named(trunk) else {
                return Err(HostError::new(
                    doing,
                    format!("this box has no interface {trunk}; is the card's module loaded?"),
                ));
            };
            let mut attrs = Writer::after(&link_header(0, 0, 0));
            attrs.put(IFLA_IFNAME, &zero_terminated(name)).put(IFLA_LINK, &below.index.to_ne_bytes());
            attrs.nest(IFLA_LINKINFO, |info| {
                info.put(IFLA_INFO_KIND, b"vlan");
                info.nest(IFLA_INFO_DATA, |data| {
                    data.put(IFLA_VLAN_ID, &id.to_ne_bytes());
                });
            });
            // Somebody may have made it since; who, is looked at below.
            tolerating(&[libc::EEXIST], Request { kind: RTM_NEWLINK, flags: MAKE, body: attrs.finish() }).map_err(
                |error| match error.refused_with() {
                    Some(libc::EOPNOTSUPP) => {
                        HostError::new(doing.clone(), "the kernel has no VLANs; load the module 8021q")
                    }
                    _ => HostError::new(doing.clone(), error),
                },
            )?;
            let links = rtnl_dump::links().map_err(unanswered)?;
            let made = links.values().any(|link| link.name == name && link.vlan == Some(id));
            if made { Ok(()) } else { Err(HostError::new(doing, "the kernel made something else of it")) }
        }
    }
}

/// An interface is up, or down; one that is not there is down.
pub(super) fn up(name: &str, up: bool) -> Result<(), HostError> {
    let doing = || format!("bring {name} {}", if up { "up" } else { "down" });
    let Some(index) = index_of(name)? else {
        return if up { Err(HostError::new(doing(), NO_INTERFACE)) } else { Ok(()) };
    };
    let body = link_header(index, if up { IFF_UP } else { 0 }, IFF_UP);
    let harmless: &[i32] = if up { &[] } else { &[libc::ENODEV] };
    tolerating(harmless, Request { kind: RTM_SETLINK, flags: 0, body }).map_err(|error| HostError::new(doing(), error))
}

/// An address is on an interface, usable at once, or is not. Others on it stay: with the first IPv4 address of a network the
/// kernel takes away all that came after it.
pub(super) fn address(link: &str, addr: IpAddr, prefix_len: u8, present: bool) -> Result<(), HostError> {
    let before = addresses_of(link)?;
    set_address(link, addr, prefix_len, present)?;
    let after = addresses_of(link)?;
    for (other, other_len) in before.into_iter().filter(|one| *one != (addr, prefix_len) && !after.contains(one)) {
        set_address(link, other, other_len, true)?;
    }
    if after.contains(&(addr, prefix_len)) == present {
        return Ok(());
    }
    let (verb, word, why) = if present {
        ("give", "to", "it has this address with another length of the network already; remove that")
    } else {
        ("take", "from", "it is there again")
    };
    Err(HostError::new(format!("{verb} {addr}/{prefix_len} {word} {link}"), why))
}

fn addresses_of(link: &str) -> Result<Vec<(IpAddr, u8)>, HostError> {
    let Some(index) = index_of(link)? else { return Ok(Vec::new()) };
    let all = rtnl_dump::addresses().map_err(unanswered)?;
    Ok(all.into_iter().filter(|one| one.link == index).map(|one| (one.addr, one.prefix_len)).collect())
}

fn set_address(link: &str, addr: IpAddr, prefix_len: u8, present: bool) -> Result<(), HostError> {
    let doing = || {
        let (verb, word) = if present { ("give", "to") } else { ("take", "from") };
        format!("{verb} {addr}/{prefix_len} {word} {link}")
    };
    let Some(index) = index_of(link)? else {
        return if present { Err(HostError::new(doing(), NO_INTERFACE)) } else { Ok(()) };
    };
    let is_link_local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let scope = if is_link_local { SCOPE_LINK } else { SCOPE_UNIVERSE };
    let flags = if addr.is_ipv6() && present { IFA_F_NODAD } else { 0 };
    let mut header = vec![family(addr), prefix_len, flags, scope];
    header.extend(index.to_ne_bytes());
    let mut attrs = Writer::after(&header);
    let bytes = octets(addr);
    attrs.put(IFA_LOCAL, &bytes).put(IFA_ADDRESS, &bytes);
    let broadcast = AddrRange::prefix(addr, prefix_len).last();
    if addr.is_ipv4() && prefix_len < 31 && present {
        attrs.put(IFA_BROADCAST, &octets(broadcast));
    }
    let (kind, flags, harmless): (_, _, &[i32]) = if present {
        (RTM_NEWADDR, MAKE, &[libc::EEXIST])
    } else {
        (RTM_DELADDR, 0, &[libc::EADDRNOTAVAIL, libc::ENODEV])
    };
    tolerating(harmless, Request { kind, flags, body: attrs.finish() }).map_err(|error| HostError::new(doing(), error))
}

/// A route is in the main table, or is not.
///
/// It is put before others to the same network, and not in their place: when it is taken away, they are what they were.
pub(super) fn route(to: AddrRange, via: IpAddr, link: &str, present: bool) -> Result<(), HostError> {
    let doing = || format!("{} the route to {to} by {via} on {link}", if present { "add" } else { "remove" });
    let Some(prefix_len) = to.prefix_len() else {
        return Err(HostError::new(doing(), "it is no whole network"));
    };
    let Some(index) = index_of(link)? else {
        return if present { Err(HostError::new(doing(), NO_INTERFACE)) } else { Ok(()) };
    };
    let (protocol, scope) = if present { (RTPROT_STATIC, SCOPE_UNIVERSE) } else { (RTPROT_UNSPEC, SCOPE_NOWHERE) };
    let mut header = vec![family(via), prefix_len, 0, 0, RT_TABLE_MAIN, protocol, scope, RTN_UNICAST];
    header.extend(0u32.to_ne_bytes());
    let mut attrs = Writer::after(&header);
    if prefix_len > 0 {
        attrs.put(RTA_DST, &octets(to.first()));
    }
    attrs.put(RTA_GATEWAY, &octets(via)).put(RTA_OIF, &index.to_ne_bytes());
    let (kind, flags, harmless): (_, _, &[i32]) = if present {
        (RTM_NEWROUTE, NLM_F_CREATE, &[libc::EEXIST])
    } else {
        (RTM_DELROUTE, 0, &[libc::ESRCH, libc::ENODEV])
    };
    tolerating(harmless, Request { kind, flags, body: attrs.finish() }).map_err(|error| HostError::new(doing(), error))
}

const NO_INTERFACE: &str = "there is no such interface";

/// Whether the kernel has an interface of this name.
pub(super) fn index_of(name: &str) -> Result<Option<u32>, HostError> {
    let links = rtnl_dump::links().map_err(unanswered)?;
    Ok(links.values().find(|link| link.name == name).map(|link| link.index))
}

pub(super) fn unanswered(error: NetlinkError) -> HostError {
    HostError::new("ask the kernel for its interfaces", error)
}

/// Sends a request; that the state was reached already is no fault.
fn tolerating(harmless: &[i32], request: Request) -> Result<(), NetlinkError> {
    Socket::open(NETLINK_ROUTE)?.transact_tolerating(&[request], harmless)
}

/// `ifinfomsg`: family, padding, type, index, flags, which of them to change.
fn link_header(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    for part in [index, flags, change] {
        header.extend(part.to_ne_bytes());
    }
    header
}

fn zero_terminated(name: &str) -> Vec<u8> {
    name.bytes().chain([0]).collect()
}

fn family(addr: IpAddr) -> u8 {
    let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(family).expect("families are small")
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A setting's path names an interface: `net/ipv4/conf/NAME/…`. Whether there is none of that name.
pub(super) fn lacks_device(key: &str) -> Result<bool, HostError> {
    let mut parts = key.split('/');
    let of_device = parts.next() == Some("net")
        && matches!(parts.next(), Some("ipv4" | "ipv6"))
        && matches!(parts.next(), Some("conf" | "neigh"));
    match parts.next() {
        Some(name) if of_device && !matches!(name, "all" | "default") => Ok(index_of(name)?.is_none()),
        _ => Ok(false),
    }
}

/// Writes a kernel setting, unless it is so already.
pub(super) fn setting(key: &str, to: &str) -> Result<(), HostError> {
    if to.is_empty() {
        return Ok(());
    }
    let same = |now: &String| now.split_whitespace().eq(to.split_whitespace());
    if crate::sysctl::get(key).as_ref().is_some_and(same) {
        return Ok(());
    }
    match crate::sysctl::set(key, to) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound && lacks_device(key)? => Ok(()),
        other => other.map_err(|error| {
            let doing = format!("set the kernel's {} to {to}", key.replace('/', "."));
            HostError::new(doing, error.source)
        }),
    }
}
