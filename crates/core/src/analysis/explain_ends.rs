//! What a person types after `explain`, as ends and services.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, PortRange, proto};

use super::domain::zone_of;
use crate::policy::{
    End, NamedService, Policy, Ports, SegmentId, Service, Zone, built_in_service, built_in_service_names, icmp_named,
};
use crate::ruleset::Ruleset;
use crate::source::Span;

/// Why a question cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misunderstood {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Misunderstood {
    pub(super) fn new(message: String, help: impl Into<Option<String>>) -> Self {
        Self { message, help: help.into() }
    }
}

/// Words more than this many edits away are not what was meant.
const EDITS_MAX: usize = 2;

fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    names
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(edits, _)| *edits <= EDITS_MAX)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

fn end(zone: Zone, addresses: Option<Vec<AddrRange>>) -> End {
    End { zone, addresses: addresses.map(AddrRange::merge), direct: true, span: Span::default() }
}

/// The ends that a word stands for.
pub(super) fn read_ends(policy: &Policy, ruleset: &Ruleset, word: &str) -> Result<Vec<End>, Misunderstood> {
    if let Ok(range) = word.parse::<AddrRange>() {
        return Ok(vec![bare(ruleset, range, word)?]);
    }
    if let Some((name, rest)) = word.split_once('/') {
        let Some(zone) = zone(policy, name) else { return Err(unknown(policy, name)) };
        let range: AddrRange = rest.parse().map_err(|fault| Misunderstood::new(format!("{fault}"), None))?;
        return Ok(vec![end(zone, Some(vec![range]))]);
    }
    match word {
        "segments" => return Ok(vec![end(Zone::Segments, None)]),
        "any" => return Ok(vec![end(Zone::Segments, None), end(Zone::Internet, None)]),
        _ => {}
    }
    if let Some(zone) = zone(policy, word) {
        return Ok(vec![end(zone, None)]);
    }
    if let Some(host) = policy.hosts.iter().find(|host| host.name == word) {
        let addresses = host.addresses.iter().copied().map(AddrRange::single).collect();
        return Ok(vec![end(Zone::Segment(host.segment), Some(addresses))]);
    }
    if let Some(set) = policy.sets.iter().find(|set| set.name == word) {
        return Ok(vec![end(set.zone, Some(set.addresses.clone()))]);
    }
    if let Some(group) = policy.groups.iter().find(|group| group.name == word) {
        return Ok(group.members.clone());
    }
    Err(unknown(policy, word))
}

fn zone(policy: &Policy, name: &str) -> Option<Zone> {
    match name {
        "internet" => Some(Zone::Internet),
        "gateway" => Some(Zone::Gateway),
        _ => {
            let at = policy.segments.iter().position(|segment| segment.name == name)?;
            Some(Zone::Segment(SegmentId(u32::try_from(at).ok()?)))
        }
    }
}

fn unknown(policy: &Policy, word: &str) -> Misunderstood {
    let names = policy
        .segments
        .iter()
        .map(|segment| segment.name.as_str())
        .chain(policy.hosts.iter().map(|host| host.name.as_str()))
        .chain(policy.sets.iter().map(|set| set.name.as_str()))
        .chain(policy.groups.iter().map(|group| group.name.as_str()))
        .chain(["internet", "gateway", "any", "segments"]);
    let help = nearest(word, names)
        .unwrap_or_else(|| "a segment, host, set, group, `internet`, `gateway`, `any` or an address".to_owned());
    Misunderstood::new(format!("`{word}` is no end that the policy knows"), help)
}

/// An address by itself lies where the box would send packets for it.
fn bare(ruleset: &Ruleset, range: AddrRange, word: &str) -> Result<End, Misunderstood> {
    let zone_of_addr = |addr: IpAddr| zone_of(ruleset, ruleset.route(addr));
    match (zone_of_addr(range.first()), zone_of_addr(range.last())) {
        (Some(first), Some(last)) if first == last => Ok(end(first, Some(vec![range]))),
        (Some(_), Some(_)) => {
            Err(Misunderstood::new(format!("{word} lies in more than one zone"), "write ZONE/ADDRESS".to_owned()))
        }
        _ => Err(Misunderstood::new(
            format!("{word} lies in no segment, and there is no uplink"),
            "the policy has no [uplinks.NAME]".to_owned(),
        )),
    }
}

/// The services that words stand for; `None`: every protocol.
pub(super) fn read_services(policy: &Policy, words: &str) -> Result<Option<Vec<Service>>, Misunderstood> {
    let mut services = Vec::new();
    for word in words.split(',').map(str::trim) {
        if matches!(word, "any" | "all" | "everything") {
            return Ok(None);
        }
        services.extend(read_service(&policy.services, word)?);
    }
    Ok(Some(services))
}

/// What one word stands for: a name of the file's own, a built-in one, or `tcp/443`.
pub(super) fn read_service(own: &[NamedService], word: &str) -> Result<Vec<Service>, Misunderstood> {
    if let Some(named) = own.iter().find(|named| named.name == word) {
        return Ok(named.services.clone());
    }
    if let Some(known) = built_in_service(word).or_else(|| written(word)) {
        return Ok(known);
    }
    let names = own.iter().map(|named| named.name.as_str()).chain(built_in_service_names().map(|(name, _)| name));
    let help = nearest(word, names)
        .unwrap_or_else(|| "a service's name, `tcp/443`, `udp/5000-5010`, `ping`, `any`".to_owned());
    Err(Misunderstood::new(format!("`{word}` is no service"), help))
}

/// `tcp/443`, `udp/5000-5010`, `icmp/8`, `icmp/echo-request`, `proto/47`.
fn written(word: &str) -> Option<Vec<Service>> {
    let (name, rest) = word.split_once('/')?;
    if name == "proto" {
        return Some(vec![Service { proto: rest.parse().ok()?, ports: Ports::All }]);
    }
    let proto = proto::number(name)?;
    let ports = if proto::has_ports(proto) {
        let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
        Ports::Range(PortRange::new(first.parse().ok()?, last.parse().ok()?)?)
    } else if proto == proto::ICMP || proto == proto::ICMPV6 {
        let (kind, code) = rest.split_once('/').map_or((rest, None), |(kind, code)| (kind, Some(code)));
        let Ok(kind) = kind.parse() else {
            // A name means both families, unless ICMPv6 is said.
            let named = icmp_named(rest).into_iter().filter(|named| proto == proto::ICMP || named.proto == proto);
            let named: Vec<Service> = named.collect();
            return (!named.is_empty()).then_some(named);
        };
        Ports::Icmp { kind, code: code.map(str::parse).transpose().ok()? }
    } else {
        return None;
    };
    Some(vec![Service { proto, ports }])
}
