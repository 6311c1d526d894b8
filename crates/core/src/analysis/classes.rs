//! Classes of flows that no rule tells apart: what every claim about a pair of places is decided over.
//!
//! Addresses, services and times are cut wherever a rule that touches the pair begins or ends; pieces that the same rules
//! hold are one class. Every combination of classes is one flow to ask the oracle about.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use segwall_packetset::{AddrRange, Family, Flow, Header, Place, PortRange, Sent};

use super::domain::meet;
use super::service_classes::{ServiceClass, service_classes};
use super::times::instants;
use crate::policy::{Ports, Service};
use crate::ruleset::{At, Dst, FlowBox, Ruleset, Translation, holds};

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub input: Place,
    pub output: Place,
    /// Sorted, merged.
    pub src: Arc<[AddrRange]>,
    /// Sorted, merged; as delivered.
    pub dst: Arc<[AddrRange]>,
    /// As delivered; `None`: every protocol.
    pub services: Option<Vec<Service>>,
    /// Only what a port forward delivers.
    pub forwarded_only: bool,
}

/// One combination of classes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Combination {
    /// The flow as it is sent, where the question means it.
    pub direct: Option<Flow>,
    /// The same flow as a port forward delivers it.
    pub forwarded: Option<Flow>,
    /// Places in the lists of sources, destinations and services.
    pub at: [usize; 3],
}

impl Combination {
    pub fn flows(self) -> impl Iterator<Item = Flow> {
        self.direct.into_iter().chain(self.forwarded)
    }
}

/// Addresses that the same rules hold.
#[derive(Debug, Clone)]
pub(super) struct AddrClass {
    pub ranges: Vec<AddrRange>,
    /// One of them that looks like a host.
    pub example: IpAddr,
}

impl AddrClass {
    pub fn family(&self) -> Family {
        Family::of(self.example)
    }
}

/// The classes of a question.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    pub src: Vec<AddrClass>,
    pub dst: Vec<AddrClass>,
    pub services: Vec<ServiceClass>,
    /// The instant asked for first, then one for every other set of rules that will be in force.
    pub instants: Vec<At>,
}

impl Classes {
    pub fn of(ruleset: &Ruleset, question: &Question, at: At) -> Self {
        let boxes = touching(ruleset, question);
        let mut src_sets: Vec<&Arc<[AddrRange]>> = boxes.iter().filter_map(|(_, b)| b.src.as_ref()).collect();
        let dst_sets: Vec<&Arc<[AddrRange]>> = boxes
            .iter()
            .filter_map(|(_, b)| match &b.dst {
                Dst::Addresses(ranges) => Some(ranges),
                Dst::Any | Dst::Own => None,
            })
            .collect();
        let mut services: Vec<&Arc<[Service]>> = boxes.iter().filter_map(|(_, b)| b.services.as_ref()).collect();
        services.sort_unstable();
        services.dedup();
        // What is sent to the box may be taken by a port forward: cut there too.
        let taking = ruleset.translations.iter().filter(|_| question.output == Place::Gateway);
        let taken: Vec<Arc<[Service]>> = taking
            .clone()
            .map(|taking| [Service { proto: taking.proto, ports: Ports::Range(taking.ports) }].into())
            .collect();
        services.extend(&taken);
        src_sets.extend(taking.filter_map(|taking| taking.from.as_ref()));
        let mut rules: Vec<usize> = boxes.iter().map(|(rule, _)| *rule).collect();
        rules.dedup();
        Self {
            src: address_classes(&question.src, &src_sets),
            dst: address_classes(&question.dst, &dst_sets),
            services: service_classes(question.services.as_deref(), &services),
            instants: instants(ruleset, &rules, at),
        }
    }

    /// Every combination that some packet has.
    pub fn combinations<'c>(
        &'c self,
        ruleset: &'c Ruleset,
        question: &'c Question,
    ) -> impl Iterator<Item = Combination> + 'c {
        let addresses = self.src.iter().enumerate().flat_map(move |(s, src)| {
            self.dst.iter().enumerate().map(move |(d, dst)| (s, src.example, d, dst.example))
        });
        addresses.filter(|(_, src, _, dst)| src.is_ipv4() == dst.is_ipv4()).flat_map(move |(s, src, d, dst)| {
            self.services.iter().enumerate().filter_map(move |(n, service)| {
                let (proto, header) = service.example(Family::of(dst))?;
                let (input, output) = (question.input, question.output);
                let flow = Flow { input, output, proto, src, dst, header, sent: None };
                let direct = !question.forwarded_only && !is_translated(ruleset, &flow);
                let forwarded = forwarded(ruleset, &flow, question.forwarded_only);
                let direct = direct.then_some(flow);
                (direct.is_some() || forwarded.is_some()).then_some(Combination { direct, forwarded, at: [s, d, n] })
            })
        })
    }
}

/// Whether a packet to the box itself never gets there because a port forward takes it.
fn is_translated(ruleset: &Ruleset, flow: &Flow) -> bool {
    let Header::Ports { dport, .. } = flow.header else { return false };
    let sent = Sent { dst: flow.dst, dport };
    flow.output == Place::Gateway && ruleset.translate(flow.input, flow.src, sent, flow.proto).is_some()
}

