//! `[segments.NAME]`, but for DHCP, which needs the hosts.

use std::net::IpAddr;

use jiff::civil::Date;
use segwall_packetset::{AddrRange, Family};
use toml::de::DeValue;

use super::codes;
use super::faults::Faults;
use super::keys;
use super::learning;
use super::literals::{address, network, special};
use super::model::{Ipv6Mode, Route, Segment, Subnet, Wiring};
use super::networks::reserved;
use super::reader::{Entry, Table, Text, span_of, tables_of, texts_of};
use super::wiring::{self, Port};
use crate::diag::Diagnostic;
use crate::source::Span;

/// A segment that was read.
pub(super) struct ReadSegment<'d> {
    pub segment: Segment,
    pub table: Option<Table<'d>>,
    pub port: Option<Port<'d>>,
    /// Whether all of its networks could be read.
    pub networks_whole: bool,
}

pub(super) fn read<'d>(
    entry: &Entry<'d>,
    trunk: Option<&'d str>,
    today: Date,
    faults: &mut Faults<'_>,
) -> ReadSegment<'d> {
    let name = entry.name;
    let mut segment = Segment {
        name: name.text.to_owned(),
        device: String::new(),
        wiring: Wiring::Untagged,
        managed: true,
        subnets: Vec::new(),
        routes: Vec::new(),
        ipv6: Ipv6Mode::None,
        dhcp: None,
        learning: None,
        span: name.span,
    };
    let Some(table) = Table::of(entry.value, name.text, &keys::SEGMENT, faults) else {
        return ReadSegment { segment, table: None, port: None, networks_whole: false };
    };
    let port = wiring::read(&table, name, trunk, faults);
    if let Some(port) = &port {
        segment.device.clone_from(&port.device);
        segment.wiring = port.wiring.clone();
        segment.managed = port.managed;
    }
    let (networks, mut networks_whole) = subnets(&table, faults);
    segment.subnets = with_gateways(&table, name, networks, networks_whole, faults);
    match routes(&table, &segment.subnets, networks_whole, faults) {
        Some(routes) => segment.routes = routes,
        None => networks_whole = false,
    }
    segment.learning = learning::read(&table, name.text, today, faults);
    segment.ipv6 = ipv6_mode(&table, name, &segment.subnets, networks_whole, faults);
    ReadSegment { segment, table: Some(table), port, networks_whole }
}

/// The networks of `subnets`, and whether they are all of them.
fn subnets(table: &Table<'_>, faults: &mut Faults<'_>) -> (Vec<(AddrRange, Span)>, bool) {
    let help = "such as subnets = [\"192.168.10.0/24\", \"fd00:10::/64\"]";
    let value = table.require("subnets", help, faults);
    let texts = value.and_then(|value| texts_of(value, "subnets", "a network such as \"192.168.10.0/24\"", faults));
    let Some(texts) = texts else { return (Vec::new(), false) };
    let read: Vec<_> = texts.iter().filter_map(|text| subnet(*text, faults).map(|range| (range, text.span))).collect();
    let whole = read.len() == texts.len();
    (read, whole)
}

fn subnet(text: Text<'_>, faults: &mut Faults<'_>) -> Option<AddrRange> {
    let range = network(text, faults)?;
    if !usable_network(range, text, faults) {
        return None;
    }
    if range.is_single() {
        let message = format!("{range} has no room for the box and a host");
        faults.error(codes::NETWORK_SIZE, text.span, message, "", "use a shorter prefix length");
        return None;
    }
    Some(range)
}

fn usable_network(range: AddrRange, text: Text<'_>, faults: &mut Faults<'_>) -> bool {
    if let Some(why) = special(&range) {
        let message = format!("{range} holds {why}");
        faults.error(codes::SPECIAL_NETWORK, text.span, message, "no host can have these", "take a network for hosts");
        return false;
    }
    true
}

/// The box's address in each network: as said by `gateway`, else the first host.
fn with_gateways(
    table: &Table<'_>,
    name: Text<'_>,
    networks: Vec<(AddrRange, Span)>,
    whole: bool,
    faults: &mut Faults<'_>,
) -> Vec<Subnet> {
    let mut given: Vec<Option<(IpAddr, Span)>> = vec![None; networks.len()];
    for text in table.texts("gateway", faults).unwrap_or_default() {
        let Some(addr) = address(text, faults) else { continue };
        let Some(at) = networks.iter().position(|(range, _)| range.contains(addr)) else {
            if !whole {
                continue;
            }
            let message = format!("the gateway address {addr} is in no subnet of `{}`", name.text);
            let mut found = Diagnostic::error(codes::GATEWAY_OUTSIDE, text.span, message);
            for (range, span) in &networks {
                found = found.also(*span, format!("{range}"));
            }
            faults.push(found.help("take an address of the subnet, or leave `gateway` out for its first host"));
            continue;
        };
        if let Some(why) = reserved(&networks[at].0, addr) {
            let message = format!("{addr} is the {why} address of {}", networks[at].0);
            faults.error(codes::GATEWAY_RESERVED, text.span, message, "", "take another address of the subnet");
            continue;
        }
        if let Some((_, first)) = given[at] {
            faults.push(
                Diagnostic::error(
                    codes::GATEWAY_TWICE,
                    text.span,
                    format!("a second gateway address in {}", networks[at].0),
                )
                .also(first, "the first")
                .help("the box has one address in each subnet"),
            );
            continue;
        }
        given[at] = Some((addr, text.span));
    }
    networks
        .into_iter()
        .zip(given)
        .map(|((network, span), given)| Subnet {
            network,
            gateway: given.map_or_else(|| first_host(&network), |it| it.0),
            span,
        })
        .collect()
}

