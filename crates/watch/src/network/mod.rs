//! Who is where: from interfaces and addresses to segments. Works without a policy too: interfaces are the names then.

mod cause;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use segwall_core::leases::{Vendors, is_random};
use segwall_core::policy::{Policy, SegmentId};
use segwall_packetset::{AddrRange, Family, mask_address};

use self::cause::Rules;
use crate::event::{Connection, Iface, Mac, Packet};

pub use self::cause::Cause;

/// Addresses of the box that are remembered beside the policy's.
pub const OWN_ADDRESSES_MAX: usize = 4_096;

/// One end of a packet or connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// The box itself.
    Gateway,
    /// A segment of the policy.
    Segment(SegmentId),
    /// A provider's side.
    Internet,
    /// An interface that no policy names.
    Interface(Iface),
    /// Neither the policy nor the event tells.
    Unknown,
}

/// Both ends of a packet or connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// Who sent it.
    pub from: Zone,
    /// Who was to receive it.
    pub to: Zone,
}

/// The network as the policy draws it.
#[derive(Debug, Clone, Default)]
pub struct Network {
    has_policy: bool,
    names: Vec<String>,
    by_iface: BTreeMap<Iface, Zone>,
    /// Networks by length of their prefix, longest first: the narrowest that holds an address decides.
    networks: BTreeMap<Reverse<(u8, Family)>, BTreeMap<IpAddr, SegmentId>>,
    broadcasts: BTreeSet<IpAddr>,
    /// The box's own addresses, and on which interface they are, where that is known.
    own: BTreeMap<IpAddr, Iface>,
    management: BTreeSet<SegmentId>,
    hosts: BTreeMap<IpAddr, String>,
    cards: BTreeSet<Mac>,
    ssh_port: u16,
    rules: Option<Rules>,
    makers: Arc<Vendors>,
}

/// Where SSH is unless a policy says else.
const SSH_PORT: u16 = 22;

impl Network {
    /// Without a policy: interfaces are the names, private addresses are inside.
    #[must_use]
    pub fn unknown() -> Self {
        Self { ssh_port: SSH_PORT, ..Self::default() }
    }

