//! Policy → ruleset: ends become interfaces and addresses, as product.md's "Meaning" says.

use std::sync::Arc;

use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, Family, InterfaceId, PortRange};

use super::model::{Dst, FlowBox, Index, Interface, Origin, Path, Role, Rule, Ruleset, Side, Translation, When};
use super::{Windows, needs};
use crate::policy::{self, End, ForwardId, Policy, Ports, RuleId, SegmentId, Service, Verdict, Zone};
use crate::source::Source;

/// Lowers a checked policy. `timezone` is the box's own, used where the policy names none.
#[must_use]
pub fn lower(policy: &Policy, source: &Source, timezone: &TimeZone) -> Ruleset {
    let interfaces = interfaces(policy);
    let timezone = policy.gateway.timezone.clone().unwrap_or_else(|| timezone.clone());
    let inside = AddrRange::merge(
        interfaces
            .iter()
            .flat_map(|interface| {
                interface.sources.iter().copied().chain(interface.addresses.iter().copied().map(AddrRange::single))
            })
            .collect(),
    );
    let mut ruleset = Ruleset {
        interfaces,
        rules: Vec::with_capacity(policy.rules.len()),
        translations: Vec::new(),
        inside: inside.into(),
        timezone,
        weekday_zone_s: 0,
        log_drops: policy.log.drops,
        quarantine_allow: AddrRange::merge(policy.quarantine.allow.clone()).into(),
        file: source.name().to_owned(),
        index: Index::default(),
    };
    for (id, rule) in (0..).map(RuleId).zip(&policy.rules) {
        let lowered = written(&ruleset, id, rule, source);
        ruleset.rules.push(lowered);
    }
    for (id, forward) in (0..).map(ForwardId).zip(&policy.forwards) {
        port_forward(&mut ruleset, id, forward, source);
    }
    ruleset.rules.sort_by_key(|rule| rule.span);
    let needs = needs::needs(policy, &ruleset);
    ruleset.rules.extend(needs);
    ruleset.reindex();
    ruleset
}

/// The interface of a segment.
pub(super) fn interface_of(segment: SegmentId) -> InterfaceId {
    InterfaceId(segment.0)
}

fn interfaces(policy: &Policy) -> Vec<Interface> {
    let segments = (0..).map(SegmentId).zip(&policy.segments).map(|(id, segment)| {
        let networks: Vec<AddrRange> = segment.subnets.iter().map(|subnet| subnet.network).collect();
        let sources = networks.iter().copied().chain(segment.routes.iter().map(|route| route.to)).collect();
        let carries = |family| networks.iter().any(|network| network.family() == family);
        Interface {
            name: segment.device.clone(),
            zone: segment.name.clone(),
            role: Role::Segment(id),
            sources: AddrRange::merge(sources).into(),
            addresses: segment.subnets.iter().map(|subnet| subnet.gateway).collect(),
            dynamic: false,
            ipv4: carries(Family::V4),
            ipv6: carries(Family::V6),
            masquerade: false,
            networks,
        }
    });
    let uplinks = policy.uplinks.iter().map(|uplink| {
        let carries = |family| uplink.addresses.iter().any(|address| Family::of(address.addr) == family);
        Interface {
            name: uplink.device.clone(),
            zone: uplink.name.clone(),
            role: Role::Uplink,
            networks: uplink
                .addresses
                .iter()
                .map(|address| AddrRange::prefix(address.addr, address.prefix_len))
                .collect(),
            sources: Arc::new([]),
            addresses: uplink.addresses.iter().map(|address| address.addr).collect(),
            dynamic: uplink.dhcp || uplink.ra,
            ipv4: uplink.dhcp || carries(Family::V4),
            ipv6: uplink.ra || carries(Family::V6),
            // Where no IPv4 leaves there is nothing to hide, and no address to hide it behind.
            masquerade: uplink.nat && (uplink.dhcp || carries(Family::V4)),
        }
    });
    segments.chain(uplinks).collect()
}

