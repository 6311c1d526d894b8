//! Wires a topology: namespaces, interfaces, addresses, routes, sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use segwall_core::policy::Wiring;
use segwall_core::ruleset::Ruleset;
use segwall_host::local;
use segwall_host::netns::Netns;
use segwall_host::rtnl::{Change, Rtnl, VethEnd};
use segwall_packetset::{AddrRange, Family};

use crate::error::LabError;
use crate::settings;
use crate::shell::zone_prefixes;
use crate::topology::Topology;

/// How long the kernel may take until it receives for an address it was given, and between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);

/// Name of a host's interface.
pub const HOST_DEVICE: &str = "eth0";

/// What the hosts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Packet sockets: hosts without addresses, whose stacks never answer.
    Probes,
    /// People: hosts with addresses and routes.
    Shell,
}

/// The wired network. It is gone when this is, or when the process is.
#[derive(Debug)]
pub struct Network {
    /// The gateway's namespace.
    pub gateway: Netns,
    /// The hosts' namespaces, in the topology's order.
    pub hosts: Vec<Netns>,
    /// Index of each of the gateway's interfaces, in the topology's order.
    pub gateway_links: Vec<u32>,
    /// Index of each host's interface.
    pub host_links: Vec<u32>,
    /// Whether tagged segments run over real VLAN devices.
    pub real_vlans: bool,
    /// The far ends of trunks, when there are any.
    _switch: Option<Netns>,
}

/// Builds everything but the ruleset; the gateway's interfaces stay down.
///
/// # Errors
/// When the kernel refuses a step.
pub fn wire(topology: &Topology, purpose: Purpose) -> Result<Network, LabError> {
    let gateway = Netns::create()?;
    gateway.run(settings::gateway)??;
    let mut hosts = Vec::with_capacity(topology.hosts.len());
    for _ in &topology.hosts {
        let host = Netns::create()?;
        host.run(|| match purpose {
            Purpose::Probes => settings::silent_host(),
            Purpose::Shell => settings::shell_host(),
        })??;
        hosts.push(host);
    }
    let mut base = Rtnl::open()?;
    let here = Netns::current()?;
    let tagged = topology.hosts.iter().any(|host| matches!(host.wiring, Wiring::Vlan { .. }));
    let real_vlans = tagged && base.has_vlan(here.as_fd())?;
    let switch = if real_vlans { Some(Netns::create()?) } else { None };
    let mut gateway_rtnl = gateway.run(Rtnl::open)??;
    match &switch {
        Some(switch) => wire_trunks(topology, &gateway, &hosts, switch, &mut base, &mut gateway_rtnl)?,
        None => {
            let pairs: Vec<Change<'_>> = topology
                .hosts
                .iter()
                .zip(&hosts)
                .map(|(host, netns)| veth(&host.device, host.gateway_mac, &gateway, host.mac, netns.as_fd()))
                .collect();
            base.apply(&pairs)?;
        }
    }
    let links = gateway_rtnl.links()?;
    let missing = |name: &str| LabError::Missing { device: name.to_owned() };
    let mut gateway_links = Vec::with_capacity(hosts.len());
    let mut host_links = Vec::with_capacity(hosts.len());
    for (host, netns) in topology.hosts.iter().zip(&hosts) {
        gateway_links.push(links.get(&host.device).ok_or_else(|| missing(&host.device))?.index);
        let mut rtnl = netns.run(Rtnl::open)??;
        let inside = rtnl.links()?;
        let link = inside.get(HOST_DEVICE).ok_or_else(|| missing(HOST_DEVICE))?.index;
        // The gateway's side stays down; a packet socket wants an interface that is up.
        rtnl.apply(&[Change::UpWithoutNeighbours(link)])?;
        host_links.push(link);
    }
    Ok(Network { gateway, hosts, gateway_links, host_links, real_vlans, _switch: switch })
}

