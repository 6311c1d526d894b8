//! `dhcp = { … }` of a segment: pool, resolvers, time servers, options.

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};
use toml::de::DeValue;

use super::codes;
use super::dhcp_option;
use super::env::Env;
use super::faults::{Faults, shorten};
use super::keys;
use super::literals::{address, duration_s, is_domain, range};
use super::model::{Segment, SegmentDhcp, ServerRef};
use super::names::Kind;
use super::networks::reserved_addresses;
use super::reader::{Table, Text, span_of, text_of, texts_of};
use crate::diag::Diagnostic;
use crate::source::Span;

/// dnsmasq takes no shorter lease.
pub(super) const LEASE_S_MIN: u64 = 120;

/// A lease is a 32-bit number of seconds, of which the highest means for ever.
pub(super) const LEASE_S_MAX: u64 = 0xffff_fffe;

/// A host of the segment: its name, an address, the address's place, whether it has a reservation.
pub(super) struct Resident<'d> {
    pub name: &'d str,
    pub addr: IpAddr,
    pub span: Span,
    pub reserved: bool,
}

/// Reads the DHCP of one segment. `whole`: its networks could all be read.
pub(super) fn read<'d>(
    table: &Table<'d>,
    segment: &Segment,
    whole: bool,
    residents: &[Resident<'_>],
    env: &Env<'d>,
    faults: &mut Faults<'_>,
) -> Option<SegmentDhcp> {
    let value = table.get("dhcp")?;
    let table = Table::of(value, "dhcp", &keys::SEGMENT_DHCP, faults)?;
    let pool_text = table.text("pool", faults);
    let pool = pool_text.and_then(|text| pool(text, segment, whole, faults).map(|range| (range, text.span)));
    if let Some((range, span)) = pool {
        inside_pool(range, span, segment, residents, faults);
    }
    let dns_span = table.get("dns").map_or(table.span, span_of);
    let dns = servers(&table, "dns", env, faults);
    let ntp_span = table.get("ntp").map_or(table.span, span_of);
    let ntp = servers(&table, "ntp", env, faults);
    let domain = table.text("domain", faults).and_then(|text| domain(text, faults));
    let options = options(&table, faults);
    let lease_s =
        table.text("lease", faults).and_then(|text| duration_s(text, "lease", LEASE_S_MIN..=LEASE_S_MAX, faults));
    let pool = pool.map(|(range, _)| range);
    Some(SegmentDhcp { pool, dns, dns_span, ntp, ntp_span, domain, options, lease_s, span: span_of(value) })
}

fn pool(text: Text<'_>, segment: &Segment, whole: bool, faults: &mut Faults<'_>) -> Option<AddrRange> {
    let range = range(text, faults)?;
    if range.family() == Family::V6 {
        let help = "a pool is for IPv4; IPv6 hosts get addresses by ipv6 = \"slaac\" or \"dhcpv6\"";
        faults.error(codes::POOL_FAMILY, text.span, "the pool is IPv6", "", help);
        return None;
    }
    if !whole {
        return Some(range);
    }
    let mut v4 = segment.subnets.iter().filter(|subnet| subnet.network.family() == Family::V4).peekable();
    if v4.peek().is_none() {
        let message = format!("`{}` has no IPv4 subnet for a pool", segment.name);
        faults.error(codes::POOL_OUTSIDE, text.span, message, "", "add one to `subnets`, or leave the pool out");
        return None;
    }
    let Some(subnet) = v4.find(|subnet| subnet.network.covers(&range)) else {
        let mut found = Diagnostic::error(
            codes::POOL_OUTSIDE,
            text.span,
            format!("the pool {range} is not within a subnet of `{}`", segment.name),
        );
        for subnet in segment.subnets.iter().filter(|subnet| subnet.network.family() == Family::V4) {
            found = found.also(subnet.span, format!("{}", subnet.network));
        }
        faults.push(found.help("a pool lies in one subnet of its segment"));
        return None;
    };
    if let Some((addr, why)) = reserved_addresses(&subnet.network).into_iter().find(|(addr, _)| range.contains(*addr)) {
        faults.push(
            Diagnostic::error(codes::POOL_RESERVED, text.span, format!("the pool covers {addr}, the {why} address"))
                .also(subnet.span, "of this subnet")
                .help("leave out the first and the last address of the subnet"),
        );
        return None;
    }
    Some(range)
}

