//! Which networks lie behind which interface: what the files say, brought together.

mod dhcp;
mod names;
mod uplink;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use super::{Dhcpd, Given, Stanza};
use crate::policy::InterfaceAddress;
use names::Names;

pub use dhcp::SegmentDhcp;
pub use uplink::{UplinkGiven, read_uplink};

/// A network that a policy can describe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Segments, in the order of the files.
    pub segments: Vec<Segment>,
    /// The way to the provider.
    pub uplink: Option<Uplink>,
    /// Reserved addresses.
    pub hosts: Vec<Host>,
    /// Seconds that a lease lasts, where dhcpd.conf says so.
    pub lease_s: Option<u32>,
    /// What had to be decided, and what is left out: for people.
    pub notes: Vec<String>,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its name in the policy.
    pub name: String,
    /// The interface.
    pub device: String,
    /// The interface that carries it, and its VLAN.
    pub vlan: Option<(String, u16)>,
    /// The device is made by something else: a bridge, a bond, a tunnel.
    pub foreign: bool,
    /// Networks on the wire, with the box's address in each.
    pub subnets: Vec<(AddrRange, IpAddr)>,
    /// Networks behind it.
    pub routes: Vec<(AddrRange, IpAddr)>,
    /// What dhcpd.conf says of it.
    pub dhcp: Option<SegmentDhcp>,
    /// Where it was found: `interfaces:12`.
    pub origin: String,
}

/// The uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// Its name in the policy.
    pub name: String,
    /// The interface.
    pub device: String,
    /// The interface that carries it, and its VLAN.
    pub vlan: Option<(String, u16)>,
    /// Static addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// IPv4 by DHCP.
    pub dhcp: bool,
    /// IPv6 by router advertisements.
    pub ra: bool,
    /// Next hops.
    pub gateways: Vec<IpAddr>,
    /// Why it is taken for the uplink.
    pub why: String,
}

/// A reserved address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name in the policy.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// All stanzas of one interface together.
#[derive(Debug, Default)]
struct Link {
    addresses: Vec<InterfaceAddress>,
    gateways: Vec<IpAddr>,
    routes: Vec<(AddrRange, IpAddr)>,
    dhcp: bool,
    ra: bool,
    raw_device: Option<String>,
    vlan_id: Option<u16>,
    comment: Option<String>,
    origin: String,
}

/// Interfaces that are looked at; a router has fewer.
const LINKS_MAX: usize = 4_096;

/// Routes that are read, alike.
const NETWORK_ROUTES_MAX: usize = 4_096;

/// Brings the files together. `outward`: interfaces that the rules translate sources for.
pub(super) fn network(given: &Given<'_>, outward: &BTreeSet<String>) -> Network {
    let mut network = Network::default();
    let (order, links) = links(given, &mut network.notes);
    network.uplink = uplink::choose(given, outward, &order, &links, &mut network.notes);
    let mut names = Names::new(network.uplink.as_ref().map(|uplink| uplink.name.as_str()));
    for device in &order {
        let link = &links[device];
        if network.uplink.as_ref().is_some_and(|uplink| uplink.device == *device) {
            continue;
        }
        let subnets = subnets(device, link, &mut network.notes);
        if subnets.is_empty() {
            if link.dhcp || link.ra {
                network.notes.push(format!(
                    "{device} gets its address from somebody else, and is not the uplink: it is left out"
                ));
            }
            continue;
        }
        let vlan = vlan(device, link);
        let name = names.of_segment(link.comment.as_deref(), device, vlan.as_ref().map(|(_, id)| *id));
        network.segments.push(Segment {
            name,
            device: device.clone(),
            foreign: vlan.is_none() && is_foreign(device),
            vlan,
            subnets,
            routes: Vec::new(),
            dhcp: None,
            origin: link.origin.clone(),
        });
    }
    routes(&mut network, &links);
    let files: Vec<&Dhcpd> = given.dhcpd.iter().map(|(_, read)| *read).collect();
    dhcp::add(&mut network, &files, &mut names);
    network
}

