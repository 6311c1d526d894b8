//! Random small policies, as values.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, Family, PortRange, proto};

use super::Dice;
use super::ends::{Allowed, Places, forward_from, random_ends};
use crate::policy::*;
use crate::source::{Source, Span};

const NAMES: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"];

/// A policy of two to five segments that the checker accepts. `choose(bound)` gives a number below `bound`.
pub fn random_policy(choose: &mut impl FnMut(u64) -> u64) -> Policy {
    let dice = &mut Dice(choose);
    let uplink = random_uplink(dice);
    let count = 2 + dice.below(4);
    let mut segments: Vec<Segment> = (0..count).map(|at| random_segment(dice, at)).collect();
    let hosts = random_hosts(dice, &segments);
    for (at, segment) in segments.iter_mut().enumerate() {
        segment.dhcp = random_dhcp(dice, segment, at, &hosts);
    }
    let places = Places { segments: &segments, uplink: uplink.as_ref(), hosts: &hosts };
    // Rules and forwards share the file's lines: each takes the next one.
    let mut line = 0;
    let mut rules = Vec::new();
    let mut forwards = Vec::new();
    let mut free_ports = 0;
    for _ in 0..2 + dice.below(9) {
        if dice.one_in(6)
            && let Some(forward) = random_forward(dice, &places, free_ports, Span { start: line, end: line })
        {
            free_ports += 1;
            forwards.push(forward);
        } else {
            rules.push(random_rule(dice, &places, Span { start: line, end: line }));
        }
        line += 1;
    }
    let expects = (0..dice.below(3)).map(|at| random_expect(dice, &places, line + at as u32)).collect();
    Policy {
        gateway: Gateway {
            trunk: Some("eth0".to_owned()),
            management: Vec::new(),
            timezone: Some(TimeZone::get(ZONES[dice.below(ZONES.len())]).expect("in the bundled zones")),
            ssh_port: 22,
            output_drop: dice.one_in(4),
        },
        uplinks: uplink.into_iter().collect(),
        quarantine: random_quarantine(&hosts),
        hosts,
        segments,
        sets: Vec::new(),
        groups: Vec::new(),
        services: Vec::new(),
        rules,
        forwards,
        expects,
        dns: Dns { upstream: if dice.one_in(2) { vec![ip("9.9.9.9")] } else { Vec::new() } },
        dhcp: DhcpServer { kind: DhcpKind::Dnsmasq, lease_s: 600 },
        log: Log {
            drops: Limit { rate: 20, per: TimeUnit::Second, burst: 20, by_source: false },
            remote: dice.one_in(4).then(|| RemoteLog {
                scheme: (*dice.of(&["udp", "tcp", "tls"])).to_owned(),
                host: (*dice.of(&["198.51.100.7", "logs.example.org"])).to_owned(),
                port: 6514,
            }),
            tls: LogTls::default(),
        },
        alerts: Alerts::default(),
        silences: Vec::new(),
        notify: if dice.one_in(4) {
            vec![Notify::Webhook("https://198.51.100.7:8443/hook".to_owned())]
        } else {
            Vec::new()
        },
    }
}

/// A text for [`crate::ruleset::lower`] in which rule number `n` of the file has line `n + 1`.
#[must_use]
pub fn source_of(policy: &Policy) -> Source {
    Source::new("random.toml", "\n".repeat(policy.rules.len() + policy.forwards.len() + policy.expects.len() + 1))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("made by this file")
}

/// Every other policy with a host lets quarantined ones reach it; no dice, so that older seeds make what they made.
fn random_quarantine(hosts: &[Host]) -> Quarantine {
    let allowed = hosts.first().filter(|_| hosts.len() % 2 == 1);
    Quarantine { allow: allowed.iter().flat_map(|host| &host.addresses).copied().map(AddrRange::single).collect() }
}

fn subnet(network: &str, gateway: &str) -> Subnet {
    Subnet { network: network.parse().expect("made by this file"), gateway: ip(gateway), span: Span::default() }
}

fn random_uplink(dice: &mut Dice) -> Option<Uplink> {
    let static4 = InterfaceAddress { addr: ip("203.0.113.2"), prefix_len: 24 };
    let static6 = InterfaceAddress { addr: ip("2001:db8:ffff::2"), prefix_len: 64 };
    let (addresses, dhcp, ra) = match dice.below(7) {
        0 => (vec![static4], false, false),
        1 | 2 => (vec![static4, static6], false, false),
        3 => (Vec::new(), true, false),
        4 => (Vec::new(), true, true),
        5 => (vec![static4], false, true),
        _ => return None,
    };
    let gateways = addresses.iter().map(|a| ip(if a.addr.is_ipv4() { "203.0.113.1" } else { "2001:db8:ffff::1" }));
    Some(Uplink {
        name: "wan".to_owned(),
        device: "eth1".to_owned(),
        wiring: Wiring::Untagged,
        managed: true,
        gateways: gateways.collect(),
        addresses,
        dhcp,
        ra,
        nat: !dice.one_in(4),
        span: Span::default(),
    })
}

