//! Targets that translate addresses.

use segwall_packetset::proto;

use super::address::{self, Place, all_bits};
use super::matches::Context;
use super::numbers::number;
use super::spec::{Given, Instance};
use super::targets::unknown;
use super::{Refusal, Version, services};
use crate::netfilter::{Action, Nat, NatKind};

const SHIFTED: &str = "ports moved by a distance are not modelled";

/// DNAT and SNAT.
pub(super) fn addresses(instance: &Instance, destination: bool, cx: Context<'_>) -> Result<Action, Refusal> {
    let (option, kind) =
        if destination { ("to-destination", NatKind::Destination) } else { ("to-source", NatKind::Source) };
    let Some(given) = instance.get(option) else {
        return Err(Refusal::new(instance.span, format!("needs `--{option}`")));
    };
    let (addresses, port_text) = split(given.value(), cx.version);
    let to = match addresses {
        "" if port_text.is_some() => None,
        text => Some(pair(given, text, cx.version)?),
    };
    let Some(to) = to.map_or(Some(None), |(from, to)| (from <= to).then_some(Some((from, to)))) else {
        return Ok(unknown(instance, "a range of addresses that ends before it begins"));
    };
    if port_text.is_some_and(|text| text.contains('/')) {
        return Ok(unknown(instance, SHIFTED));
    }
    let ports = port_text.map(|text| ports(given, text, cx.protocol)).transpose()?;
    Ok(Action::Nat(Nat { kind, to, ports }))
}

/// Addresses, and ports behind a colon; IPv6 addresses stand in brackets where ports follow.
fn split(text: &str, version: Version) -> (&str, Option<&str>) {
    if version == Version::V6 {
        if let Some((inside, behind)) = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            return (inside, behind.strip_prefix(':'));
        }
        if text.matches(':').count() > 1 {
            return (text, None);
        }
    }
    match text.split_once(':') {
        Some((addresses, ports)) => (addresses, Some(ports)),
        None => (text, None),
    }
}

fn pair(given: &Given, text: &str, version: Version) -> Result<(u128, u128), Refusal> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let bare = |text: &str| address::address(text.trim_start_matches('[').trim_end_matches(']'), version);
    bare(from).zip(bare(to)).ok_or_else(|| given.refuse(format!("`{text}` is no address")))
}

/// One port, a name of one, or `first-last`.
fn ports(given: &Given, text: &str, protocol: Option<u8>) -> Result<(u16, u16), Refusal> {
    if !protocol.is_some_and(proto::has_ports) {
        return Err(given.refuse("ports need a protocol that has them"));
    }
    let port = |text: &str| number(text, 0xffff).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let range = match text.split_once('-') {
        Some((first, last)) => port(first).zip(port(last)).filter(|(first, last)| first <= last),
        None => port(text).or_else(|| services::port(text, protocol)).map(|port| (port, port)),
    };
    range.ok_or_else(|| given.refuse(format!("`{text}` are no ports")))
}

/// REDIRECT and MASQUERADE.
pub(super) fn own(instance: &Instance, redirect: bool, cx: Context<'_>) -> Result<Action, Refusal> {
    let kind = if redirect { NatKind::Redirect } else { NatKind::Masquerade };
    let ports = instance.get("to-ports").map(|given| ports(given, given.value(), cx.protocol)).transpose()?;
    Ok(Action::Nat(Nat { kind, to: None, ports }))
}

/// NETMAP.
pub(super) fn netmap(instance: &Instance, cx: Context<'_>) -> Result<Action, Refusal> {
    let Some(given) = instance.get("to") else {
        return Err(Refusal::new(instance.span, "needs `--to`"));
    };
    match address::place(given.value(), cx.version) {
        Some(Place::Net(address::Net { address, mask })) => {
            let host = all_bits(cx.version) & !mask;
            if host & host.wrapping_add(1) != 0 {
                return Ok(unknown(instance, "a mask with holes"));
            }
            Ok(Action::Nat(Nat { kind: NatKind::Netmap, to: Some((address, address | host)), ports: None }))
        }
        _ => Err(given.refuse(format!("`{}` is no network", given.value()))),
    }
}
