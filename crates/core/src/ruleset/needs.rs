//! What segments and uplinks need from the box, and the box from them: accepted without being asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use segwall_packetset::{AddrRange, InterfaceId, PortRange, proto};

use super::lower::interface_of;
use super::model::{Dst, FlowBox, Need, Origin, Path, Rule, Ruleset, Side, When};
use crate::policy::{Ipv6Mode, Notify, Policy, Ports, SegmentDhcp, SegmentId, ServerRef, Service, Verdict};

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DHCPV6_CLIENT: u16 = 546;
const DHCPV6_SERVER: u16 = 547;
const DNS: u16 = 53;
const NTP: u16 = 123;

/// Router solicitation, neighbour solicitation, neighbour advertisement (RFC 4861).
pub const ND_FROM_SEGMENT: [u8; 3] = [133, 135, 136];
/// Router advertisement, neighbour solicitation, neighbour advertisement.
pub const ND_FROM_UPLINK: [u8; 3] = [134, 135, 136];
/// Query, report, done, version 2 report (RFC 2710, RFC 3810).
pub const MLD: [u8; 4] = [130, 131, 132, 143];

pub(super) fn needs(policy: &Policy, ruleset: &Ruleset) -> Vec<Rule> {
    let mut list = Vec::new();
    segment_needs(policy, ruleset, &mut list);
    uplink_needs(policy, ruleset, &mut list);
    output_needs(policy, ruleset, &mut list);
    list.retain(|rule| !rule.boxes.is_empty());
    list
}

fn rule(need: Need, firm: bool, untracked: bool, boxes: Vec<FlowBox>) -> Rule {
    Rule {
        verdict: Verdict::Accept,
        origin: Origin::Need(need),
        boxes,
        untracked,
        firm,
        log: false,
        limit: None,
        when: When::default(),
        span: None,
        line: 0,
        comment: None,
    }
}

fn port(proto: u8, port: u16) -> Service {
    Service { proto, ports: Ports::Range(PortRange::single(port)) }
}

fn icmp(proto: u8, kind: u8) -> Service {
    Service { proto, ports: Ports::Icmp { kind, code: None } }
}

fn to_box(input: Side, dst: Dst, services: &Arc<[Service]>) -> FlowBox {
    FlowBox { path: Path::Input { input }, src: None, dst, services: Some(services.clone()), translated: None }
}

fn from_box(output: Side, dst: Dst, services: &[Service]) -> FlowBox {
    FlowBox { path: Path::Output { output }, src: None, dst, services: Some(services.into()), translated: None }
}

fn only(range: AddrRange) -> Dst {
    Dst::Addresses([range].into())
}

fn broadcast() -> Dst {
    only(AddrRange::single(IpAddr::V4(Ipv4Addr::BROADCAST)))
}

fn multicast4() -> Dst {
    only(AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4))
}

fn dhcp_servers() -> Dst {
    only(AddrRange::single(IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2))))
}

/// Whether the box is among a segment's servers.
fn serves(dhcp: &SegmentDhcp, list: impl Fn(&SegmentDhcp) -> &Vec<ServerRef>) -> bool {
    list(dhcp).contains(&ServerRef::Gateway)
}

