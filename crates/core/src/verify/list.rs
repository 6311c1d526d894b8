//! What to try: every named host, every address of the box and a host without a name in every segment, on every service
//! that the policy names and a few that it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::{Family, Flow, Header, Place, proto};

use super::{Expected, Kind, List, PROBES_MAX, Probe, VERSION};
use crate::policy::{Policy, Ports, Segment, Verdict};
use crate::ruleset::{At, Ruleset};

/// Tried whether or not a rule names them: what people leave open.
const ALWAYS: [(Kind, u16); 8] = [
    (Kind::Tcp, 22),
    (Kind::Tcp, 23),
    (Kind::Tcp, 53),
    (Kind::Tcp, 80),
    (Kind::Tcp, 443),
    (Kind::Tcp, 445),
    (Kind::Tcp, 3389),
    (Kind::Udp, 53),
];
/// All that strangers on the internet are asked: what the box itself asks of them, and what everybody opens.
const OF_STRANGERS: [(Kind, Option<u16>); 4] =
    [(Kind::Tcp, Some(53)), (Kind::Udp, Some(53)), (Kind::Tcp, Some(443)), (Kind::Ping, None)];
/// A source port as clients take it; no rule speaks of it.
const CLIENT_PORT: u16 = 50_000;
const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;

/// An address of a segment that no rule treats in a way of its own, for a host that will be given one.
#[must_use]
pub fn default_source(policy: &Policy, segment: &Segment) -> Option<IpAddr> {
    let pool = segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool);
    let ranges = pool.into_iter().chain(segment.subnets.iter().map(|subnet| subnet.network));
    ranges
        .flat_map(|range| (1..range.len().min(256)).filter_map(move |at| range.nth(at)))
        .find(|addr| is_nobody(policy, *addr))
}

/// Whether an address is neither the box's nor anybody's with a name.
fn is_nobody(policy: &Policy, addr: IpAddr) -> bool {
    let named = policy.hosts.iter().any(|host| host.addresses.contains(&addr));
    let of_set = policy.sets.iter().flat_map(|set| &set.addresses).any(|range| range.contains(addr));
    let of_box = policy.segments.iter().flat_map(|segment| &segment.subnets).any(|subnet| subnet.gateway == addr);
    !named && !of_set && !of_box
}

/// What a host at this address of a segment is to try. `generation` is the one it is made from.
#[must_use]
pub fn list(
    policy: &Policy,
    ruleset: &Ruleset,
    segment: &Segment,
    source: IpAddr,
    at: At,
    generation: Option<u64>,
) -> List {
    let mut probes = Vec::new();
    let input = ruleset.route(source);
    let services = services(policy);
    for (addr, zone) in targets(policy, segment, source) {
        let output = ruleset.route(addr);
        // What stays on the wire never passes the box, and it does not route to itself.
        if output == input || Family::of(addr) != Family::of(source) {
            continue;
        }
        let is_stranger = matches!(output, Place::Interface(id) if !ruleset.is_segment(id));
        for (kind, port) in services.iter().filter(|service| !is_stranger || OF_STRANGERS.contains(service)) {
            let (number, header) = header(*kind, *port, addr);
            let flow = Flow { input, output, proto: number, src: source, dst: addr, header, sent: None };
            let decision = ruleset.eval(&flow, at);
            // Within a limit it may be either.
            if decision.limited {
                continue;
            }
            let expected = match decision.verdict {
                Verdict::Accept => Expected::Accept,
                Verdict::Drop => Expected::Drop,
                Verdict::Reject => Expected::Reject,
            };
            let answers = output == Place::Gateway && *kind != Kind::Udp;
            probes.push(Probe { kind: *kind, to: addr, port: *port, zone: zone.clone(), expected, answers });
        }
    }
    probes.truncate(PROBES_MAX);
    let dhcp_server = segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool).and_then(|pool| {
        let subnet = segment.subnets.iter().find(|subnet| subnet.network.covers(&pool))?;
        match subnet.gateway {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        }
    });
    List { version: VERSION, segment: segment.name.clone(), source, generation, dhcp_server, probes }
}

fn header(kind: Kind, port: Option<u16>, to: IpAddr) -> (u8, Header) {
    let ports = Header::Ports { sport: CLIENT_PORT, dport: port.unwrap_or_default() };
    match (kind, to) {
        (Kind::Tcp, _) => (proto::TCP, ports),
        (Kind::Udp, _) => (proto::UDP, ports),
        (Kind::Ping, IpAddr::V4(_)) => (proto::ICMP, Header::Icmp { kind: ECHO_V4, code: 0 }),
        (Kind::Ping, IpAddr::V6(_)) => (proto::ICMPV6, Header::Icmp { kind: ECHO_V6, code: 0 }),
    }
}

/// Addresses to try, with their zones: the box's in every segment, named hosts, and a host without a name.
fn targets(policy: &Policy, from: &Segment, source: IpAddr) -> BTreeMap<IpAddr, String> {
    let mut targets = BTreeMap::new();
    for segment in &policy.segments {
        for subnet in &segment.subnets {
            targets.insert(subnet.gateway, "gateway".to_owned());
        }
        if segment.name != from.name {
            targets.extend(default_source(policy, segment).map(|addr| (addr, segment.name.clone())));
        }
    }
    for host in &policy.hosts {
        let zone = &policy.segments[host.segment.index()].name;
        targets.extend(host.addresses.iter().map(|addr| (*addr, zone.clone())));
    }
    for addr in &policy.dns.upstream {
        targets.entry(*addr).or_insert_with(|| "internet".to_owned());
    }
    targets.remove(&source);
    targets
}

/// Single ports that rules name, and what is always tried.
fn services(policy: &Policy) -> BTreeSet<(Kind, Option<u16>)> {
    let mut services: BTreeSet<(Kind, Option<u16>)> = ALWAYS.map(|(kind, port)| (kind, Some(port))).into();
    services.insert((Kind::Ping, None));
    for service in policy.rules.iter().filter_map(|rule| rule.services.as_ref()).flatten() {
        let Ports::Range(range) = service.ports else { continue };
        let kind = match service.proto {
            proto::TCP => Kind::Tcp,
            proto::UDP => Kind::Udp,
            _ => continue,
        };
        services.extend([range.first, range.last].map(|port| (kind, Some(port))));
    }
    services
}