fn veth<'a>(device: &str, gateway_mac: [u8; 6], gateway: &'a Netns, mac: [u8; 6], netns: BorrowedFd<'a>) -> Change<'a> {
    Change::Veth(
        VethEnd { name: device.to_owned(), mac: gateway_mac, netns: gateway.as_fd() },
        VethEnd { name: HOST_DEVICE.to_owned(), mac, netns },
    )
}

/// With 8021q: one wire for each trunk, its far end in a namespace that stands for the switch, and a VLAN device at
/// both ends of it for each tagged segment. A segment that is untagged on a trunk has the trunk's far end itself.
fn wire_trunks(
    topology: &Topology,
    gateway: &Netns,
    hosts: &[Netns],
    switch: &Netns,
    base: &mut Rtnl,
    gateway_rtnl: &mut Rtnl,
) -> Result<(), LabError> {
    let mut trunks: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wires = Vec::new();
    for (host, netns) in topology.hosts.iter().zip(hosts) {
        match &host.wiring {
            Wiring::Vlan { trunk, .. } => {
                let next = trunks.len();
                trunks.entry(trunk).or_insert(next);
            }
            Wiring::Untagged => wires.push(veth(&host.device, host.gateway_mac, gateway, host.mac, netns.as_fd())),
        }
    }
    // A trunk that is a segment's or uplink's own interface too: its far end is that host's.
    let far_host = |trunk: &str| topology.hosts.iter().position(|host| host.device == trunk);
    for (trunk, number) in &trunks {
        if far_host(trunk).is_none() {
            let last = u8::try_from(number % 0xff).expect("below 255");
            wires.push(Change::Veth(
                VethEnd { name: (*trunk).to_owned(), mac: [2, 0x53, 0x57, 3, 0, last], netns: gateway.as_fd() },
                VethEnd { name: format!("trunk{number}"), mac: [2, 0x53, 0x57, 4, 0, last], netns: switch.as_fd() },
            ));
        }
    }
    base.apply(&wires)?;
    let mut far: BTreeMap<&str, (Rtnl, u32)> = BTreeMap::new();
    for (trunk, number) in &trunks {
        let (netns, name) = match far_host(trunk) {
            Some(at) => (&hosts[at], HOST_DEVICE.to_owned()),
            None => (switch, format!("trunk{number}")),
        };
        let mut rtnl = netns.run(Rtnl::open)??;
        let missing = || LabError::Missing { device: name.clone() };
        let link = rtnl.links()?.get(&name).ok_or_else(missing)?.index;
        rtnl.apply(&[Change::Up(link)])?;
        far.insert(trunk, (rtnl, link));
    }
    let near = gateway_rtnl.links()?;
    let mut near_vlans = Vec::new();
    for (host, netns) in topology.hosts.iter().zip(hosts) {
        let Wiring::Vlan { trunk, id } = &host.wiring else { continue };
        let missing = || LabError::Missing { device: trunk.clone() };
        let parent = near.get(trunk).ok_or_else(missing)?.index;
        near_vlans.push(Change::Vlan {
            name: host.device.clone(),
            parent,
            id: *id,
            mac: host.gateway_mac,
            netns: None,
        });
        let (rtnl, link) = far.get_mut(trunk.as_str()).ok_or_else(missing)?;
        rtnl.apply(&[Change::Vlan {
            name: HOST_DEVICE.to_owned(),
            parent: *link,
            id: *id,
            mac: host.mac,
            netns: Some(netns.as_fd()),
        }])?;
    }
    // A VLAN comes up only above an interface that is up.
    let mut up: Vec<Change<'_>> = Vec::new();
    for trunk in trunks.keys() {
        up.extend(near.get(*trunk).map(|link| Change::Up(link.index)));
    }
    gateway_rtnl.apply(&up)?;
    gateway_rtnl.apply(&near_vlans)?;
    Ok(())
}