fn segment_needs(policy: &Policy, ruleset: &Ruleset, list: &mut Vec<Rule>) {
    let sides = |wanted: &dyn Fn(SegmentId) -> bool| -> Vec<Side> {
        let all = (0u32..).take(policy.segments.len()).map(SegmentId);
        let chosen: Vec<SegmentId> = all.filter(|id| wanted(*id)).collect();
        if !chosen.is_empty() && chosen.len() == policy.segments.len() {
            return vec![Side::Segments];
        }
        chosen.into_iter().map(|id| Side::One(interface_of(id))).collect()
    };
    let segment = |id: SegmentId| &policy.segments[id.index()];
    let boxes = |sides: Vec<Side>, dsts: &[Dst], services: &[Service]| -> Vec<FlowBox> {
        let services: Arc<[Service]> = services.into();
        sides.iter().flat_map(|side| dsts.iter().map(|dst| to_box(*side, dst.clone(), &services))).collect()
    };
    let ipv4 = |id: SegmentId| ruleset.interface(interface_of(id)).ipv4;
    let ipv6 = |id: SegmentId| ruleset.interface(interface_of(id)).ipv6;

    let dhcp = sides(&|id| ipv4(id) && segment(id).dhcp.as_ref().is_some_and(|dhcp| dhcp.pool.is_some()));
    list.push(rule(Need::Dhcp, true, false, boxes(dhcp, &[Dst::Own, broadcast()], &[port(proto::UDP, DHCP_SERVER)])));
    let dhcpv6 = sides(&|id| ipv6(id) && segment(id).ipv6 == Ipv6Mode::Dhcpv6);
    list.push(rule(
        Need::Dhcpv6,
        true,
        false,
        boxes(dhcpv6, &[Dst::Own, dhcp_servers()], &[port(proto::UDP, DHCPV6_SERVER)]),
    ));

    let dns = sides(&|id| segment(id).dhcp.as_ref().is_some_and(|dhcp| serves(dhcp, |dhcp| &dhcp.dns)));
    list.push(rule(Need::Dns, false, false, boxes(dns, &[Dst::Own], &[port(proto::UDP, DNS), port(proto::TCP, DNS)])));
    let ntp = sides(&|id| segment(id).dhcp.as_ref().is_some_and(|dhcp| serves(dhcp, |dhcp| &dhcp.ntp)));
    list.push(rule(Need::Ntp, false, false, boxes(ntp, &[Dst::Own], &[port(proto::UDP, NTP)])));
    let echo = [icmp(proto::ICMP, 8), icmp(proto::ICMPV6, 128)];
    list.push(rule(Need::Echo, false, false, boxes(sides(&|_| true), &[Dst::Own], &echo)));
    let igmp = [Service { proto: proto::IGMP, ports: Ports::All }];
    list.push(rule(Need::Igmp, false, false, boxes(sides(&ipv4), &[multicast4()], &igmp)));

    let nd = ND_FROM_SEGMENT.map(|kind| icmp(proto::ICMPV6, kind));
    list.push(rule(Need::NeighbourDiscovery, true, true, boxes(sides(&ipv6), &[Dst::Any], &nd)));
    let mld = MLD.map(|kind| icmp(proto::ICMPV6, kind));
    list.push(rule(Need::Mld, false, true, boxes(sides(&ipv6), &[Dst::Any], &mld)));
}

fn uplink_needs(policy: &Policy, ruleset: &Ruleset, list: &mut Vec<Rule>) {
    let Some((id, uplink)) = ruleset.uplink().zip(policy.uplinks.first()) else { return };
    let side = Side::One(id);
    if ruleset.interface(id).ipv6 {
        let nd: Vec<Service> = ND_FROM_UPLINK
            .iter()
            .filter(|kind| **kind != 134 || uplink.ra)
            .map(|kind| icmp(proto::ICMPV6, *kind))
            .collect();
        let (ra, nd): (Vec<Service>, Vec<Service>) =
            nd.into_iter().partition(|service| service.ports == Ports::Icmp { kind: 134, code: None });
        list.push(rule(Need::NeighbourDiscovery, true, true, vec![to_box(side, Dst::Any, &nd.into())]));
        if !ra.is_empty() {
            list.push(rule(Need::RouterAdvertisement, true, true, vec![to_box(side, Dst::Any, &ra.into())]));
        }
    }
    let mut replies = Vec::new();
    if uplink.dhcp {
        let services: Arc<[Service]> = [port(proto::UDP, DHCP_CLIENT)].into();
        replies.push(to_box(side, Dst::Own, &services));
        replies.push(to_box(side, broadcast(), &services));
    }
    if uplink.ra {
        // Replies come to the link-local address of the box, which nobody knows beforehand.
        let link_local = AddrRange::prefix(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10);
        replies.push(FlowBox {
            src: Some([link_local].into()),
            ..to_box(side, only(link_local), &[port(proto::UDP, DHCPV6_CLIENT)].into())
        });
    }
    list.push(rule(Need::UplinkDhcp, true, false, replies));
}