/// The same flow as a port forward delivers it to its target: from the uplink, and from segments where they are meant.
fn forwarded(ruleset: &Ruleset, flow: &Flow, from_segments: bool) -> Option<Flow> {
    let Header::Ports { dport, .. } = flow.header else { return None };
    ruleset.translations.iter().find_map(|translation| {
        let meant = flow.output == Place::Interface(translation.segment)
            && flow.dst == translation.to
            && flow.proto == translation.proto
            && translation.delivered_ports().contains(dport)
            && enters(ruleset, translation, flow.input, from_segments)
            && (flow.input != Place::Interface(translation.uplink)
                || translation.from.as_ref().is_none_or(|from| holds(from, flow.src)));
        let own = &ruleset.interface(translation.uplink).addresses;
        let listening = own.iter().copied().find(|addr| addr.is_ipv4() == translation.to.is_ipv4())?;
        let sent_port = if translation.to_port.is_some() { translation.ports.first } else { dport };
        meant.then_some(Flow { sent: Some(Sent { dst: listening, dport: sent_port }), ..*flow })
    })
}

fn enters(ruleset: &Ruleset, translation: &Translation, input: Place, from_segments: bool) -> bool {
    match input {
        Place::Interface(id) if id == translation.uplink => true,
        Place::Interface(id) => from_segments && translation.hairpin && ruleset.is_segment(id),
        Place::Gateway | Place::Elsewhere => false,
    }
}

/// What port forwards make of a question about the box: the same packets, at their targets.
pub(super) fn forwarded_questions(ruleset: &Ruleset, question: &Question) -> Vec<Question> {
    let mut questions = Vec::new();
    if question.output != Place::Gateway {
        return questions;
    }
    for translation in ruleset.translations.iter().filter(|t| enters(ruleset, t, question.input, true)) {
        let own = &ruleset.interface(translation.uplink).addresses;
        let listening =
            own.iter().any(|addr| addr.is_ipv4() == translation.to.is_ipv4() && holds(&question.dst, *addr));
        let asked = match &question.services {
            None => vec![translation.ports],
            Some(services) => services
                .iter()
                .filter(|service| service.proto == translation.proto)
                .filter_map(|service| {
                    let range = Ruleset::ports_of(service)?;
                    PortRange::new(range.first.max(translation.ports.first), range.last.min(translation.ports.last))
                })
                .collect(),
        };
        if !listening || asked.is_empty() {
            continue;
        }
        let delivered = |range: PortRange| translation.to_port.map_or(range, PortRange::single);
        let service = |range| Service { proto: translation.proto, ports: Ports::Range(delivered(range)) };
        questions.push(Question {
            input: question.input,
            output: Place::Interface(translation.segment),
            src: question.src.clone(),
            dst: [AddrRange::single(translation.to)].into(),
            services: Some(asked.into_iter().map(service).collect()),
            forwarded_only: true,
        });
    }
    questions
}

/// The boxes that may cover a flow of the question, with their rules.
fn touching<'r>(ruleset: &'r Ruleset, question: &Question) -> Vec<(usize, &'r FlowBox)> {
    let mut boxes = ruleset.boxes_between(question.input, question.output);
    boxes.retain(|(_, flow_box)| {
        flow_box.src.as_ref().is_none_or(|src| meet(src, &question.src))
            && match &flow_box.dst {
                Dst::Addresses(dst) => meet(dst, &question.dst),
                Dst::Any | Dst::Own => true,
            }
    });
    boxes
}

/// Cuts a domain where sets begin and end, and joins the pieces that the same sets hold.
fn address_classes(domain: &[AddrRange], sets: &[&Arc<[AddrRange]>]) -> Vec<AddrClass> {
    let mut sets: Vec<&Arc<[AddrRange]>> = sets.to_vec();
    sets.sort_unstable();
    sets.dedup();
    let mut cuts: Vec<IpAddr> = sets
        .iter()
        .flat_map(|set| set.iter())
        .flat_map(|range| [Some(range.first()), range.after()])
        .flatten()
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut classes: BTreeMap<(Family, Vec<bool>), Vec<AddrRange>> = BTreeMap::new();
    for range in domain {
        let mut start = range.first();
        let inner = cuts.partition_point(|cut| *cut <= range.first());
        let inside = cuts[inner..].iter().take_while(|cut| **cut <= range.last());
        let mut pieces = Vec::new();
        for cut in inside.filter(|cut| cut.is_ipv4() == range.first().is_ipv4()) {
            let end = AddrRange::single(*cut).before().expect("a cut behind the first address");
            pieces.extend(AddrRange::new(start, end));
            start = *cut;
        }
        pieces.extend(AddrRange::new(start, range.last()));
        for piece in pieces {
            let held = sets.iter().map(|set| holds(set, piece.first())).collect();
            classes.entry((piece.family(), held)).or_default().push(piece);
        }
    }
    classes
        .into_values()
        .map(|ranges| {
            let ranges = AddrRange::merge(ranges);
            AddrClass { example: example_of(&ranges), ranges }
        })
        .collect()
}

/// An address that people take for a host's: well known on the internet, not a network's first or last elsewhere.
fn example_of(ranges: &[AddrRange]) -> IpAddr {
    const WELL_KNOWN: [&str; 2] = ["198.51.100.10", "2001:db8:9999::10"];
    let known = WELL_KNOWN.iter().map(|text| text.parse::<IpAddr>().expect("a constant"));
    if let Some(addr) = known.into_iter().find(|addr| holds(ranges, *addr)) {
        return addr;
    }
    let largest = ranges.iter().max_by_key(|range| range.len()).expect("a class holds an address");
    largest.nth(10.min(largest.len() / 2)).unwrap_or(largest.first())
}