fn written(ruleset: &Ruleset, id: RuleId, rule: &policy::Rule, source: &Source) -> Rule {
    let services: Option<Arc<[Service]>> = rule.services.as_ref().map(|services| services.as_slice().into());
    let mut boxes = Vec::with_capacity(rule.from.len() * rule.to.len());
    for from in &rule.from {
        for to in &rule.to {
            match rule.verdict {
                Verdict::Accept => boxes.extend(accept_box(ruleset, from, to, services.as_ref())),
                Verdict::Drop | Verdict::Reject => refuse_boxes(ruleset, from, to, services.as_ref(), &mut boxes),
            }
        }
    }
    Rule {
        verdict: rule.verdict,
        origin: Origin::Written(id),
        boxes,
        untracked: false,
        firm: false,
        log: rule.log,
        limit: rule.limit,
        when: When {
            windows: rule.schedule.as_ref().map(Windows::of),
            until: rule.expires.and_then(|last| {
                let next = last.tomorrow().ok()?;
                Some(ruleset.timezone.to_zoned(next.to_datetime(jiff::civil::Time::midnight())).ok()?.timestamp())
            }),
        },
        span: Some(rule.span),
        line: source.line(rule.span.start),
        comment: rule.comment.clone(),
    }
}

/// Interfaces of a zone, `None` when it has none (no uplink) or is the box.
fn side(ruleset: &Ruleset, zone: Zone) -> Option<Side> {
    match zone {
        Zone::Segment(segment) => Some(Side::One(interface_of(segment))),
        Zone::Segments => Some(Side::Segments),
        Zone::Internet => ruleset.uplink().map(Side::One),
        Zone::Gateway => None,
    }
}

fn ranges(addresses: Option<&Vec<AddrRange>>) -> Option<Arc<[AddrRange]>> {
    addresses.map(|addresses| AddrRange::merge(addresses.clone()).into())
}

/// An accept means interface **and** address.
fn accept_box(ruleset: &Ruleset, from: &End, to: &End, services: Option<&Arc<[Service]>>) -> Option<FlowBox> {
    let dst = ranges(to.addresses.as_ref()).map(Dst::Addresses);
    let (path, dst) = match (from.zone, to.zone) {
        (Zone::Gateway, Zone::Gateway) => return None,
        (from, Zone::Gateway) => (Path::Input { input: side(ruleset, from)? }, dst.unwrap_or(Dst::Own)),
        (Zone::Gateway, to) => (Path::Output { output: side(ruleset, to)? }, dst.unwrap_or(Dst::Any)),
        (from_zone, to_zone) => {
            // What is routed inside one segment needs a rule that names it at both ends.
            let same = from_zone == to_zone && from.direct && to.direct && from_zone != Zone::Segments;
            let path = Path::Forward { input: side(ruleset, from_zone)?, output: side(ruleset, to_zone)?, same };
            (path, dst.unwrap_or(Dst::Any))
        }
    };
    Some(FlowBox { path, src: ranges(from.addresses.as_ref()), dst, services: services.cloned(), translated: None })
}

/// A drop or reject means the address alone, and of a segment its interface **or** its addresses.
fn refuse_boxes(ruleset: &Ruleset, from: &End, to: &End, services: Option<&Arc<[Service]>>, boxes: &mut Vec<FlowBox>) {
    let src = ranges(from.addresses.as_ref());
    let mut push = |path, dst| {
        boxes.push(FlowBox { path, src: src.clone(), dst, services: services.cloned(), translated: None });
    };
    // With an address, the interface it came by does not matter: anti-spoofing has already tied them together.
    let input = match (from.zone, &from.addresses) {
        (Zone::Gateway, _) => None,
        (_, Some(_)) => Some(Side::Any),
        (zone, None) => match side(ruleset, zone) {
            Some(side) => Some(side),
            None => return,
        },
    };
    let path = |output| match input {
        Some(input) => Path::Forward { input, output, same: true },
        None => Path::Output { output },
    };
    match (to.zone, ranges(to.addresses.as_ref())) {
        (Zone::Gateway, addresses) => {
            if let Some(input) = input {
                push(Path::Input { input }, addresses.map_or(Dst::Any, Dst::Addresses));
            }
        }
        (_, Some(addresses)) => push(path(Side::Any), Dst::Addresses(addresses)),
        (zone, None) => {
            if let Some(output) = side(ruleset, zone) {
                push(path(output), Dst::Any);
            }
            let networks: Vec<AddrRange> = match zone {
                Zone::Segment(segment) => ruleset.interface(interface_of(segment)).sources.to_vec(),
                Zone::Segments => {
                    ruleset.interfaces.iter().flat_map(|interface| interface.sources.iter().copied()).collect()
                }
                Zone::Internet | Zone::Gateway => Vec::new(),
            };
            if !networks.is_empty() {
                push(path(Side::Any), Dst::Addresses(AddrRange::merge(networks).into()));
            }
        }
    }
}