fn random_segment(dice: &mut Dice, at: usize) -> Segment {
    let n = at + 1;
    let kind = dice.below(6);
    let (v4, v6) = (kind != 5, kind >= 2);
    let mut subnets = Vec::new();
    if v4 {
        subnets.push(subnet(&format!("10.{n}.0.0/24"), &format!("10.{n}.0.1")));
        if dice.one_in(3) {
            subnets.push(subnet(&format!("10.{n}.4.0/28"), &format!("10.{n}.4.14")));
        }
    }
    if v6 {
        subnets.push(subnet(&format!("fd00:{n}::/64"), &format!("fd00:{n}::1")));
        if dice.one_in(4) {
            subnets.push(subnet(&format!("fd00:{n}:0:4::/64"), &format!("fd00:{n}:0:4::1")));
        }
    }
    let mut routes = Vec::new();
    let mut route = |to: String, via: String| {
        routes.push(Route { to: to.parse().expect("made here"), via: ip(&via), span: Span::default() });
    };
    if v4 && dice.one_in(3) {
        route(format!("172.{}.0.0/16", 16 + n), format!("10.{n}.0.2"));
    }
    if v6 && dice.one_in(4) {
        route(format!("fd00:{n}:f000::/52"), format!("fd00:{n}::2"));
    }
    let vlan = u16::try_from(10 * n).expect("a handful");
    Segment {
        learning: None,
        name: NAMES[at].to_owned(),
        device: format!("eth0.{vlan}"),
        wiring: Wiring::Vlan { trunk: "eth0".to_owned(), id: vlan },
        managed: true,
        subnets,
        routes,
        ipv6: match (v6, dice.below(3)) {
            (true, 0) => Ipv6Mode::Slaac,
            (true, 1) => Ipv6Mode::Dhcpv6,
            _ => Ipv6Mode::None,
        },
        dhcp: None,
        span: Span::default(),
    }
}

fn random_dhcp(dice: &mut Dice, segment: &Segment, at: usize, hosts: &[Host]) -> Option<SegmentDhcp> {
    let n = at + 1;
    let v4 = segment.subnets.iter().any(|subnet| subnet.network.family() == Family::V4);
    if !v4 || !dice.one_in(2) {
        return None;
    }
    let pool = format!("10.{n}.0.100-10.{n}.0.200").parse().expect("made by this file");
    let dns = match dice.below(4) {
        0 => Vec::new(),
        1 => vec![ServerRef::Gateway],
        2 => vec![ServerRef::Addresses(vec![ip("9.9.9.9")])],
        _ => hosts
            .iter()
            .flat_map(|host| host.addresses.iter())
            .filter(|addr| addr.is_ipv4())
            .take(1)
            .map(|addr| ServerRef::Addresses(vec![*addr]))
            .collect(),
    };
    Some(SegmentDhcp {
        pool: Some(pool),
        dns,
        dns_span: Span::default(),
        ntp: if dice.one_in(2) { vec![ServerRef::Gateway] } else { Vec::new() },
        ntp_span: Span::default(),
        domain: None,
        options: BTreeMap::new(),
        lease_s: None,
        span: Span::default(),
    })
}

fn random_hosts(dice: &mut Dice, segments: &[Segment]) -> Vec<Host> {
    (0..dice.below(4))
        .map(|at| {
            let place = dice.below(segments.len());
            let mut addresses = Vec::new();
            for family in Family::BOTH {
                let network = segments[place].subnets.iter().find(|subnet| subnet.network.family() == family);
                if let Some(subnet) = network
                    && (addresses.is_empty() || dice.one_in(2))
                {
                    addresses.push(subnet.network.nth(9 + at as u128).expect("subnets have 16 addresses"));
                }
            }
            Host {
                name: format!("host{at}"),
                segment: SegmentId(u32::try_from(place).expect("a handful")),
                addresses,
                mac: None,
                span: Span::default(),
            }
        })
        .collect()
}

