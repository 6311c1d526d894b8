//! `[[forward]]`: port forwards.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family, PortRange, proto};

use super::codes;
use super::ends::{self, Ends};
use super::env::{Env, family_bit};
use super::faults::{Faults, shorten};
use super::keys;
use super::model::{End, Forward, Ports, SegmentId, Service, Zone};
use super::names::Kind;
use super::networks::{Owner, reserved};
use super::reader::{Table, Text, span_of, texts_of};
use super::service_text::write_service;
use crate::diag::Diagnostic;
use crate::source::Span;

pub(super) fn read_all<'d>(top: &Table<'d>, env: &Env<'d>, faults: &mut Faults<'_>) -> Vec<Forward> {
    let tables = top.tables("forward", &keys::FORWARD, faults);
    if let (true, Some(first)) = (env.uplinks.is_empty(), tables.first()) {
        let help = "add [uplinks.NAME]; between segments an accept is enough";
        faults.error(
            codes::FORWARD_NO_UPLINK,
            first.span,
            "a forward takes what comes by an uplink, and there is none",
            "",
            help,
        );
        return Vec::new();
    }
    let mut read = Vec::new();
    for table in &tables {
        if let Some(forward) = self::read(table, env, faults) {
            let ports_span = table.get("port").map_or(table.span, span_of);
            read.push((forward, ports_span));
        }
    }
    collisions(&read, faults);
    read.into_iter().map(|(forward, _)| forward).collect()
}