fn port_forward(ruleset: &mut Ruleset, id: ForwardId, forward: &policy::Forward, source: &Source) {
    let Some(uplink) = ruleset.uplink() else { return };
    let segment = interface_of(forward.segment);
    let line = source.line(forward.span.start);
    let from: Option<Vec<AddrRange>> = forward
        .from
        .iter()
        .map(|end| end.addresses.clone())
        .collect::<Option<Vec<_>>>()
        .map(|lists| AddrRange::merge(lists.concat()));
    let mut boxes = Vec::new();
    for service in &forward.ports {
        let ports = match service.ports {
            Ports::Range(range) => range,
            Ports::All => PortRange::ALL,
            Ports::Icmp { .. } => continue,
        };
        for to in forward.to.iter().copied() {
            if !ruleset.interface(uplink).carries(Family::of(to)) {
                continue;
            }
            // Sources of the other family never open a connection of this one.
            let from = match &from {
                None => None,
                Some(ranges) => {
                    let same: Vec<AddrRange> =
                        ranges.iter().copied().filter(|range| range.family() == Family::of(to)).collect();
                    if same.is_empty() {
                        continue;
                    }
                    Some(Arc::<[AddrRange]>::from(same))
                }
            };
            let translation = Translation {
                id,
                uplink,
                from: from.clone(),
                proto: service.proto,
                ports,
                segment,
                to,
                to_port: forward.to_port,
                hairpin: forward.hairpin,
                line,
            };
            let delivered = Service { proto: service.proto, ports: Ports::Range(translation.delivered_ports()) };
            boxes.push(FlowBox {
                path: Path::Forward { input: Side::One(uplink), output: Side::One(segment), same: false },
                src: from,
                dst: Dst::Addresses([AddrRange::single(to)].into()),
                services: Some([delivered].into()),
                translated: Some(
                    u32::try_from(ruleset.translations.len()).expect("fewer forwards than bytes of policy"),
                ),
            });
            ruleset.translations.push(translation);
        }
    }
    ruleset.rules.push(Rule {
        verdict: Verdict::Accept,
        origin: Origin::Forward(id),
        boxes,
        untracked: false,
        firm: false,
        log: forward.log,
        limit: None,
        when: When::default(),
        span: Some(forward.span),
        line,
        comment: forward.comment.clone(),
    });
}

impl Ruleset {
    /// Builds the index anew, after rules or boxes were changed by hand.
    pub fn reindex(&mut self) {
        let mut index = Index { by_input: vec![Vec::new(); self.interfaces.len()], ..Index::default() };
        for (rule_at, rule) in (0u32..).zip(&self.rules) {
            for (box_at, flow_box) in (0u32..).zip(&rule.boxes) {
                let place = (rule_at, box_at);
                match flow_box.path {
                    Path::Input { input: Side::One(id) } | Path::Forward { input: Side::One(id), .. } => {
                        index.by_input[id.index()].push(place);
                    }
                    Path::Input { .. } | Path::Forward { .. } => index.wide.push(place),
                    Path::Output { .. } => index.output.push(place),
                }
            }
        }
        let segments = self.interface_ids().filter(|(_, interface)| interface.role != Role::Uplink);
        index.homes =
            segments.flat_map(|(id, interface)| interface.sources.iter().map(move |range| (*range, id))).collect();
        index.homes.sort_unstable();
        self.index = index;
    }
}
