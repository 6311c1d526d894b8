//! The order of the passes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_spanned::Spanned;
use toml::de::DeTable;

use super::codes;
use super::env::{Env, Families};
use super::faults::Faults;
use super::keys;
use super::learning;
use super::model::{DhcpKind, DhcpServer, Dns, Policy, Segment, ServerRef, Wiring};
use super::names::Kind;
use super::networks::Networks;
use super::quarantine;
use super::reader::{Entry, Table, span_of};
use super::segment_dhcp::{self, Resident};
use super::segments::ReadSegment;
use super::service_text::Services;
use super::{ends, forwards, hosts, log, rules, segments, settings, silences, syntax, uplinks, wiring};
use crate::diag::Diagnostic;
use crate::source::{Source, Span};

/// What core cannot know by itself.
#[derive(Debug, Clone)]
pub struct Context {
    /// The day it is at the box.
    pub today: Date,
    /// The box's own time zone; UTC unless known.
    pub timezone: TimeZone,
}

/// What became of a policy file.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The policy; `None` when there is any error.
    pub policy: Option<Policy>,
    /// Everything found, in the order of the places.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a policy. Never stops at the first fault and never panics, whatever the text.
#[must_use]
pub fn load(source: &Source, context: &Context) -> Loaded {
    let mut faults = Faults::new(source.text());
    let prepared = syntax::prepare(source, &mut faults);
    if !prepared.parsable {
        return Loaded { policy: None, diagnostics: faults.finish() };
    }
    if prepared.repair.is_empty() {
        return check(source, source.text(), context, faults);
    }
    let text = prepared.repair.apply(source.text());
    let mut repaired = check(source, &text, context, Faults::new(&text)).diagnostics;
    let place = |span: &mut Span| *span = prepared.repair.original(*span);
    for found in &mut repaired {
        place(&mut found.span);
        found.labels.iter_mut().for_each(|label| place(&mut label.span));
        faults.push(found.clone());
    }
    let mut diagnostics = faults.finish();
    keep_local(&mut diagnostics, source);
    Loaded { policy: None, diagnostics }
}

/// Checks a text; `source` is the file it came from.
fn check<'d>(source: &Source, text: &'d str, context: &Context, mut faults: Faults<'d>) -> Loaded {
    let (tree, whole) = syntax::parse(text, &mut faults);
    if whole && tree.get_ref().is_empty() {
        faults.push(
            Diagnostic::error(codes::EMPTY_FILE, Span::default(), "the policy is empty")
                .help("`segwall init` writes one to start from"),
        );
        return Loaded { policy: None, diagnostics: faults.finish() };
    }
    let policy = build(&tree, context, &mut faults);
    if whole && !faults.any_error() && policy.as_ref().is_some_and(|policy| policy.segments.is_empty()) {
        faults.push(
            Diagnostic::error(
                codes::NO_SEGMENTS,
                Span::default(),
                "the policy has no segments: there is nothing to keep apart",
            )
            .help("write one: [segments.NAME] with its interface or vlan and its subnets; `segwall init` has examples"),
        );
    }
    let any_error = faults.any_error();
    let mut diagnostics = faults.finish();
    if !whole {
        keep_local(&mut diagnostics, source);
    }
    Loaded { policy: policy.filter(|_| !any_error), diagnostics }
}

/// After a syntax fault the tree lacks what could not be read. Only what concerns a single value is said then, and
/// nothing more of a line that is no TOML; the rest would be guesses.
fn keep_local(diagnostics: &mut Vec<Diagnostic>, source: &Source) {
    let is_syntax = |found: &Diagnostic| matches!(found.code, codes::SYNTAX | codes::GIVEN_TWICE | codes::TOO_DEEP);
    let broken: std::collections::BTreeSet<u32> =
        diagnostics.iter().filter(|found| is_syntax(found)).map(|found| source.line(found.span.start)).collect();
    diagnostics.retain(|found| {
        is_syntax(found) || (LOCAL.contains(&found.code) && !broken.contains(&source.line(found.span.start)))
    });
}