fn read(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Forward> {
    let ports = ports(table, env, faults);
    let target = target(table, env, faults);
    let from = from(table, env, faults);
    let on_known = on(table, env, faults);
    let to_port = to_port(table, ports.as_deref(), faults);
    let hairpin = table.boolean("hairpin", true, faults);
    let log = table.boolean("log", false, faults);
    let comment = table.text("comment", faults).map(|text| text.text.to_owned());
    let (ports, (segment, to), from, to_port) = (ports?, target?, from?, to_port?);
    if !on_known {
        return None;
    }
    if env.networks.complete && env.uplinks_whole {
        can_match(table, &to, &from, env, faults);
    }
    Some(Forward { ports, from, segment, to, to_port, hairpin, log, comment, span: table.span })
}

fn ports(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Vec<Service>> {
    let value = table.require("port", "what is forwarded, such as port = \"tcp/443\"", faults)?;
    let texts = texts_of(value, "port", "a protocol and port such as \"tcp/443\"", faults)?;
    let mut services = Vec::new();
    for text in &texts {
        let found = env.services.resolve(std::slice::from_ref(text), faults)?;
        if let Some(other) = found.iter().find(|service| !matches!(service.ports, Ports::Range(_))) {
            let message = format!("`{}` has no ports to forward", shorten(text.text));
            let help = if proto::has_ports(other.proto) {
                format!("name the port: \"{}/443\"", text.text)
            } else {
                "a forward translates ports of tcp, udp, sctp, dccp or udplite".to_owned()
            };
            faults.error(codes::FORWARD_PORT, text.span, message, "", help);
            return None;
        }
        services.extend(found);
    }
    Some(services)
}

/// The segment and the addresses of `to`.
fn target(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<(SegmentId, Vec<IpAddr>)> {
    let value = table.require("to", "a host, or an address in a segment", faults)?;
    let texts = texts_of(value, "to", "a host's name or an address", faults)?;
    let mut found: Vec<(SegmentId, IpAddr, Span)> = Vec::new();
    for text in &texts {
        for (segment, addr) in one_target(*text, env, faults)? {
            let other = found.iter().find(|(_, known, _)| Family::of(*known) == Family::of(addr));
            if let Some((_, known, _)) = other {
                let message =
                    format!("a forward goes to one {} address, and there are {known} and {addr}", Family::of(addr));
                faults.error(codes::FORWARD_TARGET, text.span, message, "", "name one of the addresses");
                return None;
            }
            if let Some((_, _, first)) = found.iter().find(|(known, _, _)| *known != segment) {
                faults.push(
                    Diagnostic::error(codes::FORWARD_TARGET, text.span, "a forward goes to one segment")
                        .also(*first, "another segment")
                        .help("write one forward for each"),
                );
                return None;
            }
            found.push((segment, addr, text.span));
        }
    }
    let segment = found.first()?.0;
    Some((segment, found.into_iter().map(|(_, addr, _)| addr).collect()))
}

fn one_target(text: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Vec<(SegmentId, IpAddr)>> {
    if let Ok(addr) = text.text.parse::<IpAddr>() {
        return address_target(addr, text, env, faults).map(|segment| vec![(segment, addr)]);
    }
    if text.text.contains('/') {
        let ends = ends::resolve(&[text], env, faults)?;
        return match ends.list.as_slice() {
            [End { zone: Zone::Segment(_), addresses: Some(ranges), .. }] if ranges[0].is_single() => {
                let addr = ranges[0].first();
                address_target(addr, text, env, faults).map(|segment| vec![(segment, addr)])
            }
            _ => {
                let message = format!("`{}` is not one address in a segment", shorten(text.text));
                faults.error(codes::FORWARD_TARGET, text.span, message, "", "name a host, or one address");
                None
            }
        };
    }
    let index = match env.names.get(text.text) {
        None if text.text.parse::<AddrRange>().is_ok() => {
            let message = format!("`{}` is more than one address", shorten(text.text));
            faults.error(codes::FORWARD_TARGET, text.span, message, "", "name a host, or one address");
            return None;
        }
        _ => env.names.expect(text, Kind::Host, faults)?,
    };
    let host = env.hosts[index].as_ref()?;
    Some(host.addresses.iter().map(|addr| (host.segment, *addr)).collect())
}

fn address_target(addr: IpAddr, text: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<SegmentId> {
    let Some(network) = env.networks.find(addr) else {
        if env.networks.complete {
            let message = format!("{addr} lies in no segment");
            faults.error(codes::FORWARD_NOWHERE, text.span, message, "", "a forward goes to a host in a segment");
        }
        return None;
    };
    let Owner::Segment(segment) = network.owner else { return None };
    let why =
        if env.is_own(addr) { Some("box's own") } else { reserved(&network.range, addr).filter(|_| network.on_wire) };
    if let Some(why) = why {
        let message = format!("{addr} is the {why} address");
        let help = "a forward goes to a host; what the box itself serves needs an accept from internet to gateway";
        faults.error(codes::FORWARD_TARGET, text.span, message, "", help);
        return None;
    }
    Some(segment)
}

/// `from`: the internet unless said, and never anything else.
fn from(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Vec<End>> {
    let Some(value) = table.get("from") else {
        return Some(vec![End { zone: Zone::Internet, addresses: None, direct: true, span: table.span }]);
    };
    let texts = texts_of(value, "from", "a part of the internet", faults)?;
    let mut list = Vec::new();
    for text in &texts {
        let Ends { list: found, .. } = ends::resolve(std::slice::from_ref(text), env, faults)?;
        if found.iter().any(|end| end.zone != Zone::Internet) {
            let message = format!("a forward takes what comes from the internet, not from `{}`", shorten(text.text));
            let help = "write internet, internet/ADDRESS or a set in = \"internet\"; segments reach it with hairpin, or by an accept";
            faults.error(codes::FORWARD_FROM, text.span, message, "", help);
            return None;
        }
        list.extend(found);
    }
    Some(list)
}

/// `on`: names of uplinks. There is one, so it says nothing more yet.
fn on(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> bool {
    if !table.has("on") {
        return true;
    }
    let Some(texts) = table.texts("on", faults) else { return false };
    let unknown = texts.iter().filter(|text| env.names.expect(**text, Kind::Uplink, faults).is_none()).count();
    unknown == 0
}

/// `to_port`: outer `None` when broken.
fn to_port(table: &Table<'_>, ports: Option<&[Service]>, faults: &mut Faults<'_>) -> Option<Option<u16>> {
    if !table.has("to_port") {
        return Some(None);
    }
    let number = table.integer("to_port", 1..=u64::from(u16::MAX), faults)?;
    let is_range = |service: &&Service| matches!(service.ports, Ports::Range(range) if !range.is_single());
    if let Some(range) = ports.unwrap_or_default().iter().find(is_range) {
        let message = format!("{} cannot all go to port {}", write_service(range), number.value);
        let help = "leave `to_port` out: a range keeps its ports; or forward single ports";
        faults.error(codes::FORWARD_TO_PORT, number.span, message, "", help);
        return None;
    }
    Some(Some(u16::try_from(number.value).expect("within the range asked for")))
}

fn can_match(table: &Table<'_>, to: &[IpAddr], from: &[End], env: &Env<'_>, faults: &mut Faults<'_>) {
    let target = to.iter().fold(0, |bits, addr| bits | family_bit(Family::of(*addr)));
    if target & from_families(from) & env.families.internet == 0 {
        faults.push(
            Diagnostic::warning(
                codes::NEVER_MATCHES,
                table.span,
                "the target and what is forwarded have no address family in common",
            )
            .label("can never match")
            .help("the uplink, `from` and the target need IPv4 or IPv6 together"),
        );
    }
}

fn from_families(from: &[End]) -> u8 {
    from.iter().fold(0, |bits, end| match &end.addresses {
        None => super::env::BOTH_FAMILIES,
        Some(ranges) => ranges.iter().fold(bits, |bits, range| bits | family_bit(range.family())),
    })
}

/// Says where two forwards take the same packets: after a sort by protocol and port only neighbours can.
fn collisions(forwards: &[(Forward, Span)], faults: &mut Faults<'_>) {
    let mut claims: Vec<(u8, PortRange, usize)> = Vec::new();
    for (index, (forward, _)) in forwards.iter().enumerate() {
        for service in &forward.ports {
            if let Ports::Range(range) = service.ports {
                claims.push((service.proto, range, index));
            }
        }
    }
    claims.sort_unstable();
    let mut blamed = vec![false; forwards.len()];
    let mut open: Vec<(u8, PortRange, usize)> = Vec::new();
    for claim in claims {
        let (proto, range, index) = claim;
        // One that was blamed is not compared again: all could be, with each other.
        open.retain(|(other, ports, before)| *other == proto && ports.last >= range.first && !blamed[*before]);
        for (_, _, before) in &open {
            let (first, second) = (index.min(*before), index.max(*before));
            if first == second || blamed[second] || !same_packets(&forwards[first].0, &forwards[second].0) {
                continue;
            }
            blamed[second] = true;
            faults.push(
                Diagnostic::error(
                    codes::FORWARD_TWICE,
                    forwards[second].1,
                    "another forward takes these packets already",
                )
                .label("again here")
                .also(forwards[first].1, "first here")
                .help("give one of them another port, or a part of the internet of its own with `from`"),
            );
        }
        if !blamed[index] {
            open.push(claim);
        }
    }
}

fn same_packets(a: &Forward, b: &Forward) -> bool {
    let families = |forward: &Forward| forward.to.iter().fold(0, |bits, addr| bits | family_bit(Family::of(*addr)));
    let common = families(a) & families(b);
    let overlap = |x: &End, y: &End| match (&x.addresses, &y.addresses) {
        (None, None) => true,
        (None, Some(ranges)) | (Some(ranges), None) => {
            ranges.iter().any(|range| family_bit(range.family()) & common != 0)
        }
        (Some(xs), Some(ys)) => {
            xs.iter().any(|x| family_bit(x.family()) & common != 0 && ys.iter().any(|y| x.overlaps(y)))
        }
    };
    common != 0 && a.from.iter().any(|x| b.from.iter().any(|y| overlap(x, y)))
}