    /// As the policy draws it.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let mut network = Self { has_policy: true, ssh_port: policy.gateway.ssh_port, ..Self::default() };
        for (at, segment) in (0u32..).zip(&policy.segments) {
            let id = SegmentId(at);
            network.names.push(segment.name.clone());
            network.by_iface.insert(Iface::new(segment.device.as_bytes()), Zone::Segment(id));
            for subnet in &segment.subnets {
                network.add_range(subnet.network, id);
                network.own.insert(subnet.gateway, Iface::new(segment.device.as_bytes()));
                if subnet.network.family() == Family::V4 && subnet.network.len() > 2 {
                    network.broadcasts.insert(subnet.network.last());
                }
            }
            for route in &segment.routes {
                network.add_range(route.to, id);
            }
        }
        for uplink in &policy.uplinks {
            network.by_iface.insert(Iface::new(uplink.device.as_bytes()), Zone::Internet);
            let device = Iface::new(uplink.device.as_bytes());
            network.own.extend(uplink.addresses.iter().map(|address| (address.addr, device)));
        }
        network.management = policy.gateway.management.iter().copied().collect();
        for host in &policy.hosts {
            network.hosts.extend(host.addresses.iter().map(|addr| (*addr, host.name.clone())));
            network.cards.extend(host.mac);
        }
        network
    }

    /// With who makes which cards.
    #[must_use]
    pub fn with_makers(self, makers: Arc<Vendors>) -> Self {
        Self { makers, ..self }
    }

    /// Who made a card, in words; `None`: the list of makers is not there, or does not name it.
    #[must_use]
    pub fn maker(&self, mac: Mac) -> Option<&str> {
        if is_random(mac) { Some("an address that its host made up") } else { self.makers.of(mac) }
    }

    fn add_range(&mut self, range: AddrRange, id: SegmentId) {
        for prefix in range.to_prefixes() {
            let len = prefix.prefix_len().expect("a prefix has a length");
            self.networks.entry(Reverse((len, prefix.family()))).or_default().insert(prefix.first(), id);
        }
    }

    fn segment_of(&self, addr: IpAddr) -> Option<SegmentId> {
        let family = Family::of(addr);
        let of_family = self.networks.iter().filter(|(Reverse((_, of)), _)| *of == family);
        of_family.filter_map(|(Reverse((len, _)), ids)| ids.get(&mask_address(addr, *len)).copied()).next()
    }

    /// The box has this address too; [`Iface::NONE`]: nobody knows where.
    pub fn add_own(&mut self, iface: Iface, addr: IpAddr) {
        if self.own.len() < OWN_ADDRESSES_MAX {
            if !iface.is_none() {
                self.learn_uplink_address(iface, addr);
            }
            let on = self.own.entry(addr).or_insert(iface);
            *on = if iface.is_none() { *on } else { iface };
        }
    }

    /// Every address of the box that is known, and on which interface.
    pub fn own_addresses(&self) -> impl Iterator<Item = (Iface, IpAddr)> + '_ {
        self.own.iter().map(|(addr, iface)| (*iface, *addr))
    }

    /// Whether the box has this address.
    #[must_use]
    pub fn is_own(&self, addr: IpAddr) -> bool {
        self.own.contains_key(&addr)
    }

    /// The port of the box's SSH server.
    #[must_use]
    pub fn ssh_port(&self) -> u16 {
        self.ssh_port
    }

    /// Whether a policy was given.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.has_policy
    }

    /// Whether the policy keeps an address for this card.
    #[must_use]
    pub fn is_reserved(&self, mac: Mac) -> bool {
        self.cards.contains(&mac)
    }

    /// The name that the policy gives an address.
    #[must_use]
    pub fn host(&self, addr: IpAddr) -> Option<&str> {
        self.hosts.get(&addr).map(String::as_str)
    }

    /// Whether the management segments are among these ends.
    #[must_use]
    pub fn is_management(&self, zone: Zone) -> bool {
        matches!(zone, Zone::Segment(id) if self.management.contains(&id))
    }

    /// The zone behind an interface.
    #[must_use]
    pub fn behind(&self, iface: Iface) -> Zone {
        if iface.is_none() {
            return Zone::Gateway;
        }
        if iface == Iface::unknown() {
            return Zone::Unknown;
        }
        self.by_iface.get(&iface).copied().unwrap_or(Zone::Interface(iface))
    }

    /// Whether the policy names the interface.
    #[must_use]
    pub fn names_iface(&self, iface: Iface) -> bool {
        self.by_iface.contains_key(&iface)
    }

    /// The interface that leads to a zone, as packets name it. `None`: that is not known.
    #[must_use]
    pub fn iface(&self, zone: Zone) -> Option<Iface> {
        match zone {
            Zone::Gateway => Some(Iface::NONE),
            Zone::Interface(iface) => Some(iface),
            Zone::Segment(_) | Zone::Internet => {
                self.by_iface.iter().find(|(_, behind)| **behind == zone).map(|(iface, _)| *iface)
            }
            Zone::Unknown => None,
        }
    }

    /// The zone of an address. Without a policy none is known.
    #[must_use]
    pub fn around(&self, addr: IpAddr) -> Zone {
        if self.is_own(addr) {
            return Zone::Gateway;
        }
        match self.segment_of(addr) {
            Some(id) => Zone::Segment(id),
            None if self.has_policy && !is_private(addr) => Zone::Internet,
            None => Zone::Unknown,
        }
    }

    /// Both ends of a packet.
    #[must_use]
    pub fn ends(&self, packet: &Packet) -> Ends {
        Ends { from: self.behind(packet.input), to: self.behind(packet.output) }
    }

    /// Both ends of a connection, by interface where those are known, else by address.
    #[must_use]
    pub fn ends_of(&self, connection: &Connection) -> Ends {
        let zone = |iface: Iface, addr| if iface.is_none() { self.around(addr) } else { self.behind(iface) };
        Ends {
            from: zone(connection.input, connection.original.src),
            to: zone(connection.output, connection.reply.src),
        }
    }

    /// Whether an address is one of ours: in a segment, or the box's. Without a policy: private ones.
    #[must_use]
    pub fn is_inside(&self, addr: IpAddr) -> bool {
        if self.has_policy { self.around(addr) != Zone::Internet } else { is_private(addr) || self.is_own(addr) }
    }

    /// Whether something goes from the inside out to the internet. There dead peers and closed ports are everyday things.
    #[must_use]
    pub fn is_outward(&self, ends: Ends, src: IpAddr, dst: IpAddr) -> bool {
        match ends.to {
            Zone::Internet => ends.from != Zone::Internet,
            Zone::Gateway | Zone::Segment(_) => false,
            Zone::Interface(_) | Zone::Unknown => self.is_inside(src) && !self.is_inside(dst),
        }
    }

    /// Whether it comes from the internet. There somebody is scanning at all times.
    #[must_use]
    pub fn is_from_internet(&self, ends: Ends, src: IpAddr) -> bool {
        match ends.from {
            Zone::Internet => true,
            Zone::Gateway | Zone::Segment(_) => false,
            Zone::Interface(_) | Zone::Unknown => !self.is_inside(src),
        }
    }

    /// A broadcast address of one of the segments' subnets, or of all networks.
    #[must_use]
    pub fn is_broadcast(&self, addr: IpAddr) -> bool {
        let IpAddr::V4(v4) = addr else { return false };
        v4.is_broadcast() || self.broadcasts.contains(&addr)
    }

    /// A zone of another policy, here: segments are the same by their names. `None`: there is none of that name.
    #[must_use]
    pub fn again(&self, before: &Self, zone: Zone) -> Option<Zone> {
        match zone {
            Zone::Segment(id) => {
                let name = before.names.get(id.index())?;
                let at = self.names.iter().position(|one| one == name)?;
                Some(Zone::Segment(SegmentId(u32::try_from(at).expect("segments are few"))))
            }
            Zone::Gateway | Zone::Internet | Zone::Interface(_) | Zone::Unknown => Some(zone),
        }
    }

    /// The policy's segments, in its order.
    pub fn segments(&self) -> impl Iterator<Item = Zone> + '_ {
        (0u32..).zip(&self.names).map(|(at, _)| Zone::Segment(SegmentId(at)))
    }

    /// A zone's name.
    #[must_use]
    pub fn name(&self, zone: Zone) -> String {
        match zone {
            Zone::Gateway => "gateway".to_owned(),
            Zone::Segment(id) => self.names.get(id.index()).cloned().unwrap_or_else(|| "unknown".to_owned()),
            Zone::Internet => "internet".to_owned(),
            Zone::Interface(iface) => iface.as_str().to_owned(),
            Zone::Unknown => "unknown".to_owned(),
        }
    }
}