/// Faults that a value has by itself, whatever stands elsewhere in the file.
const LOCAL: &[crate::diag::Code] = &[
    codes::UNKNOWN_KEY,
    codes::WRONG_TYPE,
    codes::NOT_YET,
    codes::UNKNOWN_WORD,
    codes::CONTROL_CHARACTER,
    codes::EMPTY_LIST,
    codes::OUT_OF_RANGE,
    codes::BAD_NAME,
    codes::RESERVED_NAME,
    codes::BUILT_IN_SERVICE,
    codes::VLAN_RANGE,
    codes::INTERFACE_NAME_LONG,
    codes::INTERFACE_NAME,
    codes::BAD_ADDRESS,
    codes::SPECIAL_NETWORK,
    codes::BAD_MAC,
    codes::BAD_PORT,
    codes::UNKNOWN_PROTOCOL,
    codes::NO_PORTS,
    codes::BAD_ICMP,
    codes::BAD_LIMIT,
    codes::BAD_SCHEDULE,
    codes::BAD_DURATION,
    codes::BAD_DATE,
    codes::BAD_TIMEZONE,
    codes::EXPECT_REJECT,
    codes::BAD_DOMAIN,
    codes::BAD_REMOTE,
    codes::BAD_URL,
];

fn build<'d>(tree: &'d Spanned<DeTable<'d>>, context: &Context, faults: &mut Faults<'_>) -> Option<Policy> {
    let top = Table::of_map(tree.get_ref(), Span::default(), &keys::TOP, faults);
    let gateway_table = top.table("gateway", &keys::GATEWAY, faults);
    let mut gateway = settings::gateway(gateway_table.as_ref(), faults);
    let trunk = gateway_table.and_then(|table| match table.get("trunk")?.get_ref() {
        toml::de::DeValue::String(text) => Some(text.as_ref()),
        _ => None,
    });

    let entries = |key: &str, faults: &mut Faults<'_>| top.entries(key, faults);
    let segment_entries = entries("segments", faults);
    let uplink_entries = entries("uplinks", faults);
    let host_entries = entries("hosts", faults);
    let set_entries = entries("sets", faults);
    let group_entries = entries("groups", faults);
    let service_entries = entries("services", faults);

    let mut env = Env::default();
    env.names.add(Kind::Segment, &segment_entries, faults);
    env.names.add(Kind::Uplink, &uplink_entries, faults);
    env.names.add(Kind::Host, &host_entries, faults);
    env.names.add(Kind::Set, &set_entries, faults);
    env.names.add(Kind::Group, &group_entries, faults);

    let wired =
        interfaces(&segment_entries, &uplink_entries, (trunk, context.today), gateway_table.as_ref(), &mut env, faults);
    gateway.management = settings::management(gateway_table.as_ref(), &env, faults);

    let spans = read_hosts(&host_entries, &mut env, faults);
    segment_dhcps(&wired, &spans, &mut env, faults);
    for entry in &set_entries {
        let set = hosts::read_set(entry, &env, faults);
        env.sets.push(set);
    }
    let (named, services) = Services::read(&service_entries, faults);
    env.services = named;
    let groups = ends::read_groups(&group_entries, &mut env, faults);

    let mut rules = rules::read_all(&top, &env, context.today, faults);
    rules.extend(learning::rules(&env.segments));
    rules.sort_by_key(|rule| rule.span);
    let forwards = forwards::read_all(&top, &env, faults);
    let expects = rules::read_expects(&top, &env, faults);
    let quarantine = quarantine::read(&top, &env, faults);
    let dns = settings::dns(&top, faults);
    let dhcp = settings::dhcp(&top, faults);
    let log = log::log(&top, faults);
    let alerts = settings::alerts(&top, faults);
    let silences = silences::read_all(&top, &env, context.today, faults);
    let notify = settings::notify(&top, faults);
    not_served(&env, &dns, dhcp, &spans, faults);

    let Env { segments, uplinks, hosts, sets, .. } = env;
    Some(Policy {
        gateway,
        uplinks,
        segments,
        hosts: hosts.into_iter().collect::<Option<_>>()?,
        sets: sets.into_iter().collect::<Option<_>>()?,
        groups,
        services,
        rules,
        forwards,
        expects,
        quarantine,
        dns,
        dhcp,
        log,
        alerts,
        silences,
        notify,
    })
}

