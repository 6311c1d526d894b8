//! What dhcpd.conf says, segment by segment.

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::AddrRange;

use super::names::Names;
use super::{Host, Network, Segment};
use crate::import::{DhcpSubnet, Dhcpd};

/// Leases that a policy takes, in seconds.
const LEASES_S: std::ops::RangeInclusive<u32> = 120..=0xffff_fffe;
/// Reservations that are read; more are counted.
const HOSTS_MAX: usize = 4_096;
/// Subnets of dhcpd.conf, alike.
const SUBNETS_MAX: usize = 4_096;
/// Options that follow from the rest of a policy, or that the protocol sets by itself.
const OWN_OPTIONS: &[u8] = &[1, 3, 6, 15, 28, 42, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82];

/// DHCP of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentDhcp {
    /// Addresses that are given out.
    pub pool: Option<AddrRange>,
    /// Resolvers; the box's own address stands for the box.
    pub dns: Vec<IpAddr>,
    /// Time servers, alike.
    pub ntp: Vec<IpAddr>,
    /// Domain name.
    pub domain: Option<String>,
    /// Seconds that a lease lasts, where it differs from the others.
    pub lease_s: Option<u32>,
    /// Further options.
    pub options: BTreeMap<u8, String>,
}

/// Adds reservations and pools to the network.
pub(super) fn add(network: &mut Network, files: &[&Dhcpd], names: &mut Names) {
    let lease = files.iter().find_map(|file| file.global.lease_s);
    network.lease_s = lease.filter(|lease| LEASES_S.contains(lease));
    if network.lease_s != lease {
        network
            .notes
            .push("the lease time of dhcpd.conf is one that a policy does not take: it is left out".to_owned());
    }
    let count = |what: &str, found: usize, max: usize, notes: &mut Vec<String>| {
        if found > max {
            notes.push(format!("dhcpd.conf has {found} {what}: {} are left out", found - max));
        }
    };
    count("reservations", files.iter().map(|file| file.reservations.len()).sum(), HOSTS_MAX, &mut network.notes);
    count("subnets", files.iter().map(|file| file.subnets.len()).sum(), SUBNETS_MAX, &mut network.notes);
    for reservation in files.iter().flat_map(|file| &file.reservations).take(HOSTS_MAX) {
        let addr = reservation.address;
        if let Some(why) = cannot_be_a_host(network, addr) {
            network.notes.push(format!("the reservation of {addr} is left out: {why}"));
            continue;
        }
        network.hosts.push(Host { name: names.of_host(&reservation.name), address: addr, mac: reservation.mac });
    }
    for subnet in files.iter().flat_map(|file| &file.subnets).take(SUBNETS_MAX) {
        let found = network
            .segments
            .iter()
            .position(|segment| segment.subnets.iter().any(|(known, _)| *known == subnet.network));
        let Some(at) = found else {
            network
                .notes
                .push(format!("dhcpd.conf has {}, which is behind no interface: it is left out", subnet.network));
            continue;
        };
        if network.segments[at].dhcp.is_some() {
            let name = &network.segments[at].name;
            network
                .notes
                .push(format!("{name} has more than one subnet in dhcpd.conf: {} is left out", subnet.network));
            continue;
        }
        let dhcp = of_segment(network, at, subnet);
        network.segments[at].dhcp = Some(dhcp);
    }
}

fn cannot_be_a_host(network: &Network, addr: IpAddr) -> Option<&'static str> {
    if network.hosts.iter().any(|host| host.address == addr) {
        return Some("another one has it");
    }
    let mut subnets = network.segments.iter().flat_map(|segment| &segment.subnets);
    match subnets.find(|(known, _)| known.contains(addr)) {
        None => Some("it lies behind no interface"),
        Some((_, own)) if *own == addr => Some("it is the box's own"),
        Some((known, _)) if addr.is_ipv4() && (known.first() == addr || known.last() == addr) => {
            Some("it is the network's own address or its broadcast")
        }
        Some(_) => None,
    }
}

fn of_segment(network: &mut Network, at: usize, subnet: &DhcpSubnet) -> SegmentDhcp {
    let segment = &network.segments[at];
    let mut notes = Vec::new();
    let own = segment.subnets.iter().find(|(known, _)| *known == subnet.network).map(|(_, own)| *own);
    for router in subnet.options.routers.iter().filter(|router| Some(**router) != own) {
        notes.push(format!(
            "dhcpd.conf sends {} to the router {router}: the policy makes the box its router",
            segment.name
        ));
    }
    let pool = pool(segment, subnet, &network.hosts, &mut notes);
    let domain = subnet.options.domain.clone().filter(|domain| {
        let fits = is_domain(domain);
        if !fits {
            notes.push(format!("the domain name of {} is none that a policy takes", segment.name));
        }
        fits
    });
    let mut options = subnet.options.others.clone();
    options.retain(|number, text| {
        let fits = !OWN_OPTIONS.contains(number) && !text.chars().any(char::is_control);
        if !fits {
            notes.push(format!("DHCP option {number} of {} is left out", segment.name));
        }
        fits
    });
    let lease_s = subnet.options.lease_s.filter(|lease| Some(*lease) != network.lease_s && LEASES_S.contains(lease));
    let list = |list: &[IpAddr]| list.iter().copied().filter(IpAddr::is_ipv4).collect();
    let dhcp =
        SegmentDhcp { pool, dns: list(&subnet.options.dns), ntp: list(&subnet.options.ntp), domain, lease_s, options };
    network.notes.extend(notes);
    dhcp
}

fn is_domain(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    !name.is_empty() && name.len() <= 253 && name.split('.').all(label)
}

/// One range, without addresses that somebody has: a policy's pool is in one piece.
fn pool(segment: &Segment, subnet: &DhcpSubnet, hosts: &[Host], notes: &mut Vec<String>) -> Option<AddrRange> {
    let (first, others) = subnet.ranges.split_first()?;
    if !others.is_empty() {
        notes.push(format!("{} has more than one range: the policy has the first, {first}", segment.name));
    }
    let network = subnet.network;
    let taken = [network.first(), network.last()]
        .into_iter()
        .chain(segment.subnets.iter().map(|(_, own)| *own))
        .chain(segment.routes.iter().map(|(_, via)| *via))
        .chain(hosts.iter().map(|host| host.address));
    let mut pieces = vec![network.intersection(first)?];
    for addr in taken {
        pieces = pieces.into_iter().flat_map(|piece| without(piece, addr)).collect();
    }
    let pool = pieces.into_iter().max_by_key(|piece| (piece.len(), std::cmp::Reverse(piece.first())))?;
    if pool != *first {
        notes.push(format!(
            "the pool of {} is {pool}: the rest of {first} is not free or outside its subnet",
            segment.name
        ));
    }
    Some(pool)
}

fn without(piece: AddrRange, addr: IpAddr) -> Vec<AddrRange> {
    if !piece.contains(addr) {
        return vec![piece];
    }
    let single = AddrRange::single(addr);
    let below = single.before().and_then(|last| AddrRange::new(piece.first(), last));
    let above = single.after().and_then(|first| AddrRange::new(first, piece.last()));
    below.into_iter().chain(above).collect()
}
