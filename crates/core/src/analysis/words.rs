//! Services and ends in the policy's own words.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Flow, Header, proto};

use super::domain::{is_stand_in, zone_name, zone_of};

use crate::policy::{
    Policy, Ports, Schedule, SegmentId, Service, Zone, built_in_service, built_in_service_names, write_service,
};
use crate::ruleset::{At, Origin, Ruleset};

/// Names for what a policy's rules say; made once, asked often.
pub struct Words<'p> {
    policy: &'p Policy,
    /// Names with what they stand for: the file's own first, then built-in ones, those of many services first.
    services: Vec<(&'p str, Vec<Service>)>,
    /// Lists that were asked for: many rules share few.
    known: RefCell<BTreeMap<Vec<Service>, Vec<String>>>,
    /// Hosts and sets by their addresses.
    named: BTreeMap<(Zone, Vec<AddrRange>), &'p str>,
}

/// What all protocols are called.
pub const EVERYTHING: &str = "everything";

impl<'p> Words<'p> {
    /// The words of a policy.
    #[must_use]
    pub fn of(policy: &'p Policy) -> Self {
        let mut own: Vec<(&str, Vec<Service>)> =
            policy.services.iter().map(|named| (named.name.as_str(), sorted(named.services.clone()))).collect();
        let mut built_in: Vec<(&str, Vec<Service>)> = built_in_service_names()
            .map(|(name, _)| name)
            .chain(["icmp"])
            .filter_map(|name| Some((name, sorted(built_in_service(name)?))))
            .collect();
        // Two names for the same ports say less than the ports.
        let mut count: BTreeMap<Vec<Service>, usize> = BTreeMap::new();
        built_in.iter().for_each(|(_, services)| *count.entry(services.clone()).or_default() += 1);
        built_in.retain(|(_, services)| count[services] == 1);
        own.sort_by_key(|(_, services)| std::cmp::Reverse(services.len()));
        built_in.sort_by_key(|(_, services)| std::cmp::Reverse(services.len()));
        own.extend(built_in);
        let mut named = BTreeMap::new();
        for set in &policy.sets {
            named.insert((set.zone, AddrRange::merge(set.addresses.clone())), set.name.as_str());
        }
        for host in &policy.hosts {
            let addresses = host.addresses.iter().copied().map(AddrRange::single).collect();
            named.insert((Zone::Segment(host.segment), AddrRange::merge(addresses)), host.name.as_str());
        }
        Self { policy, services: own, known: RefCell::default(), named }
    }

    /// The words for services, each once: `https, dns, tcp/8000-8100`.
    #[must_use]
    pub fn services(&self, services: Option<&[Service]>) -> Vec<String> {
        let Some(services) = services else { return vec![EVERYTHING.to_owned()] };
        if let Some(words) = self.known.borrow().get(services) {
            return words.clone();
        }
        let words = self.services_anew(services);
        self.known.borrow_mut().insert(services.to_vec(), words.clone());
        words
    }

    fn services_anew(&self, services: &[Service]) -> Vec<String> {
        let mut left = sorted(services.to_vec());
        let mut words: Vec<(Service, String)> = Vec::new();
        for (name, parts) in &self.services {
            if !parts.is_empty() && parts.iter().all(|part| left.binary_search(part).is_ok()) {
                words.push((parts[0], (*name).to_owned()));
                left.retain(|service| !parts.contains(service));
            }
        }
        words.extend(left.iter().map(|service| (*service, service_word(service))));
        words.sort();
        words.into_iter().map(|(_, word)| word).collect()
    }

