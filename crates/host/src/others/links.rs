//! Interfaces: programs that see their packets before the stack does, and interfaces that take their packets away.

use crate::attr::Reader;
use crate::netlink::{NetlinkError, Socket};

/// `linux/rtnetlink.h`, `linux/if_link.h`.
const RTM_GETLINK: u16 = 18;
const IFINFO_LEN: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: i32,
    pub name: String,
    /// `bridge`, `bond`, `vlan` …; nothing for hardware.
    pub kind: String,
    /// Index of the interface that it is a port of.
    pub master: Option<i32>,
    /// An XDP program sees its packets first.
    pub xdp: bool,
}

/// Every interface of the namespace.
pub fn list() -> Result<Vec<Link>, NetlinkError> {
    let mut socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE)?;
    let mut links = Vec::new();
    socket.dump(RTM_GETLINK, vec![0; IFINFO_LEN], |body| links.extend(read(body)))?;
    Ok(links)
}

fn read(body: &[u8]) -> Option<Link> {
    let index = i32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let mut link = Link { index, name: String::new(), kind: String::new(), master: None, xdp: false };
    for (kind, value) in Reader::new(body.get(IFINFO_LEN..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MASTER => link.master = value.try_into().ok().map(i32::from_ne_bytes),
            IFLA_LINKINFO => link.kind = inside(value, IFLA_INFO_KIND).map(text).unwrap_or_default(),
            IFLA_XDP => link.xdp = inside(value, IFLA_XDP_ATTACHED).is_some_and(|mode| mode.first() != Some(&0)),
            _ => {}
        }
    }
    Some(link)
}

fn inside(value: &[u8], wanted: u16) -> Option<&[u8]> {
    Reader::new(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// A name as the kernel has it, up to its NUL.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// XDP anywhere, since a program may send packets out by another interface; a master where it takes the packets of one of
/// `devices`: a bridge passes them on by itself, a bond or VRF shows them to the rules as its own.
pub fn in_the_way(links: &[Link], devices: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for link in links {
        if link.xdp {
            found.push(format!("an XDP program sees packets of {} before any rule", link.name));
        }
        let Some(master) = link.master.filter(|_| devices.contains(&link.name.as_str())) else { continue };
        let (name, kind) = links.iter().find(|other| other.index == master).map_or_else(
            || (format!("interface {master}"), "in another namespace".to_owned()),
            |other| (other.name.clone(), other.kind.clone()),
        );
        found.push(format!("{} is a port of {name} ({kind}), which takes its packets", link.name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Writer;

    #[test]
    fn an_interface_is_read() {
        let mut header = vec![0; IFINFO_LEN];
        header[4..8].copy_from_slice(&7i32.to_ne_bytes());
        let mut writer = Writer::after(&header);
        writer.put(IFLA_IFNAME, b"lan0\0").put(IFLA_MASTER, &9i32.to_ne_bytes());
        writer.nest(IFLA_LINKINFO, |info| {
            info.put(IFLA_INFO_KIND, b"veth\0");
        });
        writer.nest(IFLA_XDP, |xdp| {
            xdp.put(IFLA_XDP_ATTACHED, &[2]);
        });
        let link = read(&writer.finish()).unwrap();
        let wanted = Link { index: 7, name: "lan0".into(), kind: "veth".into(), master: Some(9), xdp: true };
        assert_eq!(link, wanted);
        assert_eq!(in_the_way(&[link], &["lan0"]).len(), 2);
        assert_eq!(read(&[0; 7]), None);
    }
}