/// The box, routers and hosts in the pool: their addresses could be given to somebody else.
fn inside_pool(pool: AddrRange, span: Span, segment: &Segment, residents: &[Resident<'_>], faults: &mut Faults<'_>) {
    for subnet in segment.subnets.iter().filter(|subnet| pool.contains(subnet.gateway)) {
        faults.push(
            Diagnostic::error(
                codes::GATEWAY_IN_POOL,
                span,
                format!("the pool holds the box's own address {}", subnet.gateway),
            )
            .also(subnet.span, format!("the box is {} here", subnet.gateway))
            .help("begin the pool behind it, or move the box with gateway = [...]"),
        );
    }
    for route in segment.routes.iter().filter(|route| pool.contains(route.via)) {
        faults.push(
            Diagnostic::error(codes::GATEWAY_IN_POOL, span, format!("the pool holds the next hop {}", route.via))
                .also(route.span, "of this route")
                .help("leave the router's address out of the pool"),
        );
    }
    for resident in residents.iter().filter(|resident| pool.contains(resident.addr)) {
        let what = if resident.reserved { "the reserved address" } else { "the fixed address" };
        faults.push(
            Diagnostic::error(
                codes::HOST_IN_POOL,
                resident.span,
                format!("{what} {} of `{}` is inside the pool", resident.addr, resident.name),
            )
            .also(span, "the pool")
            .help("it could be given to another host: take an address outside the pool, or make the pool smaller"),
        );
    }
}

/// Resolvers or time servers: `gateway`, a host, or an address.
fn servers(table: &Table<'_>, key: &str, env: &Env<'_>, faults: &mut Faults<'_>) -> Vec<ServerRef> {
    let Some(value) = table.get(key) else { return Vec::new() };
    let texts = texts_of(value, key, "\"gateway\", a host's name or an address", faults).unwrap_or_default();
    texts.iter().filter_map(|text| server(*text, env, faults)).collect()
}

fn server(text: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<ServerRef> {
    if text.text == "gateway" {
        return Some(ServerRef::Gateway);
    }
    if text.text.starts_with(|c: char| c.is_ascii_digit()) || text.text.contains(':') {
        return address(text, faults).map(|addr| ServerRef::Addresses(vec![addr]));
    }
    let index = env.names.expect(text, Kind::Host, faults)?;
    env.hosts[index].as_ref().map(|host| ServerRef::Addresses(host.addresses.clone()))
}

fn domain(text: Text<'_>, faults: &mut Faults<'_>) -> Option<String> {
    if is_domain(text.text) {
        return Some(text.text.to_owned());
    }
    let message = format!("`{}` is not a domain name", shorten(text.text));
    faults.error(codes::BAD_DOMAIN, text.span, message, "", "such as \"office.example\"");
    None
}

/// Options that keys of their own or the protocol itself set.
fn own_key(number: u8) -> Option<&'static str> {
    match number {
        1 | 28 => Some("it follows from the subnet"),
        3 => Some("the box is the router of its segments"),
        6 => Some("write dns = [...]"),
        15 => Some("write domain = \"...\""),
        42 => Some("write ntp = [...]"),
        51 => Some("write lease = \"...\""),
        50 | 52..=59 | 61 | 82 => Some("the protocol sets it by itself"),
        _ => None,
    }
}

fn options(table: &Table<'_>, faults: &mut Faults<'_>) -> BTreeMap<u8, String> {
    let mut options = BTreeMap::new();
    for entry in table.entries("options", faults) {
        let key = entry.name;
        let mut bad = |message: String, help: &str| faults.error(codes::DHCP_OPTION, key.span, message, "", help);
        let number = key
            .text
            .parse::<u8>()
            .ok()
            .filter(|number| (1..=254).contains(number) && !key.text.starts_with(['+', '0']));
        let Some(number) = number else {
            bad(
                format!("`{}` is not the number of a DHCP option", shorten(key.text)),
                "1 to 254, such as options = { 66 = \"192.168.30.11\" }",
            );
            continue;
        };
        if let Some(why) = own_key(number) {
            bad(format!("option {number} is not given here"), why);
            continue;
        }
        let text = match entry.value.get_ref() {
            DeValue::Integer(_) => Some(faults.text[entry.value.span()].to_owned()),
            _ => text_of(entry.value, key.text, "a text", faults).map(|text| text.text.to_owned()),
        };
        let Some(text) = text else { continue };
        if let Err(wanted) = dhcp_option::encode(number, &text) {
            let message = format!("`{}` cannot be the value of option {number}", shorten(&text));
            faults.error(codes::DHCP_OPTION, span_of(entry.value), message, "", wanted);
            continue;
        }
        options.insert(number, text);
    }
    options
}
