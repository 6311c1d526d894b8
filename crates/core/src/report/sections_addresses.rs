//! What lies where: segments, uplinks, hosts, sets, groups and services.

use super::document::{Line, Part, Section, code, codes, text};
use super::network::Network;
use super::plain::mac_words;
use crate::analysis::Words;
use crate::policy::{Ipv6Mode, SegmentId, Wiring, Zone};

/// A place in the file.
pub(super) fn line_at(network: &Network<'_>, offset: u32) -> Line {
    text(network.source.line(offset).to_string())
}

fn wired(wiring: &Wiring) -> Line {
    match wiring {
        Wiring::Vlan { trunk, id } => vec![Part::Text(format!("VLAN {id} on ")), Part::Code(trunk.clone())],
        Wiring::Untagged => text("untagged"),
    }
}

pub(super) fn segments(network: &Network<'_>) -> Section {
    let mut routes = Vec::new();
    let rows = network.policy.segments.iter().map(|segment| {
        for route in &segment.routes {
            routes.push(vec![text(&segment.name), code(route.to), code(route.via)]);
        }
        let ipv6 = if segment.subnets.iter().any(|subnet| subnet.gateway.is_ipv6()) {
            match segment.ipv6 {
                Ipv6Mode::Slaac => "router advertisements",
                Ipv6Mode::Dhcpv6 => "DHCPv6",
                Ipv6Mode::None => "by hand",
            }
        } else {
            "none"
        };
        vec![
            vec![Part::Strong(segment.name.clone())],
            wired(&segment.wiring),
            code(&segment.device),
            codes(segment.subnets.iter().map(|subnet| subnet.network)),
            codes(segment.subnets.iter().map(|subnet| subnet.gateway)),
            text(ipv6),
            line_at(network, segment.span.start),
        ]
    });
    let rows = rows.collect();
    Section::new("segments", "Segments")
        .table(
            &["segment", "wiring", "interface", "subnets", "the box's address", "IPv6 addresses", "line"],
            rows,
            "There are none.",
        )
        .table(&["segment", "network behind it", "next hop"], routes, "")
}

pub(super) fn uplinks(network: &Network<'_>) -> Section {
    let rows = network.policy.uplinks.iter().map(|uplink| {
        let given = [(uplink.dhcp, "DHCP"), (uplink.ra, "router advertisements")];
        let mut addresses = codes(uplink.addresses.iter().map(|own| format!("{}/{}", own.addr, own.prefix_len)));
        for (_, how) in given.iter().filter(|(is, _)| *is) {
            if !addresses.is_empty() {
                addresses.push(Part::Text(", ".to_owned()));
            }
            addresses.push(Part::Text((*how).to_owned()));
        }
        vec![
            vec![Part::Strong(uplink.name.clone())],
            wired(&uplink.wiring),
            code(&uplink.device),
            addresses,
            codes(&uplink.gateways),
            text(if uplink.nat { "private IPv4 sources" } else { "no" }),
            line_at(network, uplink.span.start),
        ]
    });
    let rows = rows.collect();
    Section::new("uplinks", "Uplinks").table(
        &["uplink", "wiring", "interface", "addresses", "next hops", "masquerades", "line"],
        rows,
        "There are none: this network reaches no provider.",
    )
}

pub(super) fn hosts(network: &Network<'_>) -> Section {
    let rows = network.policy.hosts.iter().map(|host| {
        vec![
            vec![Part::Strong(host.name.clone())],
            text(&network.policy.segments[host.segment.index()].name),
            codes(&host.addresses),
            host.mac.map_or_else(Line::new, |mac| code(mac_words(mac))),
            line_at(network, host.span.start),
        ]
    });
    let rows = rows.collect();
    Section::new("hosts", "Hosts").table(&["host", "segment", "addresses", "hardware address", "line"], rows, "")
}

pub(super) fn sets(network: &Network<'_>, words: &Words<'_>) -> Section {
    let policy = network.policy;
    let zone = |zone: Zone| match zone {
        Zone::Segment(SegmentId(at)) => policy.segments[at as usize].name.clone(),
        Zone::Segments => "segments".to_owned(),
        Zone::Internet => "internet".to_owned(),
        Zone::Gateway => "gateway".to_owned(),
    };
    let name = |name: &String| vec![Part::Strong(name.clone())];
    let sets = policy.sets.iter().map(|set| {
        vec![name(&set.name), text(zone(set.zone)), codes(&set.addresses), line_at(network, set.span.start)]
    });
    let groups = policy.groups.iter().map(|group| {
        let members = group.members.iter().map(|end| words.end(end.zone, end.addresses.as_deref()));
        vec![name(&group.name), text(members.collect::<Vec<_>>().join(", ")), line_at(network, group.span.start)]
    });
    let services = policy.services.iter().map(|service| {
        let parts = service.services.iter().map(crate::policy::write_service);
        vec![name(&service.name), codes(parts), line_at(network, service.span.start)]
    });
    Section::new("names", "Sets, groups and services")
        .table(&["set", "zone", "addresses", "line"], sets.collect(), "")
        .table(&["group", "members", "line"], groups.collect(), "")
        .table(&["service", "stands for", "line"], services.collect(), "")
}