/// Switches the gateway's interfaces on, and gives them addresses and routes: the last step, after the ruleset is loaded.
///
/// # Errors
/// When the kernel refuses a step.
pub fn switch_on(topology: &Topology, network: &Network, purpose: Purpose) -> Result<(), LabError> {
    if purpose == Purpose::Shell {
        for (at, netns) in network.hosts.iter().enumerate() {
            let mut rtnl = netns.run(Rtnl::open)??;
            rtnl.apply(&host_changes(topology, at, network.host_links[at]))?;
            let lo = rtnl.links()?.get("lo").map(|link| Change::Up(link.index));
            rtnl.apply(lo.as_slice())?;
        }
    }
    let mut rtnl = network.gateway.run(Rtnl::open)??;
    let lo = rtnl.links()?.get("lo").map(|link| Change::Up(link.index));
    rtnl.apply(lo.as_slice())?;
    let mut changes = Vec::new();
    for (host, link) in topology.hosts.iter().zip(&network.gateway_links) {
        changes.push(Change::UpWithoutNeighbours(*link));
        for (addr, prefix_len) in &host.gateway_addresses {
            changes.push(Change::Address { link: *link, addr: *addr, prefix_len: *prefix_len });
        }
    }
    for (host, link) in topology.hosts.iter().zip(&network.gateway_links) {
        for (to, via) in &host.routes {
            changes.push(route(*to, Some(*via), *link));
        }
        for hop in &host.next_hops {
            changes.push(route(AddrRange::all(Family::of(*hop)), Some(*hop), *link));
        }
    }
    rtnl.apply(&changes)?;
    await_addresses(topology, network)
}

/// IPv6 addresses become the gateway's own a moment after they are given.
fn await_addresses(topology: &Topology, network: &Network) -> Result<(), LabError> {
    let own: Vec<IpAddr> =
        topology.hosts.iter().flat_map(|host| host.gateway_addresses.iter().map(|(addr, _)| *addr)).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting = network.gateway.run(|| local::not_yet(&own))?;
        match waiting.first() {
            None => return Ok(()),
            Some(addr) if Instant::now() > deadline => return Err(LabError::Address { addr: *addr }),
            Some(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn route<'a>(to: AddrRange, via: Option<IpAddr>, link: u32) -> Change<'a> {
    Change::Route { to: to.first(), prefix_len: to.prefix_len().expect("routes are prefixes"), via, link }
}

/// Makes every host answer for all addresses of its zone.
///
/// # Errors
/// When the kernel refuses a step.
pub fn answer_for_zones(topology: &Topology, ruleset: &Ruleset, network: &Network) -> Result<(), LabError> {
    for (id, netns) in topology.ids().zip(&network.hosts) {
        let link = network.host_links[id.index()];
        let own =
            |range: &AddrRange| topology.host(id).addresses.iter().any(|(addr, _)| AddrRange::single(*addr) == *range);
        let changes: Vec<Change<'_>> = zone_prefixes(topology, ruleset, id)
            .into_iter()
            .filter(|range| !own(range))
            .map(|range| Change::LocalRoute {
                to: range.first(),
                prefix_len: range.prefix_len().expect("cut into prefixes"),
                link,
            })
            .collect();
        netns.run(Rtnl::open)??.apply(&changes)?;
    }
    Ok(())
}

/// Addresses and default routes of a host that a person uses.
fn host_changes<'a>(topology: &Topology, at: usize, link: u32) -> Vec<Change<'a>> {
    let host = &topology.hosts[at];
    let mut changes: Vec<Change<'a>> = host
        .addresses
        .iter()
        .map(|(addr, prefix_len)| Change::Address { link, addr: *addr, prefix_len: *prefix_len })
        .collect();
    for family in Family::BOTH {
        if let (Some(_), Some(gateway)) = (host.address(family), host.gateway_address(family)) {
            changes.push(route(AddrRange::all(family), Some(gateway), link));
        }
    }
    changes
}