/// Reads segments and uplinks, and checks what they share: VLANs, interfaces, networks.
fn interfaces<'d>(
    segment_entries: &[Entry<'d>],
    uplink_entries: &[Entry<'d>],
    (trunk, today): (Option<&'d str>, Date),
    gateway: Option<&Table<'d>>,
    env: &mut Env<'d>,
    faults: &mut Faults<'_>,
) -> Vec<(Option<Table<'d>>, bool)> {
    uplinks::only_one(uplink_entries, faults);
    let mut ports = Vec::new();
    let mut whole = true;
    let mut wired = Vec::with_capacity(segment_entries.len());
    for entry in segment_entries {
        let ReadSegment { segment, table, port, networks_whole } = segments::read(entry, trunk, today, faults);
        env.segments.push(segment);
        ports.extend(port);
        whole &= networks_whole;
        wired.push((table, networks_whole));
    }
    env.uplinks_whole = true;
    for entry in uplink_entries {
        let read = uplinks::read(entry, trunk, faults);
        env.uplinks.push(read.uplink);
        ports.extend(read.port);
        env.uplinks_whole &= read.addresses_whole;
    }
    ports.sort_by_key(|port| port.span);
    let mut trunks: BTreeMap<&str, Span> = BTreeMap::new();
    for port in &ports {
        if let Wiring::Vlan { trunk, .. } = &port.wiring {
            trunks.entry(trunk).or_insert(port.vlan_span);
        }
    }
    if let (Some(name), Some(value)) = (trunk, gateway.and_then(|table| table.get("trunk"))) {
        trunks.insert(name, span_of(value));
    }
    wiring::check(&ports, &trunks, faults);
    env.families = Families::of(&env.segments, &env.uplinks);
    env.networks = Networks::collect(&env.segments, &env.uplinks, whole, faults);
    wired
}

/// Reads the hosts; gives the places of their addresses.
fn read_hosts<'d>(entries: &[Entry<'d>], env: &mut Env<'d>, faults: &mut Faults<'_>) -> Vec<(&'d str, Vec<Span>)> {
    let mut taken = hosts::Taken::default();
    let mut places = Vec::with_capacity(entries.len());
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        let (host, spans) = match hosts::read(entry, env, &mut taken, faults) {
            Some(found) => (Some(found.host), found.spans),
            None => (None, Vec::new()),
        };
        places.push((entry.name.text, spans));
        read.push(host);
    }
    env.hosts = read;
    places
}

fn segment_dhcps<'d>(
    wired: &[(Option<Table<'d>>, bool)],
    places: &[(&'d str, Vec<Span>)],
    env: &mut Env<'d>,
    faults: &mut Faults<'_>,
) {
    let mut residents: Vec<Vec<Resident<'d>>> = wired.iter().map(|_| Vec::new()).collect();
    for (host, (name, spans)) in env.hosts.iter().zip(places) {
        let Some(host) = host else { continue };
        for (addr, span) in host.addresses.iter().zip(spans) {
            let reserved = host.mac.is_some();
            residents[host.segment.index()].push(Resident { name, addr: *addr, span: *span, reserved });
        }
    }
    for (index, (table, whole)) in wired.iter().enumerate() {
        let Some(table) = table else { continue };
        let dhcp = segment_dhcp::read(table, &env.segments[index], *whole, &residents[index], env, faults);
        env.segments[index].dhcp = dhcp;
    }
}

/// Warns of what the file promises and nobody serves.
fn not_served(env: &Env<'_>, dns: &Dns, dhcp: DhcpServer, places: &[(&str, Vec<Span>)], faults: &mut Faults<'_>) {
    for segment in &env.segments {
        let Some(of_segment) = &segment.dhcp else { continue };
        if dhcp.kind == DhcpKind::None && of_segment.pool.is_some() {
            faults.push(
                Diagnostic::warning(
                    codes::POOL_NOT_SERVED,
                    of_segment.span,
                    format!("nobody gives out the pool of `{}`", segment.name),
                )
                .help("[dhcp] server = \"none\" starts no server; name one, or leave the pool out"),
            );
        }
        let asks_box = of_segment.dns.contains(&ServerRef::Gateway);
        let knows_some =
            !dns.upstream.is_empty() || env.uplinks.iter().any(|uplink| uplink.dhcp || uplink.ra || !uplink.managed);
        if asks_box && !knows_some {
            faults.push(
                Diagnostic::warning(
                    codes::DNS_WITHOUT_UPSTREAM,
                    of_segment.dns_span,
                    "the box is to resolve names but has nobody to ask",
                )
                .help("add [dns] upstream = [\"ADDRESS\"]"),
            );
        }
    }
    for (host, (_, spans)) in env.hosts.iter().zip(places) {
        let Some(host) = host.as_ref().filter(|host| host.mac.is_some()) else { continue };
        let segment: &Segment = &env.segments[host.segment.index()];
        if segment.dhcp.is_none() || dhcp.kind == DhcpKind::None {
            let span = spans.first().copied().unwrap_or(host.span);
            faults.push(
                Diagnostic::warning(
                    codes::MAC_WITHOUT_DHCP,
                    span,
                    format!("`{}` has a `mac`, but nobody serves DHCP in `{}`", host.name, segment.name),
                )
                .also(segment.span, "no DHCP here")
                .help("a host with a mac is a DHCP reservation; add dhcp = { … } to the segment, or leave the mac out"),
            );
        }
    }
}
