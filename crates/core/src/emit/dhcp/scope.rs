//! What any DHCP server has to say in each segment, before it is written for one of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::{AddrRange, Family};

use crate::policy::{Host, Ipv6Mode, Policy, Segment, SegmentDhcp, SegmentId, ServerRef, dhcp_option};

/// Options of DHCPv4 with keys of their own.
const ROUTERS: u8 = 3;
const NAME_SERVERS: u8 = 6;
const DOMAIN_NAME: u8 = 15;
const NTP_SERVERS: u8 = 42;

/// IPv6 addresses that a segment's server gives out: at most so many, from this offset on in a network that is large.
const POOL6_MAX: u128 = 65_536;

/// DHCPv4 on one segment.
pub(in crate::emit) struct Scope4<'a> {
    pub segment: &'a Segment,
    pub lease_s: u32,
    /// The one with the pool first, then those with reservations.
    pub subnets: Vec<Subnet4<'a>>,
}

/// One of its subnets.
pub(in crate::emit) struct Subnet4<'a> {
    pub network: AddrRange,
    pub pool: Option<AddrRange>,
    /// By number, encoded as they travel.
    pub options: BTreeMap<u8, Vec<u8>>,
    pub reservations: Vec<Reservation<'a>>,
}

/// An address that one hardware address gets.
pub(in crate::emit) struct Reservation<'a> {
    pub name: &'a str,
    pub mac: [u8; 6],
    pub addr: IpAddr,
}

/// How hosts get IPv6 addresses, where the box has a say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::emit) enum Mode6 {
    Slaac,
    Dhcpv6,
}

/// Router advertisements, and DHCPv6, on one segment.
pub(in crate::emit) struct Scope6<'a> {
    pub segment: &'a Segment,
    pub mode: Mode6,
    pub lease_s: u32,
    pub networks: Vec<Network6<'a>>,
    pub dns: Vec<Ipv6Addr>,
    pub domain: Option<&'a str>,
}

/// One of its networks.
pub(in crate::emit) struct Network6<'a> {
    pub network: AddrRange,
    /// What may be given out: none of it is anybody's fixed address. Empty with SLAAC.
    pub pools: Vec<AddrRange>,
    pub reservations: Vec<Reservation<'a>>,
}

/// Segments for which the box resolves names.
pub(in crate::emit) fn resolves_for(policy: &Policy) -> impl Iterator<Item = &Segment> {
    policy
        .segments
        .iter()
        .filter(|segment| segment.dhcp.as_ref().is_some_and(|dhcp| dhcp.dns.contains(&ServerRef::Gateway)))
}

pub(in crate::emit) fn scopes4(policy: &Policy) -> Vec<Scope4<'_>> {
    let segments = (0u32..).map(SegmentId).zip(&policy.segments);
    segments.filter_map(|(id, segment)| scope4(policy, id, segment)).collect()
}

fn scope4<'a>(policy: &'a Policy, id: SegmentId, segment: &'a Segment) -> Option<Scope4<'a>> {
    let dhcp = segment.dhcp.as_ref()?;
    let pool = dhcp.pool?;
    let mut subnets: Vec<Subnet4<'_>> = segment
        .subnets
        .iter()
        .filter(|subnet| subnet.network.family() == Family::V4)
        .map(|subnet| Subnet4 {
            network: subnet.network,
            pool: Some(pool).filter(|pool| subnet.network.covers(pool)),
            options: options4(dhcp, subnet.gateway),
            reservations: reservations(policy, id, &subnet.network),
        })
        .filter(|subnet| subnet.pool.is_some() || !subnet.reservations.is_empty())
        .collect();
    subnets.sort_by_key(|subnet| (subnet.pool.is_none(), subnet.network));
    Some(Scope4 { segment, lease_s: dhcp.lease_s.unwrap_or(policy.dhcp.lease_s), subnets })
}

/// Every option of a subnet, as bytes: what the servers make of words differs, bytes are bytes.
fn options4(dhcp: &SegmentDhcp, gateway: IpAddr) -> BTreeMap<u8, Vec<u8>> {
    let mut options: BTreeMap<u8, Vec<u8>> = dhcp
        .options
        .iter()
        .map(|(number, text)| {
            (*number, dhcp_option::encode(*number, text).expect("check refuses what has no encoding"))
        })
        .collect();
    let mut put = |number, bytes: Vec<u8>| {
        if !bytes.is_empty() {
            options.insert(number, bytes);
        }
    };
    let addresses = |servers: &[ServerRef]| servers4(servers, gateway).iter().flat_map(Ipv4Addr::octets).collect();
    put(ROUTERS, servers4(&[ServerRef::Gateway], gateway).iter().flat_map(Ipv4Addr::octets).collect());
    put(NAME_SERVERS, addresses(&dhcp.dns));
    put(NTP_SERVERS, addresses(&dhcp.ntp));
    put(DOMAIN_NAME, dhcp.domain.as_deref().map(|name| name.trim_end_matches('.').into()).unwrap_or_default());
    options
}

fn servers4(servers: &[ServerRef], gateway: IpAddr) -> Vec<Ipv4Addr> {
    addresses(servers, gateway)
        .filter_map(|addr| match addr {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        })
        .collect()
}

