//! `tcp/443`, `udp/53`, `icmp/echo-request`, `esp`, or a service's name.

use std::collections::BTreeMap;

use segwall_packetset::{PortRange, proto};

use super::codes;
use super::faults::{Faults, shorten};
use super::graph::{self, Edge};
use super::model::{NamedService, Ports, Service};
use super::names::check_name;
use super::reader::{Entry, Text, texts_of};
use super::services::{built_in, built_in_names, icmp_named, icmp_names};
use crate::diag::Diagnostic;

/// The services a file names; `None` stands for one that is broken.
#[derive(Debug, Default)]
pub(super) struct Services<'d> {
    named: BTreeMap<&'d str, Option<Vec<Service>>>,
}

impl<'d> Services<'d> {
    /// Reads `[services]`.
    pub fn read(entries: &[Entry<'d>], faults: &mut Faults<'_>) -> (Self, Vec<NamedService>) {
        let mut members: Vec<Option<Vec<Text<'d>>>> = Vec::with_capacity(entries.len());
        let index: BTreeMap<&str, usize> =
            entries.iter().enumerate().map(|(at, entry)| (entry.name.text, at)).collect();
        for entry in entries {
            let (name, span) = (entry.name.text, entry.name.span);
            check_name(entry.name, "a service", faults);
            if let Some(meaning) = built_in(name) {
                let message = format!("`{name}` is built in");
                let help = format!("it means {}; take another name for yours", written(&meaning));
                faults.error(codes::BUILT_IN_SERVICE, span, message, "", help);
            }
            members.push(texts_of(entry.value, name, "a service such as \"tcp/443\"", faults));
        }
        let edges: Vec<Vec<Edge>> = members
            .iter()
            .map(|texts| {
                let texts = texts.iter().flatten().enumerate();
                texts.filter_map(|(member, text)| index.get(text.text).map(|to| Edge { to: *to, member })).collect()
            })
            .collect();
        let order = graph::order(&edges);
        for (cycle, closing) in &order.cycles {
            let path: Vec<&str> = cycle.iter().chain(&cycle[..1]).map(|at| entries[*at].name.text).collect();
            let owner = *cycle.last().expect("a cycle has a node");
            let closing = members[owner].as_ref().expect("it has an edge, so it was read")[closing.member];
            faults.push(
                Diagnostic::error(
                    codes::CYCLE,
                    closing.span,
                    format!("a service contains itself: {}", path.join(" → ")),
                )
                .also(entries[cycle[0]].name.span, "given here")
                .help("leave it out here"),
            );
        }
        let mut services = Self::default();
        // A cycle was reported once; its services stand for nothing, in silence.
        order.cycles.iter().flat_map(|(cycle, _)| cycle).for_each(|at| {
            services.named.insert(entries[*at].name.text, None);
        });
        let mut resolved = BTreeMap::new();
        for at in order.sorted {
            let entry = &entries[at];
            if services.named.contains_key(entry.name.text) {
                continue;
            }
            let list = members[at].as_ref().and_then(|texts| services.resolve(texts, faults));
            if let Some(list) = &list {
                let named =
                    NamedService { name: entry.name.text.to_owned(), services: list.clone(), span: entry.name.span };
                resolved.insert(at, named);
            }
            services.named.insert(entry.name.text, list);
        }
        (services, resolved.into_values().collect())
    }

    /// What a list of texts means, each service once; `None` if any is broken.
    pub fn resolve(&self, texts: &[Text<'_>], faults: &mut Faults<'_>) -> Option<Vec<Service>> {
        let mut list: Vec<Service> = Vec::with_capacity(texts.len());
        let mut whole = true;
        for text in texts {
            match self.one(*text, faults) {
                Some(found) if faults.expand(found.len(), text.span) => list.extend(found),
                _ => whole = false,
            }
        }
        if list.len() > 1 {
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|service| seen.insert(*service));
        }
        whole.then_some(list)
    }

    fn one(&self, text: Text<'_>, faults: &mut Faults<'_>) -> Option<Vec<Service>> {
        if let Some((protocol, rest)) = text.text.split_once('/') {
            return parse(text, protocol, rest, faults);
        }
        if let Some(own) = self.named.get(text.text) {
            return own.clone();
        }
        if let Some(list) = built_in(text.text) {
            return Some(list);
        }
        self.unknown(text, faults);
        None
    }

    fn unknown(&self, text: Text<'_>, faults: &mut Faults<'_>) {
        let word = text.text;
        if word.starts_with('$') {
            faults.not_yet(text.span, "variables");
            return;
        }
        let help = if word == "any" || word == "all" || word == "*" {
            "leave `service` out for every protocol".to_owned()
        } else if is_port_list(word) {
            format!("a service names its protocol: \"tcp/{word}\" or \"udp/{word}\"")
        } else {
            let mut known: Vec<&str> = self.named.keys().copied().collect();
            known.extend(built_in_names().map(|(name, _)| name));
            known.extend(proto::names().map(|name| -> &str { name }));
            match faults.nearest(word, known.into_iter()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write protocol and port, such as \"tcp/8443\", or give it a name in [services]".to_owned(),
            }
        };
        faults.error(codes::UNKNOWN_NAME, text.span, format!("there is no service `{}`", shorten(word)), "", help);
    }
}

fn is_port_list(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// A service written out: `protocol/rest`.
fn parse(text: Text<'_>, protocol: &str, rest: &str, faults: &mut Faults<'_>) -> Option<Vec<Service>> {
    let rest_span = text.part(protocol.len() + 1..text.text.len());
    if protocol == "proto" {
        return match rest.parse::<u8>() {
            Ok(number) if !rest.starts_with('+') => Some(vec![Service { proto: number, ports: Ports::All }]),
            _ => {
                let message = format!("`{}` is not a protocol number", shorten(rest));
                faults.error(codes::UNKNOWN_PROTOCOL, rest_span, message, "", "0 to 255, such as proto/89");
                None
            }
        };
    }
    let Some(number) = proto::number(protocol) else {
        unknown_protocol(text, protocol, rest, faults);
        return None;
    };
    if number == proto::ICMP || number == proto::ICMPV6 {
        return icmp(text, number, rest, faults);
    }
    if !proto::has_ports(number) {
        let message = format!("{protocol} has no ports");
        faults.error(codes::NO_PORTS, rest_span, message, "", format!("write \"{protocol}\" for all of it"));
        return None;
    }
    port_range(text, protocol, rest, faults).map(|range| vec![Service { proto: number, ports: Ports::Range(range) }])
}

fn port_range(text: Text<'_>, protocol: &str, rest: &str, faults: &mut Faults<'_>) -> Option<PortRange> {
    let span = text.part(protocol.len() + 1..text.text.len());
    let mut bad = |message: String, help: String| {
        faults.error(codes::BAD_PORT, span, message, "", help);
        None
    };
    let port = |part: &str| part.parse::<u16>().ok().filter(|port| *port > 0 && !part.starts_with('+'));
    let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
    match (port(first), port(last)) {
        (Some(low), Some(high)) => match PortRange::new(low, high) {
            Some(range) => Some(range),
            None => bad("the port range ends before it begins".to_owned(), format!("write {high}-{low}")),
        },
        _ if rest.contains(',') => {
            let list: Vec<_> = rest.split(',').map(|part| format!("\"{protocol}/{}\"", part.trim())).collect();
            bad(format!("`{}` is not a port", shorten(rest)), format!("write a list: [{}]", list.join(", ")))
        }
        _ if rest.contains(':') => {
            bad(format!("`{}` is not a port range", shorten(rest)), format!("write {}", rest.replace(':', "-")))
        }
        _ if built_in(rest).is_some() => {
            bad(format!("`{rest}` is not a port"), format!("the service is written without protocol: \"{rest}\""))
        }
        (found, _) => {
            let part = if found.is_none() { first } else { last };
            bad(
                format!("`{}` is not a port", shorten(part)),
                format!("1 to 65535, or a range such as {protocol}/8000-8100"),
            )
        }
    }
}

fn icmp(text: Text<'_>, protocol: u8, rest: &str, faults: &mut Faults<'_>) -> Option<Vec<Service>> {
    let span = text.part(text.text.len() - rest.len()..text.text.len());
    let name = proto::name(protocol).expect("ICMP has a name");
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        let (kind, code) = match rest.split_once('/') {
            Some((kind, code)) => (kind.parse::<u8>().ok(), code.parse::<u8>().ok().map(Some)),
            None => (rest.parse::<u8>().ok(), Some(None)),
        };
        if let (Some(kind), Some(code)) = (kind, code) {
            return Some(vec![Service { proto: protocol, ports: Ports::Icmp { kind, code } }]);
        }
        let message = format!("`{}` is not a type, or type and code", shorten(rest));
        faults.error(codes::BAD_ICMP, span, message, "", format!("each 0 to 255: \"{name}/3\" or \"{name}/3/4\""));
        return None;
    }
    let mut found = icmp_named(rest);
    if protocol == proto::ICMPV6 {
        found.retain(|service| service.proto == proto::ICMPV6);
    }
    if !found.is_empty() {
        return Some(found);
    }
    let message = format!("`{}` is not a type of {name}", shorten(rest));
    let help = match faults.nearest(rest, icmp_names()) {
        Some(meant) if meant != rest => format!("did you mean `{meant}`?"),
        _ => format!("such as \"{name}/echo-request\", or a number"),
    };
    faults.error(codes::BAD_ICMP, span, message, "", help);
    None
}

fn unknown_protocol(text: Text<'_>, protocol: &str, rest: &str, faults: &mut Faults<'_>) {
    let lower = protocol.to_ascii_lowercase();
    let help = if is_port_list(protocol) && proto::number(rest).is_some() {
        format!("write \"{rest}/{protocol}\"")
    } else if proto::number(&lower).is_some() {
        format!("write it in small letters: \"{lower}/{rest}\"")
    } else if protocol.parse::<u8>().is_ok() {
        format!("a protocol by its number is \"proto/{protocol}\"")
    } else if built_in(protocol).is_some() {
        format!("`{protocol}` is a service and stands alone: \"{protocol}\"")
    } else {
        match faults.nearest(protocol, proto::names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("protocols: {}, proto/NUMBER", proto::names().collect::<Vec<_>>().join(", ")),
        }
    };
    let message = format!("there is no protocol `{}`", shorten(protocol));
    faults.error(codes::UNKNOWN_PROTOCOL, text.part(0..protocol.len()), message, "", help);
}

/// A service as the file would write it.
pub fn write_service(service: &Service) -> String {
    let name = proto::name(service.proto);
    match (service.ports, name) {
        (Ports::All, Some(name)) => name.to_owned(),
        (Ports::All, None) => format!("proto/{}", service.proto),
        (Ports::Range(range), name) => format!("{}/{range}", name.unwrap_or("proto")),
        (Ports::Icmp { kind, code: None }, name) => format!("{}/{kind}", name.unwrap_or("icmp")),
        (Ports::Icmp { kind, code: Some(code) }, name) => format!("{}/{kind}/{code}", name.unwrap_or("icmp")),
    }
}

fn written(services: &[Service]) -> String {
    services.iter().map(write_service).collect::<Vec<_>>().join(", ")
}