fn first_host(network: &AddrRange) -> IpAddr {
    let offset = if network.len() > 2 { 1 } else { 0 };
    network.nth(offset).expect("a network of more than two addresses has a second")
}

/// The networks behind the segment; `None` when any is broken.
fn routes(table: &Table<'_>, subnets: &[Subnet], subnets_whole: bool, faults: &mut Faults<'_>) -> Option<Vec<Route>> {
    let Some(value) = table.get("routes") else { return Some(Vec::new()) };
    let DeValue::Array(array) = value.get_ref() else {
        let help = "such as routes = [{ to = \"172.16.0.0/16\", via = \"192.168.30.2\" }]";
        faults.error(codes::WRONG_TYPE, span_of(value), "`routes` must be a list of tables", "", help);
        return None;
    };
    let tables = tables_of(array, "routes", &keys::ROUTE, faults);
    let read: Vec<_> = tables.iter().map(|route| self::route(route, subnets, subnets_whole, faults)).collect();
    if tables.len() < array.len() { None } else { read.into_iter().collect() }
}

fn route(table: &Table<'_>, subnets: &[Subnet], subnets_whole: bool, faults: &mut Faults<'_>) -> Option<Route> {
    let to = table.require("to", "the network behind the segment", faults);
    let to = to.and_then(|value| super::reader::text_of(value, "to", "a network", faults));
    let via = table.require("via", "the next hop, an address in the segment", faults);
    let via = via.and_then(|value| super::reader::text_of(value, "via", "an address", faults));
    let network = to.and_then(|text| network(text, faults).filter(|range| usable_network(*range, text, faults)));
    let next_hop = via.and_then(|text| address(text, faults));
    let (to, via, network, next_hop) = (to?, via?, network?, next_hop?);
    if Family::of(next_hop) != network.family() {
        let message = format!("the next hop {next_hop} is {}, the network {}", Family::of(next_hop), network.family());
        faults.error(codes::NEXT_HOP_OUTSIDE, via.span, message, "", "take a next hop of the same family");
        return None;
    }
    if subnets_whole {
        match subnets.iter().find(|subnet| subnet.network.contains(next_hop)) {
            None => {
                let message = format!("the next hop {next_hop} is in no subnet of its segment");
                faults.error(
                    codes::NEXT_HOP_OUTSIDE,
                    via.span,
                    message,
                    "",
                    "a next hop is a neighbour on the segment's wire",
                );
                return None;
            }
            Some(subnet) if subnet.gateway == next_hop => {
                let message = format!("the next hop {next_hop} is the box itself");
                faults.error(
                    codes::NEXT_HOP_OUTSIDE,
                    via.span,
                    message,
                    "",
                    "name the router behind which the network lies",
                );
                return None;
            }
            Some(subnet) => {
                if let Some(why) = reserved(&subnet.network, next_hop) {
                    let message = format!("the next hop {next_hop} is the {why} address of {}", subnet.network);
                    faults.error(codes::NEXT_HOP_OUTSIDE, via.span, message, "", "name a router on the segment's wire");
                    return None;
                }
            }
        }
    }
    Some(Route { to: network, via: next_hop, span: to.span })
}

/// A prefix for autoconfiguration has 64 bits (RFC 4862 5.5.3).
const SLAAC_PREFIX_LEN: u8 = 64;

fn ipv6_mode(table: &Table<'_>, name: Text<'_>, subnets: &[Subnet], whole: bool, faults: &mut Faults<'_>) -> Ipv6Mode {
    let words = [("slaac", Ipv6Mode::Slaac), ("dhcpv6", Ipv6Mode::Dhcpv6), ("none", Ipv6Mode::None)];
    let given = table.word("ipv6", &words, faults);
    let mut networks = subnets.iter().filter(|subnet| subnet.network.family() == Family::V6);
    let wide = |subnet: &&Subnet| subnet.network.prefix_len() == Some(SLAAC_PREFIX_LEN);
    let Some(given) = given else {
        return if networks.any(|subnet| wide(&subnet)) { Ipv6Mode::Slaac } else { Ipv6Mode::None };
    };
    let span = table.get("ipv6").map_or(table.span, span_of);
    match given {
        Ipv6Mode::None => {}
        Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6 if whole => {
            if networks.clone().next().is_none() {
                let message = format!("`{}` has no IPv6 subnet", name.text);
                faults.error(codes::IPV6_MODE, span, message, "", "add one to `subnets`, or write ipv6 = \"none\"");
            } else if given == Ipv6Mode::Slaac
                && let Some(other) = networks.find(|subnet| !wide(subnet))
            {
                let message = format!("hosts cannot make up addresses in {}", other.network);
                faults.push(
                    Diagnostic::error(codes::IPV6_MODE, span, message)
                        .also(other.span, "not a /64")
                        .help("autoconfiguration needs a /64; or write ipv6 = \"dhcpv6\""),
                );
            }
        }
        Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6 => {}
    }
    given
}