    /// The word for addresses of a zone: a host, a set, or the addresses themselves. `None`: all of the zone.
    #[must_use]
    pub fn addresses(&self, zone: Zone, addresses: Option<&[AddrRange]>) -> Option<String> {
        let addresses = addresses?;
        if let Some(name) = self.named.get(&(zone, addresses.to_vec())) {
            return Some((*name).to_owned());
        }
        Some(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    /// An end as a rule would write it: `dmz`, `web`, `internet/198.51.100.7`.
    #[must_use]
    pub fn end(&self, zone: Zone, addresses: Option<&[AddrRange]>) -> String {
        let name = match zone {
            Zone::Segment(SegmentId(at)) => &self.policy.segments[at as usize].name,
            Zone::Segments => "segments",
            Zone::Internet => "internet",
            Zone::Gateway => "gateway",
        };
        match addresses {
            None => name.to_owned(),
            Some(addresses) => match self.named.get(&(zone, addresses.to_vec())) {
                Some(known) => (*known).to_owned(),
                None => addresses.iter().map(|range| format!("{name}/{range}")).collect::<Vec<_>>().join(", "),
            },
        }
    }
}

fn sorted(mut services: Vec<Service>) -> Vec<Service> {
    services.sort_unstable();
    services.dedup();
    services
}

/// A service as the file writes it. `icmp` alone would mean ICMPv6 too.
pub(super) fn service_word(service: &Service) -> String {
    match (service.proto, service.ports) {
        (proto::ICMP, Ports::All) => format!("proto/{}", proto::ICMP),
        _ => write_service(service),
    }
}

/// `mon-fri 08:00-18:00`.
#[must_use]
pub fn schedule_words(schedule: &Schedule) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let on: Vec<usize> = (0..7).filter(|day| schedule.days[*day]).collect();
    let in_a_row = on.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let days = match (on.first(), on.last()) {
        (Some(first), Some(last)) if in_a_row && on.len() > 2 => format!("{}-{}", DAYS[*first], DAYS[*last]),
        _ => on.iter().map(|day| DAYS[*day]).collect::<Vec<_>>().join(","),
    };
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{days} {}-{}", clock(schedule.from_minute), clock(schedule.to_minute))
}

/// How people call a lowered rule: `accept, line 12`, `forward, line 30`, or what is needed.
pub(super) fn rule_words(ruleset: &Ruleset, at: usize) -> String {
    let rule = &ruleset.rules[at];
    match rule.origin {
        Origin::Written(_) => format!("the {} at line {}", rule.verdict.word(), rule.line),
        Origin::Forward(_) => format!("the port forward at line {}", rule.line),
        Origin::Need(need) => need.describe().to_owned(),
    }
}

/// A flow in one line: `tcp from 192.168.20.10 (internal) to 192.168.30.10 (server) port 22`.
#[must_use]
pub fn flow_words(ruleset: &Ruleset, flow: &Flow) -> String {
    let at = |place| zone_of(ruleset, place).map_or("an unknown interface", |zone| zone_name(ruleset, zone));
    let addr = |addr: IpAddr| if is_stand_in(addr) { "the uplink's address".to_owned() } else { addr.to_string() };
    let (protocol, target) = match flow.header {
        Header::Ports { dport, .. } => (proto_word(flow.proto), format!(" port {dport}")),
        Header::Icmp { kind: 8 | 128, .. } => ("an echo request".to_owned(), String::new()),
        Header::Icmp { kind, code } => (format!("{} type {kind} code {code}", proto_word(flow.proto)), String::new()),
        Header::Other => (proto_word(flow.proto), String::new()),
    };
    let sent = flow.sent.map_or_else(String::new, |sent| format!(", sent to {} port {}", addr(sent.dst), sent.dport));
    let (src, dst) = (addr(flow.src), addr(flow.dst));
    format!("{protocol} from {src} ({}) to {dst} ({}){target}{sent}", at(flow.input), at(flow.output))
}

fn proto_word(number: u8) -> String {
    proto::name(number).map_or_else(|| format!("protocol {number}"), str::to_owned)
}

/// An instant as people say it, in the policy's time zone.
pub(super) fn time_words(ruleset: &Ruleset, at: At) -> String {
    match at {
        At::Instant(instant) => {
            let local = ruleset.timezone.to_datetime(instant);
            format!("at {}", local.strftime("%A %Y-%m-%d %H:%M"))
        }
        At::ClockUnknown => "while the clock is not known to be right".to_owned(),
    }
}
