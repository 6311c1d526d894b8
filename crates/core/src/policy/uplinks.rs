//! `[uplinks.NAME]`.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use super::codes;
use super::faults::Faults;
use super::keys;
use super::literals::{address, interface_address, special};
use super::model::{InterfaceAddress, Uplink, Wiring};
use super::networks::reserved;
use super::reader::{Entry, Table, Text, texts_of};
use super::wiring::{self, Port};
use crate::diag::Diagnostic;

/// An uplink that was read.
pub(super) struct ReadUplink<'d> {
    pub uplink: Uplink,
    pub port: Option<Port<'d>>,
    /// Whether all of its addresses could be read.
    pub addresses_whole: bool,
}

pub(super) fn read<'d>(entry: &Entry<'d>, trunk: Option<&'d str>, faults: &mut Faults<'_>) -> ReadUplink<'d> {
    let name = entry.name;
    let mut uplink = Uplink {
        name: name.text.to_owned(),
        device: String::new(),
        wiring: Wiring::Untagged,
        managed: true,
        addresses: Vec::new(),
        dhcp: false,
        ra: false,
        gateways: Vec::new(),
        nat: true,
        span: name.span,
    };
    let Some(table) = Table::of(entry.value, name.text, &keys::UPLINK, faults) else {
        return ReadUplink { uplink, port: None, addresses_whole: false };
    };
    let port = wiring::read(&table, name, trunk, faults);
    if let Some(port) = &port {
        uplink.device.clone_from(&port.device);
        uplink.wiring = port.wiring.clone();
    }
    uplink.managed = table.boolean("managed", true, faults);
    uplink.nat = table.boolean("nat", true, faults);
    let addresses_whole = addresses(&table, &mut uplink, faults);
    let gateways_whole = gateways(&table, &mut uplink, addresses_whole, faults);
    if addresses_whole && gateways_whole {
        next_hops(&table, &uplink, faults);
    }
    ReadUplink { uplink, port, addresses_whole }
}

fn addresses(table: &Table<'_>, uplink: &mut Uplink, faults: &mut Faults<'_>) -> bool {
    const HELP: &str = "\"dhcp\" for IPv4, \"ra\" for IPv6, or static addresses such as \"203.0.113.2/24\"";
    let value = if uplink.managed || table.has("addresses") {
        table.require("addresses", HELP, faults)
    } else {
        // What a device made elsewhere is given there.
        return true;
    };
    let Some(texts) =
        value.and_then(|value| texts_of(value, "addresses", "a text: \"dhcp\", \"ra\" or an address", faults))
    else {
        return false;
    };
    let mut whole = true;
    for text in texts {
        match text.text {
            "dhcp" => uplink.dhcp = true,
            "ra" => uplink.ra = true,
            "pd" | "dhcpv6-pd" => {
                faults.not_yet(text.span, "prefix delegation");
                whole = false;
            }
            word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                let message = format!("`{word}` is not a way to get an address");
                faults.error(codes::UNKNOWN_WORD, text.span, message, "", HELP);
                whole = false;
            }
            _ => match static_address(text, faults) {
                Some(found) => uplink.addresses.push(found),
                None => whole = false,
            },
        }
    }
    whole
}

fn static_address(text: Text<'_>, faults: &mut Faults<'_>) -> Option<InterfaceAddress> {
    let (addr, prefix_len) = interface_address(text, faults)?;
    let network = AddrRange::prefix(addr, prefix_len);
    if let Some(why) = special(&AddrRange::single(addr)) {
        let message = format!("{addr} is one of the {why}");
        faults.error(codes::SPECIAL_NETWORK, text.span, message, "", "take the address the provider gave");
        return None;
    }
    if let Some(why) = reserved(&network, addr) {
        let message = format!("{addr} is the {why} address of {network}");
        faults.error(codes::GATEWAY_RESERVED, text.span, message, "", "take the address the provider gave");
        return None;
    }
    Some(InterfaceAddress { addr, prefix_len })
}

fn gateways(table: &Table<'_>, uplink: &mut Uplink, addresses_whole: bool, faults: &mut Faults<'_>) -> bool {
    let Some(value) = table.get("gateways") else { return true };
    let Some(texts) = texts_of(value, "gateways", "an address", faults) else { return false };
    let mut whole = true;
    for text in texts {
        let found = address(text, faults).filter(|addr| !addresses_whole || next_hop(*addr, text, uplink, faults));
        match found {
            Some(addr) => uplink.gateways.push(addr),
            None => whole = false,
        }
    }
    whole
}

/// Whether a next hop can be one: a neighbour on the uplink's wire, link-local for IPv6 too.
fn next_hop(addr: IpAddr, text: Text<'_>, uplink: &Uplink, faults: &mut Faults<'_>) -> bool {
    let link_local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let family = Family::of(addr);
    let mut statics = uplink.addresses.iter().filter(|own| Family::of(own.addr) == family).peekable();
    if statics.peek().is_none() {
        let message = format!("the next hop {addr} belongs to no static {family} address of `{}`", uplink.name);
        let help = "with \"dhcp\" or \"ra\" the next hop comes by itself; leave it out, or give a static address";
        faults.error(codes::NEXT_HOP_OUTSIDE, text.span, message, "", help);
        return false;
    }
    if link_local {
        return true;
    }
    let Some(own) = statics.find(|own| AddrRange::prefix(own.addr, own.prefix_len).contains(addr)) else {
        let message = format!("the next hop {addr} is in no subnet of `{}`", uplink.name);
        let help = "a next hop lies in the subnet of a static address of the uplink";
        faults.error(codes::NEXT_HOP_OUTSIDE, text.span, message, "", help);
        return false;
    };
    let why =
        if own.addr == addr { Some("box's own") } else { reserved(&AddrRange::prefix(own.addr, own.prefix_len), addr) };
    if let Some(why) = why {
        let message = format!("the next hop {addr} is the {why} address");
        faults.error(codes::NEXT_HOP_OUTSIDE, text.span, message, "", "take the provider's router");
    }
    why.is_none()
}

/// Every family with a static address needs a next hop, unless it gets one by itself.
fn next_hops(table: &Table<'_>, uplink: &Uplink, faults: &mut Faults<'_>) {
    for family in Family::BOTH {
        let automatic = match family {
            Family::V4 => uplink.dhcp,
            Family::V6 => uplink.ra,
        };
        let has_static = uplink.addresses.iter().any(|own| Family::of(own.addr) == family);
        let has_next_hop = uplink.gateways.iter().any(|addr| Family::of(*addr) == family);
        if uplink.managed && has_static && !automatic && !has_next_hop {
            let span = table.get("addresses").map_or(table.span, super::reader::span_of);
            let message = format!("`{}` has a static {family} address but no {family} next hop", uplink.name);
            let help = "add the provider's router, such as gateways = [\"203.0.113.1\"]";
            faults.error(codes::NO_NEXT_HOP, span, message, "", help);
        }
    }
}

/// More than one uplink is a feature of later.
pub(super) fn only_one(entries: &[Entry<'_>], faults: &mut Faults<'_>) {
    if let [first, second, ..] = entries {
        faults.push(
            Diagnostic::error(codes::NOT_YET, second.name.span, "not yet supported: several uplinks at once")
                .label("a second uplink")
                .also(first.name.span, "the first")
                .help("keep one of them"),
        );
    }
}
