//! Every class of flow that a ruleset distinguishes between two zones, as probes.

mod ends;
mod item;
mod places;
mod spots;
mod view;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_core::policy::{Ports, Service};
use segwall_core::ruleset::{FlowBox, Path, Ruleset, Side};
use segwall_packetset::{AddrRange, Family, InterfaceId, Place, TcpFlags, proto};

use self::item::{Item, named_services, names, ports};
pub use self::places::Places;
use self::spots::{around, spots};
use self::view::View;
use crate::beyond;
use crate::classes::{Representative, address_classes};
use crate::probe::{Kind, Label, Probe};
use crate::topology::Topology;

/// Of the classes of a pair in one family at most this many combinations are probed; beyond, a sample of this size.
pub const CROSS_MAX: usize = 512;
/// Where a box has no ranges on one side, or speaks of every protocol, so many stand for it.
const BESIDE_MAX: usize = 2;

/// The probes of one zone as sender, by destination, and how many combinations were left out.
#[derive(Debug, Default)]
pub struct Generated {
    /// Probes, each once.
    pub probes: Vec<Probe>,
    /// Combinations beyond [`CROSS_MAX`].
    pub skipped: u64,
}

/// Every class of flow that begins at this place.
#[must_use]
pub fn from(ruleset: &Ruleset, topology: &Topology, places: &Places, input: Place, seed: u64) -> Generated {
    let mut generated = Generated::default();
    let targets = topology.ids().map(Place::Interface).chain((input != Place::Gateway).then_some(Place::Gateway));
    let boxes = boxes_of(ruleset, input);
    let services = beyond::services(ruleset);
    for (number, to) in (seed..).zip(targets) {
        let relevant: Vec<&FlowBox> =
            boxes.iter().copied().filter(|flow_box| leads_to(ruleset, flow_box, to)).collect();
        let mut found = BTreeSet::new();
        for family in Family::BOTH {
            let others: Vec<Service> = beyond::for_pair(&services, topology.hosts.len() + 1, number).copied().collect();
            let pair = Pair { ruleset, topology, places, input, to, family, others };
            pair.classes(&relevant, &boxes, seed, &mut found, &mut generated.skipped);
            if to == Place::Gateway {
                pair.first_contact(&mut found);
            }
        }
        generated.probes.extend(found);
    }
    generated
}

/// Boxes that a flow from this place may lie in.
fn boxes_of(ruleset: &Ruleset, input: Place) -> Vec<&FlowBox> {
    let holds = |side: Side| match (side, input) {
        (Side::Any, _) => true,
        (Side::Segments, Place::Interface(id)) => ruleset.is_segment(id),
        (Side::One(one), Place::Interface(id)) => one == id,
        (Side::Segments | Side::One(_), _) => false,
    };
    ruleset
        .rules
        .iter()
        .flat_map(|rule| &rule.boxes)
        .filter(|flow_box| match flow_box.path {
            Path::Output { .. } => input == Place::Gateway,
            Path::Input { input: side } | Path::Forward { input: side, .. } => input != Place::Gateway && holds(side),
        })
        .collect()
}

fn leads_to(ruleset: &Ruleset, flow_box: &FlowBox, to: Place) -> bool {
    match (flow_box.path, to) {
        (Path::Input { .. }, to) => to == Place::Gateway,
        (Path::Forward { output, .. } | Path::Output { output }, Place::Interface(id)) => match output {
            Side::Any => true,
            Side::Segments => ruleset.is_segment(id),
            Side::One(one) => one == id,
        },
        (Path::Forward { .. } | Path::Output { .. }, _) => false,
    }
}

/// Two zones and a family.
struct Pair<'a> {
    ruleset: &'a Ruleset,
    topology: &'a Topology,
    places: &'a Places,
    input: Place,
    to: Place,
    family: Family,
    /// Services that other pairs are told apart by.
    others: Vec<Service>,
}