/// Nothing, or one to three services around few ports, so that rules meet.
fn random_services(dice: &mut Dice) -> Option<Vec<Service>> {
    let range = |first, last| Ports::Range(PortRange { first, last });
    let choices = [
        (proto::TCP, range(80, 80)),
        (proto::TCP, range(443, 443)),
        (proto::TCP, range(22, 22)),
        (proto::UDP, range(53, 53)),
        (proto::TCP, range(8000, 8100)),
        (proto::TCP, range(80, 443)),
        (proto::TCP, Ports::All),
        (proto::UDP, Ports::All),
        (proto::UDP, range(67, 68)),
        (proto::ICMP, Ports::Icmp { kind: 8, code: None }),
        (proto::ICMPV6, Ports::Icmp { kind: 128, code: None }),
        (proto::ICMP, Ports::All),
        (proto::ICMPV6, Ports::All),
        (proto::ESP, Ports::All),
        (proto::SCTP, range(5000, 5000)),
        (proto::IGMP, Ports::All),
        (proto::ICMP, Ports::Icmp { kind: 13, code: Some(0) }),
        (proto::TCP, range(1, 65535)),
    ];
    if dice.one_in(4) {
        return None;
    }
    let mut services: Vec<Service> = Vec::new();
    for _ in 0..=dice.below(3) {
        let (proto, ports) = *dice.of(&choices);
        if !services.contains(&Service { proto, ports }) {
            services.push(Service { proto, ports });
        }
    }
    Some(services)
}

fn random_schedule(dice: &mut Dice) -> Schedule {
    let mut days: [bool; 7] = std::array::from_fn(|_| dice.one_in(2));
    if days == [false; 7] {
        days[0] = true;
    }
    let (from_minute, to_minute) =
        *dice.of(&[(8 * 60, 18 * 60), (22 * 60, 6 * 60), (0, 1440), (12 * 60 + 30, 12 * 60 + 31)]);
    Schedule { days, from_minute, to_minute }
}

fn random_rule(dice: &mut Dice, places: &Places, span: Span) -> Rule {
    let verdict = *dice.of(&[Verdict::Accept, Verdict::Accept, Verdict::Accept, Verdict::Drop, Verdict::Reject]);
    let to = random_ends(dice, places, Allowed { gateway: true, any: true });
    let to_gateway = to.iter().any(|end| end.zone == Zone::Gateway);
    let from = random_ends(dice, places, Allowed { gateway: !to_gateway, any: !to_gateway });
    let limit = (verdict == Verdict::Accept && dice.one_in(5)).then(|| Limit {
        rate: 5,
        per: TimeUnit::Second,
        burst: 5,
        by_source: dice.one_in(2),
    });
    Rule {
        verdict,
        from,
        to,
        services: random_services(dice),
        log: dice.one_in(4),
        limit,
        schedule: dice.one_in(6).then(|| random_schedule(dice)),
        learning: false,
        expires: dice.one_in(8).then(|| *dice.of(&[date(2026, 12, 31), date(2027, 3, 27), date(2030, 1, 1)])),
        comment: None,
        span,
    }
}

fn random_forward(dice: &mut Dice, places: &Places, number: usize, span: Span) -> Option<Forward> {
    let range = |proto, first, last| Service { proto, ports: Ports::Range(PortRange { first, last }) };
    // Never two forwards for one port.
    let (ports, to_port) = match number {
        0 => (vec![range(proto::TCP, 443, 443)], None),
        1 => (vec![range(proto::TCP, 8080, 8080), range(proto::UDP, 8080, 8080)], Some(80)),
        2 => (vec![range(proto::UDP, 5000, 5010)], None),
        _ => return None,
    };
    let uplink = places.uplink?;
    let host = if places.hosts.is_empty() { return None } else { dice.of(places.hosts) };
    let carries = |family| match family {
        Family::V4 => uplink.dhcp || uplink.addresses.iter().any(|address| address.addr.is_ipv4()),
        Family::V6 => uplink.ra || uplink.addresses.iter().any(|address| address.addr.is_ipv6()),
    };
    let to: Vec<IpAddr> = host.addresses.iter().copied().filter(|addr| carries(Family::of(*addr))).collect();
    if to.is_empty() {
        return None;
    }
    Some(Forward {
        ports,
        from: forward_from(dice),
        segment: host.segment,
        to,
        to_port,
        hairpin: dice.one_in(2),
        log: dice.one_in(4),
        comment: None,
        span,
    })
}

fn random_expect(dice: &mut Dice, places: &Places, line: u32) -> Expect {
    let to = random_ends(dice, places, Allowed { gateway: true, any: false });
    let to_gateway = to.iter().any(|end| end.zone == Zone::Gateway);
    Expect {
        from: random_ends(dice, places, Allowed { gateway: !to_gateway, any: false }),
        to,
        services: random_services(dice),
        verdict: *dice.of(&[Verdict::Accept, Verdict::Drop]),
        span: Span { start: line, end: line },
    }
}