/// Stanzas by their interface, in the order in which they first appear.
fn links(given: &Given<'_>, notes: &mut Vec<String>) -> (Vec<String>, BTreeMap<String, Link>) {
    let mut order = Vec::new();
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for (source, read) in &given.interfaces {
        for stanza in &read.stanzas {
            // `eth0:1` is a second address of eth0.
            let device = stanza.name.split(':').next().unwrap_or(&stanza.name).to_owned();
            if device == "lo" {
                continue;
            }
            if !links.contains_key(&device) {
                if order.len() == LINKS_MAX {
                    notes.push(format!("more than {LINKS_MAX} interfaces: the others are left out"));
                    return (order, links);
                }
                order.push(device.clone());
            }
            let origin = format!("{}:{}", source.name(), source.line(stanza.span.start));
            links.entry(device).or_default().take(stanza, origin);
        }
    }
    (order, links)
}

impl Link {
    fn take(&mut self, stanza: &Stanza, origin: String) {
        if self.origin.is_empty() {
            self.origin = origin;
        }
        for address in &stanza.addresses {
            if !self.addresses.contains(address) {
                self.addresses.push(*address);
            }
        }
        self.gateways.extend(&stanza.gateways);
        self.routes.extend(&stanza.routes);
        self.dhcp |= stanza.dhcp;
        self.ra |= stanza.ra;
        self.raw_device = self.raw_device.take().or_else(|| stanza.raw_device.clone());
        self.vlan_id = self.vlan_id.or(stanza.vlan_id);
        self.comment = self.comment.take().or_else(|| stanza.comment.clone());
    }
}

/// The subnets of an interface, each with the box's first address in it.
fn subnets(device: &str, link: &Link, notes: &mut Vec<String>) -> Vec<(AddrRange, IpAddr)> {
    let mut subnets: Vec<(AddrRange, IpAddr)> = Vec::new();
    for InterfaceAddress { addr, prefix_len } in &link.addresses {
        let network = AddrRange::prefix(*addr, *prefix_len);
        if is_link_local(*addr) {
            continue;
        }
        if network.len() < 4 {
            notes.push(format!("{addr}/{prefix_len} on {device} is no network of hosts: it is left out"));
            continue;
        }
        match subnets.iter().find(|(known, _)| known.overlaps(&network)) {
            Some((_, first)) => notes.push(format!(
                "{addr} on {device} is a second address in one network: the policy gives the box {first} there"
            )),
            None => subnets.push((network, *addr)),
        }
    }
    subnets
}

fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.segments()[0] & 0xffc0 == 0xfe80,
    }
}

/// The VLAN of an interface: by its options, else by its name.
fn vlan(device: &str, link: &Link) -> Option<(String, u16)> {
    let is_vlan = |id: &u16| (1..=4094).contains(id);
    let by_dot = device.rsplit_once('.').and_then(|(trunk, id)| Some((trunk.to_owned(), id.parse().ok()?)));
    let by_word = device.strip_prefix("vlan").and_then(|id| id.parse::<u16>().ok());
    let id = link.vlan_id.or(by_dot.as_ref().map(|(_, id)| *id)).or(by_word).filter(is_vlan)?;
    let trunk = link.raw_device.clone().or(by_dot.map(|(trunk, _)| trunk))?;
    Some((trunk, id))
}

/// Devices that Segwall does not make.
fn is_foreign(device: &str) -> bool {
    ["br", "bond", "wg", "tun", "tap", "ppp"].iter().any(|beginning| device.starts_with(beginning))
}

/// Networks behind a segment, by the next hop: whichever interface's stanza names them.
fn routes(network: &mut Network, links: &BTreeMap<String, Link>) {
    for (to, via) in links.values().flat_map(|link| &link.routes).take(NETWORK_ROUTES_MAX) {
        let on_wire =
            |segment: &&mut Segment| segment.subnets.iter().any(|(subnet, own)| subnet.contains(*via) && own != via);
        let taken = network.segments.iter().any(|segment| {
            let known = segment.subnets.iter().chain(&segment.routes).map(|(known, _)| known);
            known.into_iter().any(|known| known.overlaps(to))
        });
        match network.segments.iter_mut().find(on_wire) {
            Some(segment) if !taken => segment.routes.push((*to, *via)),
            Some(_) => network.notes.push(format!("the route to {to} overlaps another network: it is left out")),
            None => network.notes.push(format!("the route to {to} goes by {via}, which lies behind no segment")),
        }
    }
}

impl Segment {
    /// Whether a family is on its wire.
    #[must_use]
    pub fn carries(&self, family: Family) -> bool {
        self.subnets.iter().any(|(network, _)| network.family() == family)
    }
}