impl Pair<'_> {
    fn classes(&self, boxes: &[&FlowBox], all: &[&FlowBox], seed: u64, found: &mut BTreeSet<Probe>, skipped: &mut u64) {
        let sources = self.sources();
        let destinations = self.destinations(boxes);
        if sources.is_empty() || destinations.is_empty() {
            return;
        }
        let mut views: Vec<View<'_>> =
            boxes.iter().filter_map(|flow_box| self.view(flow_box, &sources, &destinations)).collect();
        let translated = self.translations(&sources);
        views.extend(translated.iter().map(|forward| View {
            src: forward.src.clone(),
            dst: Some(forward.dst.clone()),
            services: Some(&forward.services),
        }));
        let mut src_lists: Vec<Vec<AddrRange>> = views.iter().filter_map(|view| view.src.clone()).collect();
        let mut dst_lists: Vec<Vec<AddrRange>> = views.iter().filter_map(|view| view.dst.clone()).collect();
        if !translated.is_empty() {
            // What is said of the target's segment decides about what is translated to it.
            let targets: BTreeSet<InterfaceId> =
                self.ruleset.translations.iter().map(|translation| translation.segment).collect();
            let decides = |flow_box: &&&FlowBox| {
                targets.iter().any(|segment| leads_to(self.ruleset, flow_box, Place::Interface(*segment)))
            };
            src_lists.extend(all.iter().filter(decides).filter_map(|flow_box| Some(flow_box.src.as_ref()?.to_vec())));
        }
        for lists in [&mut src_lists, &mut dst_lists] {
            lists.sort();
            lists.dedup();
        }
        let src_classes = address_classes(&sources, &src_lists, &self.preferred(self.input));
        let dst_classes = address_classes(&destinations, &dst_lists, &self.preferred(self.to));
        let items = self.items(&views);
        let labels: Vec<Service> = named_services(&views);
        let mut push = |src: IpAddr, dst: IpAddr, item: Item| {
            found.insert(self.probe(src, dst, item, &labels));
        };
        for view in &views {
            let srcs = spots(&sources, view.src.as_ref(), &src_classes);
            let dsts = spots(&destinations, view.dst.as_ref(), &dst_classes);
            let services = self.service_spots(view, &items);
            *skipped += around(&srcs, &dsts, &services, seed, &mut push);
        }
        self.beyond(&src_classes, &dst_classes, &destinations, &items, &mut push);
        let total = src_classes.len() * dst_classes.len() * items.len();
        let chosen = total.min(CROSS_MAX);
        for number in 0..chosen {
            let at = if total == chosen { number } else { sample(seed, number, total) };
            let (src, rest) = (at % src_classes.len(), at / src_classes.len());
            let (dst, item) = (rest % dst_classes.len(), rest / dst_classes.len());
            push(src_classes[src].value, dst_classes[dst].value, items[item]);
        }
        *skipped += u64::try_from(total - chosen).unwrap_or(u64::MAX);
    }

    /// What the policy does not distinguish here, and what was loaded might: services of other pairs, and each address
    /// of the box on its own.
    fn beyond(
        &self,
        srcs: &[Representative<IpAddr>],
        dsts: &[Representative<IpAddr>],
        destinations: &[AddrRange],
        items: &[Item],
        push: &mut dyn FnMut(IpAddr, IpAddr, Item),
    ) {
        let (Some(src), Some(dst)) = (srcs.first(), dsts.first()) else { return };
        let of = |service: &Service| match service.ports {
            Ports::Range(range) => Some(ports(service.proto, range.first)),
            Ports::Icmp { kind, code } if service.proto == self.icmp() => Some(self.icmp_item(kind, code.unwrap_or(0))),
            Ports::Icmp { .. } | Ports::All => None,
        };
        let others: Vec<Item> = self.others.iter().filter_map(of).collect();
        for item in &others {
            push(src.value, dst.value, *item);
        }
        if self.to == Place::Gateway {
            // What the box offers on one address, or to one zone, is tried on every address from every zone.
            for own in destinations.iter().filter(|range| range.is_single()) {
                for item in items.iter().chain(&others) {
                    push(src.value, own.first(), *item);
                }
            }
        }
    }

    fn probe(&self, src: IpAddr, dst: IpAddr, item: Item, labels: &[Service]) -> Probe {
        let label = labels.iter().find(|service| names(service, &item));
        Probe {
            kind: Kind::Class,
            input: self.input,
            to: self.to,
            src,
            dst,
            proto: item.proto,
            header: item.header,
            flags: TcpFlags(if item.proto == proto::TCP { TcpFlags::SYN } else { 0 }),
            broken: false,
            label: label.map_or(Label::Other(item.proto), |service| Label::Named(*service)),
        }
    }

    /// What a host without an address sends to the box, and what it must not be able to send.
    fn first_contact(&self, found: &mut BTreeSet<Probe>) {
        let Place::Interface(input) = self.input else { return };
        let mut push = |src: IpAddr, dst: IpAddr, item: Item| {
            found.insert(self.probe(src, dst, item, &[]));
        };
        match self.family {
            Family::V4 if self.topology.host(input).is_internet => {}
            Family::V4 => {
                let (nobody, all) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST));
                for port in [66, 67, 68] {
                    push(nobody, all, ports(proto::UDP, port));
                }
                push(nobody, all, ports(proto::TCP, 67));
            }
            Family::V6 => {
                let host = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x53, 0x57, 0x1234));
                let all_nodes = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
                let here = self.topology.host(input);
                let mut to: Vec<IpAddr> = here.link_local().into_iter().collect();
                to.extend(here.gateway_address(Family::V6));
                for dst in to {
                    for kind in [128, 130, 131, 132, 133, 134, 135, 136, 137, 143] {
                        push(host, dst, self.icmp_item(kind, 0));
                    }
                    for port in [545, 546, 547, 548] {
                        push(host, dst, ports(proto::UDP, port));
                    }
                    for port in [22, 546, 547] {
                        push(host, dst, ports(proto::TCP, port));
                    }
                }
                for kind in [131, 132, 135, 136, 143] {
                    push(IpAddr::V6(Ipv6Addr::UNSPECIFIED), all_nodes, self.icmp_item(kind, 0));
                }
            }
        }
    }
}

/// A place in `0..total`, the same for the same seed (SplitMix64).
fn sample(seed: u64, number: usize, total: usize) -> usize {
    let mut mixed = seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    usize::try_from(mixed % (total as u64)).expect("below total, which is a usize")
}
