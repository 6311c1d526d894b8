//! Classes of flows that no rule tells apart: what every claim about a pair of places is decided over.
//!
//! Addresses, services and times are cut wherever a rule that touches the pair begins or ends; pieces that the same rules
//! hold are one class. Every combination of classes is one flow to ask the oracle about.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use segwall_packetset::{AddrRange, Family, Flow, Header, Place, Sent};

use super::domain::meet;
use super::service_classes::{ServiceClass, service_classes};
use super::times::instants;
use crate::policy::Service;
use crate::ruleset::{At, Dst, FlowBox, Ruleset, holds};

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question<'q> {
    pub input: Place,
    pub output: Place,
    /// Sorted, merged.
    pub src: Vec<AddrRange>,
    /// Sorted, merged; as delivered.
    pub dst: Vec<AddrRange>,
    /// `None`: every protocol.
    pub services: Option<&'q [Service]>,
}

/// Addresses that the same rules hold.
#[derive(Debug, Clone)]
pub(super) struct AddrClass {
    pub ranges: Vec<AddrRange>,
    /// One of them that looks like a host.
    pub example: IpAddr,
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
    pub fn of(ruleset: &Ruleset, question: &Question<'_>, at: At) -> Self {
        let boxes = touching(ruleset, question);
        let src_sets: Vec<&Arc<[AddrRange]>> = boxes.iter().filter_map(|(_, b)| b.src.as_ref()).collect();
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
        let mut rules: Vec<usize> = boxes.iter().map(|(rule, _)| *rule).collect();
        rules.dedup();
        Self {
            src: address_classes(&question.src, &src_sets),
            dst: address_classes(&question.dst, &dst_sets),
            services: service_classes(question.services, &services),
            instants: instants(ruleset, &rules, at),
        }
    }

    /// One flow for every combination, with its indices, direct and as a port forward would deliver it.
    pub fn flows<'c>(
        &'c self,
        ruleset: &'c Ruleset,
        question: &'c Question<'_>,
    ) -> impl Iterator<Item = (Flow, [usize; 3])> + 'c {
        let addresses = self.src.iter().enumerate().flat_map(move |(s, src)| {
            self.dst.iter().enumerate().map(move |(d, dst)| (s, src.example, d, dst.example))
        });
        addresses.filter(|(_, src, _, dst)| src.is_ipv4() == dst.is_ipv4()).flat_map(move |(s, src, d, dst)| {
            self.services.iter().enumerate().flat_map(move |(n, service)| {
                let direct = service.example(Family::of(dst)).map(|(proto, header)| Flow {
                    input: question.input,
                    output: question.output,
                    proto,
                    src,
                    dst,
                    header,
                    sent: None,
                });
                let forwarded = direct.and_then(|flow| forwarded(ruleset, &flow));
                direct.into_iter().chain(forwarded).map(move |flow| (flow, [s, d, n]))
            })
        })
    }
}

/// The same flow as a port forward delivers it to its target.
fn forwarded(ruleset: &Ruleset, flow: &Flow) -> Option<Flow> {
    let Header::Ports { dport, .. } = flow.header else { return None };
    ruleset.translations.iter().find_map(|translation| {
        let meant = flow.input == Place::Interface(translation.uplink)
            && flow.output == Place::Interface(translation.segment)
            && flow.dst == translation.to
            && flow.proto == translation.proto
            && translation.delivered_ports().contains(dport)
            && translation.from.as_ref().is_none_or(|from| holds(from, flow.src));
        let own = &ruleset.interface(translation.uplink).addresses;
        let listening = own.iter().copied().find(|addr| addr.is_ipv4() == translation.to.is_ipv4())?;
        let sent_port = if translation.to_port.is_some() { translation.ports.first } else { dport };
        meant.then_some(Flow { sent: Some(Sent { dst: listening, dport: sent_port }), ..*flow })
    })
}

/// The boxes that may cover a flow of the question, with their rules.
fn touching<'r>(ruleset: &'r Ruleset, question: &Question<'_>) -> Vec<(usize, &'r FlowBox)> {
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
