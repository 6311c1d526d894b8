//! One flow of a box, without sets: what rules a rule out before any set is made.

use segwall_packetset::{AddrRange, Family, Flow, Header, Place, proto};

use super::Context;
use crate::analysis::boxes_at::place_pairs;
use crate::analysis::domain::intersect;
use crate::policy::{Ports, Service, Verdict};
use crate::ruleset::{Dst, FlowBox, Path, Rule, Ruleset, Side};

const EPHEMERAL_PORT: u16 = 40_000;
/// A protocol for experiments (RFC 3692).
const UNNAMED_PROTO: u8 = 253;

/// Some flow that a box covers; `None` where none was found at the first pair of places that has addresses.
pub(super) fn sample(context: &Context<'_>, flow_box: &FlowBox) -> Option<Flow> {
    let ruleset = context.ruleset();
    place_pairs(ruleset, flow_box).find_map(|(input, output)| {
        let within = |domain: &[AddrRange], own: Option<&[AddrRange]>| match own {
            None => domain.to_vec(),
            Some(own) => intersect(domain, own),
        };
        let sources = within(&context.ground.sources(input), flow_box.src.as_deref());
        let targets = context.ground.destinations(input, output, flow_box.dst != Dst::Own);
        let targets = match &flow_box.dst {
            // What is forbidden stays so wherever the address lies.
            Dst::Addresses(own) => own.to_vec(),
            Dst::Any | Dst::Own => targets.to_vec(),
        };
        let flow = Family::BOTH.into_iter().find_map(|family| {
            let of_family =
                |list: &[AddrRange]| list.iter().find(|range| range.family() == family).map(AddrRange::first);
            let (src, dst) = (of_family(&sources)?, of_family(&targets)?);
            let (protocol, header) = match flow_box.services.as_deref() {
                None => (UNNAMED_PROTO, Header::Other),
                Some(list) => list.iter().find_map(|service| header_of(service, family))?,
            };
            Some(Flow { input, output, proto: protocol, src, dst, header, sent: None })
        })?;
        ruleset.box_covers(flow_box, &flow).then_some(flow)
    })
}

fn header_of(service: &Service, family: Family) -> Option<(u8, Header)> {
    let icmp = if family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
    Some(match service.ports {
        Ports::Range(range) => (service.proto, Header::Ports { sport: EPHEMERAL_PORT, dport: range.first }),
        Ports::Icmp { kind, code } if service.proto == icmp => {
            (service.proto, Header::Icmp { kind, code: code.unwrap_or(0) })
        }
        Ports::Icmp { .. } => return None,
        Ports::All if proto::has_ports(service.proto) => {
            (service.proto, Header::Ports { sport: EPHEMERAL_PORT, dport: 0 })
        }
        Ports::All if service.proto == icmp => (service.proto, Header::Icmp { kind: 8, code: 0 }),
        Ports::All => (service.proto, Header::Other),
    })
}

/// The interfaces, and the box itself, at which a rule's packets enter; each once, in order.
pub(super) fn inputs(ruleset: &Ruleset, rule: &Rule) -> Vec<Place> {
    let all = || ruleset.interface_ids().map(|(id, _)| Place::Interface(id));
    let mut places: Vec<Place> = rule
        .boxes
        .iter()
        .flat_map(|flow_box| match flow_box.path {
            Path::Output { .. } => vec![Place::Gateway],
            Path::Input { input } | Path::Forward { input, .. } => match input {
                Side::Any => all().collect(),
                Side::Segments => {
                    all().filter(|place| matches!(place, Place::Interface(id) if ruleset.is_segment(*id))).collect()
                }
                Side::One(id) => vec![Place::Interface(id)],
            },
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Whether any refusal speaks of packets that enter at a place.
pub(super) fn any_refusal(ruleset: &Ruleset, input: Place) -> bool {
    ruleset.boxes_from(input).iter().any(|(rule, _)| ruleset.rules[*rule].verdict != Verdict::Accept)
}
