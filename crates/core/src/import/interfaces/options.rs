//! Options of an `iface` stanza: addresses, next hops, VLANs, routes.

use std::net::{IpAddr, Ipv4Addr};

use segwall_packetset::{AddrRange, Family};

use super::Stanza;
use super::lines::{Line, Word};
use crate::import::notes::{Notes, quoted};
use crate::policy::InterfaceAddress;
use crate::source::Span;

/// Addresses of one stanza that are read; more are named.
const ADDRESSES_MAX: usize = 64;
/// Routes of one stanza, alike.
const ROUTES_MAX: usize = 256;

/// Values that mean something only together with others of the stanza.
#[derive(Debug, Default)]
pub(super) struct Halves {
    /// Addresses without their lengths.
    plain: Vec<(IpAddr, Span)>,
    /// `netmask`, in bits.
    length: Option<u8>,
}

/// Reads one line of a stanza.
pub(super) fn option(stanza: &mut Stanza, halves: &mut Halves, line: &Line<'_>, notes: &mut Notes) {
    let key = line.words[0];
    let values = without_comment(key, &line.words[1..], notes);
    let Some(first) = values.first().copied() else {
        // ifupdown-ng knows options without a value.
        if !is_harmless(key.text) {
            notes.not_understood(line.span, format!("{} without a value", quoted(key.text)));
        }
        return;
    };
    match key.text {
        "address" => address(stanza, halves, first, notes),
        "netmask" => match mask(first.text) {
            Some(length) => halves.length = Some(length),
            None => notes.not_understood(first.span, format!("{} is no netmask", quoted(first.text))),
        },
        "gateway" => match first.text.parse() {
            Ok(hop) => stanza.gateways.push(hop),
            Err(_) => notes.not_understood(first.span, format!("{} is no address", quoted(first.text))),
        },
        "vlan-raw-device" | "vlan_raw_device" => stanza.raw_device = Some(first.text.to_owned()),
        "vlan-id" | "vlan_id" => match first.text.parse() {
            Ok(id) => stanza.vlan_id = Some(id),
            Err(_) => notes.not_understood(first.span, format!("{} is no VLAN", quoted(first.text))),
        },
        "use" => executor(stanza, first, notes),
        "up" | "post-up" | "pre-up" => command(stanza, line, values, notes),
        "bridge_ports" | "bridge-ports" | "bond-slaves" | "bond_slaves" | "bond-members" | "slaves" => {
            notes.aside(line.span, format!("{} stays as it is: Segwall makes no bridges and bonds", stanza.name));
        }
        "tunnel-local" | "tunnel-remote" | "endpoint" | "dstaddr" | "pointopoint" => notes
            .not_understood(line.span, format!("{}: tunnels and point-to-point links are not read", quoted(key.text))),
        text if is_harmless(text) => {}
        text => notes.not_understood(key.span, format!("option {} is not understood", quoted(text))),
    }
}