/// Addresses that no router of the internet carries: RFC 1918, 3927, 4193, 6598, and link-local IPv6.
#[must_use]
pub fn is_private(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => {
            let shared = AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10);
            v4.is_private() || v4.is_link_local() || shared.contains(addr)
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unique_local(),
    }
}

/// Addresses that are nobody's: they are never accused and nothing is ever done about them.
#[must_use]
pub fn is_nobody(addr: IpAddr) -> bool {
    let broadcast = matches!(addr, IpAddr::V4(v4) if v4.is_broadcast());
    // `0.0.0.0/8` is "this network" (RFC 1122, section 3.2.1.3).
    let this_network = matches!(addr, IpAddr::V4(v4) if v4.octets()[0] == 0);
    let mapped = matches!(addr, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    addr.is_unspecified() || addr.is_loopback() || addr.is_multicast() || broadcast || this_network || mapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use segwall_core::policy::{Context, load};
    use segwall_core::source::Source;

    fn tutorial() -> Network {
        let text = r#"
            [gateway]
            trunk = "eth1"
            management = ["servers"]
            [uplinks.wan]
            interface = "eth0"
            addresses = ["dhcp"]
            [segments.office]
            vlan = 10
            subnets = ["192.168.10.0/24"]
            routes = [{ to = "10.9.0.0/16", via = "192.168.10.2" }]
            [segments.servers]
            vlan = 20
            subnets = ["192.168.20.0/24", "fd00:20::/64"]
        "#;
        let source = Source::new("t.toml", text);
        let context = Context { today: jiff::civil::date(2026, 11, 26), timezone: jiff::tz::TimeZone::UTC };
        let loaded = load(&source, &context);
        Network::of(&loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics)))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_policy_says_who_is_where() {
        let network = tutorial();
        let zone = |text: &str| network.name(network.around(ip(text)));
        assert_eq!(zone("192.168.10.7"), "office");
        assert_eq!(zone("10.9.1.1"), "office");
        assert_eq!(zone("fd00:20::5"), "servers");
        assert_eq!(zone("192.168.20.1"), "gateway");
        assert_eq!(zone("203.0.113.5"), "internet");
        assert_eq!(zone("172.16.0.1"), "unknown");
        assert!(network.is_broadcast(ip("192.168.10.255")) && !network.is_broadcast(ip("192.168.10.254")));
        assert!(network.is_management(network.around(ip("192.168.20.9"))));
        assert_eq!(network.behind(Iface::NONE), Zone::Gateway);
        assert_eq!(network.behind(Iface::new(b"eth0")), Zone::Internet);
    }

    #[test]
    fn without_a_policy_private_addresses_are_inside() {
        let network = Network::unknown();
        let (lan, wan) = (Zone::Interface(Iface::new(b"lan")), Zone::Interface(Iface::new(b"wan")));
        let ends = Ends { from: lan, to: wan };
        assert!(network.is_outward(ends, ip("10.0.0.1"), ip("203.0.113.1")));
        assert!(!network.is_outward(ends, ip("10.0.0.1"), ip("10.0.1.1")));
        assert!(!network.is_outward(Ends { from: wan, to: Zone::Gateway }, ip("10.0.0.1"), ip("203.0.113.1")));
        assert!(network.is_from_internet(Ends { from: wan, to: lan }, ip("203.0.113.1")));
    }

    #[test]
    fn nobody_is_never_somebody() {
        for text in
            ["127.0.0.1", "0.0.0.0", "::", "::1", "224.0.0.251", "ff02::fb", "255.255.255.255", "::ffff:10.0.0.1"]
        {
            assert!(is_nobody(ip(text)), "{text}");
        }
        assert!(!is_nobody(ip("10.0.0.1")) && !is_nobody(ip("fe80::1")));
    }
}