fn output_needs(policy: &Policy, ruleset: &Ruleset, list: &mut Vec<Rule>) {
    let icmpv6: Vec<Service> = (133..=137).chain(MLD).map(|kind| icmp(proto::ICMPV6, kind)).collect();
    list.push(rule(Need::NeighbourDiscovery, true, true, vec![from_box(Side::Any, Dst::Any, &icmpv6)]));
    if !policy.gateway.output_drop {
        let everything = FlowBox {
            path: Path::Output { output: Side::Any },
            src: None,
            dst: Dst::Any,
            services: None,
            translated: None,
        };
        list.push(rule(Need::Output, false, false, vec![everything]));
        return;
    }
    list.push(rule(Need::Configured, false, false, configured_output(policy, ruleset)));
}

/// With `output = "drop"`: replies of the DHCP server, and what resolver, NTP, remote log and notifiers send.
fn configured_output(policy: &Policy, ruleset: &Ruleset) -> Vec<FlowBox> {
    let mut boxes = Vec::new();
    let uplink: Option<InterfaceId> = ruleset.uplink();
    for (id, segment) in (0u32..).map(SegmentId).zip(&policy.segments) {
        let output = Side::One(interface_of(id));
        if segment.dhcp.as_ref().is_some_and(|dhcp| dhcp.pool.is_some()) {
            boxes.push(from_box(output, Dst::Any, &[port(proto::UDP, DHCP_CLIENT)]));
        }
        if segment.ipv6 == Ipv6Mode::Dhcpv6 && ruleset.interface(interface_of(id)).ipv6 {
            boxes.push(from_box(output, Dst::Any, &[port(proto::UDP, DHCPV6_CLIENT)]));
        }
        // The box serves time only if it may ask somebody for it.
        if segment.dhcp.as_ref().is_some_and(|dhcp| serves(dhcp, |dhcp| &dhcp.ntp))
            && let Some(uplink) = uplink
        {
            boxes.push(from_box(Side::One(uplink), Dst::Any, &[port(proto::UDP, NTP)]));
        }
    }
    if let Some((uplink, written)) = uplink.zip(policy.uplinks.first()) {
        if written.dhcp {
            boxes.push(from_box(Side::One(uplink), Dst::Any, &[port(proto::UDP, DHCP_SERVER)]));
        }
        if written.ra {
            boxes.push(from_box(Side::One(uplink), Dst::Any, &[port(proto::UDP, DHCPV6_SERVER)]));
        }
    }
    for addr in &policy.dns.upstream {
        let services = [port(proto::UDP, DNS), port(proto::TCP, DNS)];
        boxes.push(from_box(Side::Any, only(AddrRange::single(*addr)), &services));
    }
    if let Some(remote) = &policy.log.remote {
        let proto = if remote.scheme == "udp" { proto::UDP } else { proto::TCP };
        boxes.push(from_box(Side::Any, host_dst(&remote.host), &[port(proto, remote.port)]));
    }
    for notify in &policy.notify {
        let url = match notify {
            Notify::Email { smtp, .. } => smtp,
            Notify::Webhook(url) | Notify::Syslog(url) => url,
            Notify::Command(_) => continue,
        };
        if let Some((proto, host, number)) = url_target(url) {
            boxes.push(from_box(Side::Any, host_dst(host), &[port(proto, number)]));
        }
    }
    boxes
}

/// An address where the text is one; a name may be any address.
fn host_dst(host: &str) -> Dst {
    host.trim_matches(['[', ']']).parse().map_or(Dst::Any, |addr| only(AddrRange::single(addr)))
}

/// Protocol, host and port of a URL that a notifier was given.
fn url_target(url: &str) -> Option<(u8, &str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_port = authority.rsplit('@').next()?;
    let (proto, default) = match scheme {
        "http" => (proto::TCP, 80),
        "https" => (proto::TCP, 443),
        "smtp" => (proto::TCP, 587),
        "smtps" => (proto::TCP, 465),
        "udp" => (proto::UDP, 514),
        "tcp" => (proto::TCP, 514),
        "tls" => (proto::TCP, 6514),
        _ => return None,
    };
    let (host, number) = match host_port.rsplit_once(':') {
        Some((host, number)) if !number.contains(']') => (host, number.parse().ok()?),
        _ => (host_port, default),
    };
    Some((proto, host, number))
}