/// ifupdown takes a `#` behind a value for part of it; people mean a comment.
fn without_comment<'w, 's>(key: Word<'s>, values: &'w [Word<'s>], notes: &mut Notes) -> &'w [Word<'s>] {
    if matches!(key.text, "up" | "post-up" | "pre-up" | "down" | "pre-down" | "post-down") {
        return values;
    }
    let Some(at) = values.iter().position(|word| word.text.starts_with('#')) else { return values };
    notes.aside(values[at].span, "ifupdown reads this as part of the value, not as a comment".to_owned());
    &values[..at]
}

/// Options that say nothing about which networks lie behind an interface.
fn is_harmless(key: &str) -> bool {
    const WORDS: &[&str] = &[
        "mtu",
        "hwaddress",
        "metric",
        "broadcast",
        "network",
        "scope",
        "hostname",
        "client",
        "vendor",
        "leasehours",
        "leasetime",
        "accept_ra",
        "autoconf",
        "privext",
        "dad-attempts",
        "dad-interval",
        "preferred-lifetime",
        "request_prefix",
        "media",
        "down",
        "pre-down",
        "post-down",
        "requires",
        "depends",
        "description",
        "label",
        "alias",
        "forward-ipv4",
        "forward-ipv6",
        "txqueuelen",
    ];
    const BEGINNINGS: &[&str] =
        &["dns-", "bridge", "bond", "link-", "wireless-", "wpa-", "ethtool-", "offload-", "hardware-"];
    WORDS.contains(&key) || BEGINNINGS.iter().any(|beginning| key.starts_with(beginning))
}

/// `use dhcp` of ifupdown-ng.
fn executor(stanza: &mut Stanza, word: Word<'_>, notes: &mut Notes) {
    match word.text {
        "dhcp" => stanza.dhcp = true,
        "ipv6-ra" => stanza.ra = true,
        "static" | "vlan" | "link" | "loopback" | "forward" | "mtu" | "bridge" | "bond" | "ethtool" | "wifi" => {}
        text => notes.not_understood(word.span, format!("{} is not understood", quoted(&format!("use {text}")))),
    }
}

fn address(stanza: &mut Stanza, halves: &mut Halves, word: Word<'_>, notes: &mut Notes) {
    let bad = |notes: &mut Notes| notes.not_understood(word.span, format!("{} is no address", quoted(word.text)));
    if stanza.addresses.len() + halves.plain.len() >= ADDRESSES_MAX {
        notes.not_understood(word.span, format!("more than {ADDRESSES_MAX} addresses: this one is left out"));
        return;
    }
    match word.text.split_once('/') {
        None => match word.text.parse() {
            Ok(addr) => halves.plain.push((addr, word.span)),
            Err(_) => bad(notes),
        },
        Some((addr, length)) => {
            let addr = addr.parse::<IpAddr>().ok();
            let length = mask(length);
            match addr.zip(length).filter(|(addr, length)| *length <= Family::of(*addr).bits()) {
                Some((addr, prefix_len)) => stanza.addresses.push(InterfaceAddress { addr, prefix_len }),
                None => bad(notes),
            }
        }
    }
}

/// `24`, or `255.255.255.0`.
pub(in crate::import) fn mask(text: &str) -> Option<u8> {
    if let Ok(mask) = text.parse::<Ipv4Addr>() {
        let bits = u32::from(mask);
        return (bits.leading_ones() == bits.count_ones())
            .then(|| u8::try_from(bits.count_ones()).expect("at most 32"));
    }
    text.parse().ok().filter(|length| *length <= Family::V6.bits() && !text.starts_with('+'))
}

/// Joins addresses with their netmask.
pub(super) fn complete(stanza: &mut Stanza, halves: &Halves, notes: &mut Notes) {
    for (addr, span) in &halves.plain {
        let family = Family::of(*addr);
        let length = halves.length.filter(|length| *length <= family.bits());
        if length.is_none() {
            notes.not_understood(*span, format!("{addr} has no netmask: it is read as one address"));
        }
        let prefix_len = length.unwrap_or(family.bits());
        stanza.addresses.push(InterfaceAddress { addr: *addr, prefix_len });
    }
}

/// `up ip route add NETWORK via HOP`: the one command that says what lies behind an interface.
fn command(stanza: &mut Stanza, line: &Line<'_>, words: &[Word<'_>], notes: &mut Notes) {
    let mut words = words.iter().map(|word| word.text).filter(|word| !matches!(*word, "-4" | "-6"));
    let mut next = || words.next().unwrap_or_default();
    let program = next();
    let is_ip = program == "ip" || program.ends_with("/ip");
    let (object, verb) = (next(), next());
    if !is_ip || !matches!(object, "route" | "r") || !matches!(verb, "add" | "append" | "replace") {
        notes.aside(line.span, "a command: what it does is not read".to_owned());
        return;
    }
    let (network, word, hop) = (next(), next(), next());
    let network = if network == "default" { "0.0.0.0/0" } else { network };
    let network = network.parse::<AddrRange>().ok();
    let hop = hop.parse::<IpAddr>().ok().filter(|_| word == "via");
    match network.zip(hop) {
        Some((network, hop)) if network.prefix_len() == Some(0) => stanza.gateways.push(hop),
        Some(route) if stanza.routes.len() < ROUTES_MAX => stanza.routes.push(route),
        Some(_) => notes.not_understood(line.span, format!("more than {ROUTES_MAX} routes: this one is left out")),
        None => notes.not_understood(
            line.span,
            "a route that is not read: `ip route add NETWORK via ADDRESS` is understood".to_owned(),
        ),
    }
}
