//! `[hosts.NAME]` and `[sets.NAME]`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::AddrRange;

use super::codes;
use super::env::Env;
use super::faults::Faults;
use super::keys;
use super::literals::{address, mac, range};
use super::model::{AddressSet, Host, SegmentId, Zone};
use super::names::Kind;
use super::networks::{Owner, reserved};
use super::reader::{Entry, Table, Text, text_of, texts_of};
use crate::diag::Diagnostic;
use crate::source::Span;

/// Who took an address or a hardware address first.
#[derive(Debug, Default)]
pub(super) struct Taken<'d> {
    addresses: BTreeMap<IpAddr, (&'d str, Span)>,
    macs: BTreeMap<(SegmentId, [u8; 6]), (&'d str, Span)>,
}

/// A host, and the places of its addresses.
pub(super) struct ReadHost {
    pub host: Host,
    pub spans: Vec<Span>,
}

pub(super) fn read<'d>(
    entry: &Entry<'d>,
    env: &Env<'d>,
    taken: &mut Taken<'d>,
    faults: &mut Faults<'_>,
) -> Option<ReadHost> {
    let name = entry.name;
    let table = Table::of(entry.value, name.text, &keys::HOST, faults)?;
    let texts = address_texts(&table, faults);
    let mac = table.text("mac", faults).map(|text| (text, mac(text, faults)));
    let mut segment: Option<(SegmentId, Span)> = None;
    let mut addresses = Vec::new();
    let texts = texts?;
    for text in &texts {
        let Some(addr) = address(*text, faults) else { continue };
        let Some(found) = place(addr, *text, name, env, faults) else { continue };
        match segment {
            Some((first, first_span)) if first != found => {
                let (one, other) = (&env.segments[first.index()].name, &env.segments[found.index()].name);
                faults.push(
                    Diagnostic::error(
                        codes::HOST_IN_TWO,
                        text.span,
                        format!("`{}` lies in `{one}` and in `{other}`", name.text),
                    )
                    .label(format!("in `{other}`"))
                    .also(first_span, format!("in `{one}`"))
                    .help("a host lies in one segment; write one host for each, and a group of both"),
                );
                continue;
            }
            _ => segment = segment.or(Some((found, text.span))),
        }
        if let Some((other, first)) = taken.addresses.get(&addr) {
            faults.push(
                Diagnostic::error(
                    codes::ADDRESS_TWICE,
                    text.span,
                    format!("{addr} is the address of `{other}` already"),
                )
                .label("again here")
                .also(*first, "first here")
                .help("each address belongs to one host"),
            );
            continue;
        }
        taken.addresses.insert(addr, (name.text, text.span));
        addresses.push((addr, text.span));
    }
    let (segment, _) = segment?;
    if let Some((text, Some(mac))) = mac
        && let Some((other, first)) = taken.macs.insert((segment, mac), (name.text, text.span))
    {
        faults.push(
            Diagnostic::error(codes::MAC_TWICE, text.span, format!("`{other}` has this hardware address already"))
                .label("again here")
                .also(first, "first here")
                .help("write both addresses under one host, or correct one"),
        );
    }
    if addresses.len() < texts.len() || matches!(mac, Some((_, None))) {
        return None;
    }
    let (addresses, spans) = addresses.into_iter().unzip();
    let mac = mac.and_then(|(_, mac)| mac);
    Some(ReadHost { host: Host { name: name.text.to_owned(), segment, addresses, mac, span: name.span }, spans })
}

fn address_texts<'d>(table: &Table<'d>, faults: &mut Faults<'_>) -> Option<Vec<Text<'d>>> {
    match (table.get("address"), table.get("addresses")) {
        (Some(one), None) => text_of(one, "address", "an address as a text", faults).map(|text| vec![text]),
        (None, Some(list)) => texts_of(list, "addresses", "an address as a text", faults),
        (None, None) => {
            let help = "such as address = \"192.168.30.10\", or addresses = [\"192.168.30.10\", \"fd00:30::10\"]";
            table.require("address", help, faults);
            None
        }
        (Some(_), Some(_)) => {
            faults.push(
                Diagnostic::error(
                    codes::GIVEN_TWICE,
                    table.key_span("addresses"),
                    "a host has `address` or `addresses`, not both",
                )
                .also(table.key_span("address"), "given here already")
                .help("write them all into `addresses`"),
            );
            None
        }
    }
}

/// The segment a host's address lies in, if a host can have it.
fn place(addr: IpAddr, text: Text<'_>, name: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<SegmentId> {
    let Some(network) = env.networks.find(addr) else {
        if env.networks.complete {
            let message = format!("{addr} lies in no segment");
            let help = format!(
                "add its network to a segment's `subnets` or `routes`; addresses on the internet go into a set: [sets.{}] in = \"internet\"",
                name.text
            );
            faults.error(codes::HOST_NOWHERE, text.span, message, "", help);
        }
        return None;
    };
    let Owner::Segment(segment) = network.owner else { return None };
    let own = env.segments[segment.index()].subnets.iter().find(|subnet| subnet.gateway == addr);
    if let Some(subnet) = own {
        faults.push(
            Diagnostic::error(codes::HOST_RESERVED, text.span, format!("{addr} is the box's own address"))
                .also(subnet.span, "the box takes it here")
                .help(format!("rules name it gateway/{addr}; move the box with gateway = [...] or the host")),
        );
        return None;
    }
    if network.on_wire
        && let Some(why) = reserved(&network.range, addr)
    {
        faults.push(
            Diagnostic::error(
                codes::HOST_RESERVED,
                text.span,
                format!("{addr} is the {why} address of {}", network.range),
            )
            .also(network.span, "its subnet")
            .help("a host needs another address"),
        );
        return None;
    }
    Some(segment)
}

/// Reads a set once the hosts are known.
pub(super) fn read_set<'d>(entry: &Entry<'d>, env: &Env<'d>, faults: &mut Faults<'_>) -> Option<AddressSet> {
    let name = entry.name;
    let table = Table::of(entry.value, name.text, &keys::SET, faults)?;
    let zone = table.require("in", "the segment its addresses lie in, or in = \"internet\"", faults);
    let zone = zone.and_then(|value| text_of(value, "in", "a segment's name or \"internet\"", faults));
    let zone = zone.and_then(|text| zone_of(text, env, faults));
    let value = table.require("addresses", "such as addresses = [\"192.168.20.5\", \"192.168.20.16/28\"]", faults);
    let texts = value.and_then(|value| texts_of(value, "addresses", "an address, network or range", faults))?;
    let mut addresses = Vec::with_capacity(texts.len());
    for text in &texts {
        let Some(found) = range(*text, faults) else { continue };
        if zone.is_none_or(|zone| env.lies_in(found, zone, *text, text.span, faults)) {
            addresses.push(found);
        }
    }
    if addresses.len() < texts.len() {
        return None;
    }
    Some(AddressSet {
        name: name.text.to_owned(),
        zone: zone?,
        addresses: AddrRange::merge(addresses),
        span: name.span,
    })
}

fn zone_of(text: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Zone> {
    match text.text {
        "internet" => Some(Zone::Internet),
        "gateway" => Some(Zone::Gateway),
        "any" | "segments" => {
            let message = format!("a set lies in one zone, `{}` is many", text.text);
            faults.error(
                codes::WRONG_KIND,
                text.span,
                message,
                "",
                "name one segment or \"internet\"; a group holds several sets",
            );
            None
        }
        _ => env.names.expect(text, Kind::Segment, faults).map(Env::segment_id).map(Zone::Segment),
    }
}