fn addresses(servers: &[ServerRef], gateway: IpAddr) -> impl Iterator<Item = IpAddr> {
    servers.iter().flat_map(move |server| match server {
        ServerRef::Gateway => vec![gateway],
        ServerRef::Addresses(list) => list.clone(),
    })
}

fn reservations<'a>(policy: &'a Policy, id: SegmentId, network: &AddrRange) -> Vec<Reservation<'a>> {
    let of = |host: &'a Host| {
        let addresses = host.addresses.iter().filter(|addr| network.contains(**addr));
        host.mac.into_iter().zip(addresses).map(|(mac, addr)| Reservation { name: &host.name, mac, addr: *addr })
    };
    policy.hosts.iter().filter(|host| host.segment == id).flat_map(of).collect()
}

pub(in crate::emit) fn scopes6(policy: &Policy) -> Vec<Scope6<'_>> {
    let segments = (0u32..).map(SegmentId).zip(&policy.segments);
    segments.filter_map(|(id, segment)| scope6(policy, id, segment)).collect()
}

fn scope6<'a>(policy: &'a Policy, id: SegmentId, segment: &'a Segment) -> Option<Scope6<'a>> {
    let mode = match segment.ipv6 {
        Ipv6Mode::Slaac => Mode6::Slaac,
        Ipv6Mode::Dhcpv6 => Mode6::Dhcpv6,
        Ipv6Mode::None => return None,
    };
    let subnets: Vec<_> = segment.subnets.iter().filter(|subnet| subnet.network.family() == Family::V6).collect();
    let gateway = subnets.first()?.gateway;
    let networks = subnets
        .iter()
        .map(|subnet| match mode {
            Mode6::Slaac => Network6 { network: subnet.network, pools: Vec::new(), reservations: Vec::new() },
            Mode6::Dhcpv6 => Network6 {
                network: subnet.network,
                pools: pools6(&subnet.network, &fixed(policy, segment)),
                reservations: reservations(policy, id, &subnet.network),
            },
        })
        .collect();
    let dhcp = segment.dhcp.as_ref();
    let dns = dhcp.map_or(Vec::new(), |dhcp| addresses(&dhcp.dns, gateway).collect());
    let dns = dns.into_iter().filter_map(|addr| match addr {
        IpAddr::V4(_) => None,
        IpAddr::V6(addr) => Some(addr),
    });
    Some(Scope6 {
        segment,
        mode,
        lease_s: dhcp.and_then(|dhcp| dhcp.lease_s).unwrap_or(policy.dhcp.lease_s),
        networks,
        dns: dns.collect(),
        domain: dhcp.and_then(|dhcp| dhcp.domain.as_deref()).map(|name| name.trim_end_matches('.')),
    })
}

/// Addresses that are somebody's: the box's, next hops', hosts'.
fn fixed(policy: &Policy, segment: &Segment) -> Vec<IpAddr> {
    let mut fixed: Vec<IpAddr> = segment.subnets.iter().map(|subnet| subnet.gateway).collect();
    fixed.extend(segment.routes.iter().map(|route| route.via));
    fixed.extend(policy.hosts.iter().flat_map(|host| &host.addresses));
    fixed.sort_unstable();
    fixed
}

/// The upper half of a network, at most [`POOL6_MAX`] addresses of it, without those that are somebody's.
///
/// People count from the lower end by hand.
fn pools6(network: &AddrRange, fixed: &[IpAddr]) -> Vec<AddrRange> {
    let half = network.len() / 2;
    let first = network.nth(half).expect("half of a network lies in it");
    let last = network.nth(half + (half.min(POOL6_MAX) - 1)).expect("and so does what follows");
    let mut pools = Vec::new();
    let mut rest = AddrRange::new(first, last);
    for addr in fixed {
        let Some(range) = rest.filter(|range| range.contains(*addr)) else { continue };
        let around = AddrRange::single(*addr);
        pools.extend(around.before().and_then(|before| AddrRange::new(range.first(), before)));
        rest = around.after().and_then(|after| AddrRange::new(after, range.last()));
    }
    pools.extend(rest);
    pools
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_gets_a_fixed_address() {
        let network: AddrRange = "fd00::/120".parse().expect("a network");
        let pools = |fixed: &[&str]| -> Vec<String> {
            let fixed: Vec<IpAddr> = fixed.iter().map(|text| text.parse().expect("an address")).collect();
            pools6(&network, &fixed).iter().map(ToString::to_string).collect()
        };
        assert_eq!(pools(&["fd00::1"]), ["fd00::80/121"]);
        assert_eq!(pools(&["fd00::80", "fd00::90", "fd00::ff"]), ["fd00::81-fd00::8f", "fd00::91-fd00::fe"]);
        let narrow: AddrRange = "fd00::/127".parse().expect("a network");
        assert_eq!(pools6(&narrow, &["fd00::1".parse().expect("an address")]), []);
    }

    #[test]
    fn a_large_network_gives_a_part() {
        let network: AddrRange = "fd00::/64".parse().expect("a network");
        assert_eq!(pools6(&network, &[]), ["fd00:0:0:0:8000::/112".parse().expect("a network")]);
    }
}
