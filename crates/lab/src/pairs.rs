//! Every class of flow that a ruleset distinguishes between two zones, as probes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_core::policy::{Ports, Service};
use segwall_core::ruleset::{Dst, FlowBox, Path, Ruleset, Side};
use segwall_packetset::{AddrRange, Family, Header, InterfaceId, Place, PortRange, TcpFlags, proto};

use crate::beyond;
use crate::classes::{Representative, address_classes, address_edges, port_classes, port_edges, unicast, without};
use crate::probe::{Kind, Label, Probe};
use crate::topology::Topology;

/// Of the classes of a pair in one family at most this many combinations are probed; beyond, a sample of this size.
pub const CROSS_MAX: usize = 512;
/// Of a box, at most this many combinations of its ranges and services are probed, each with its edges.
const ELEMENTS_MAX: usize = 1024;
/// Where a box has no ranges on one side, or speaks of every protocol, so many stand for it.
const BESIDE_MAX: usize = 2;
/// Other addresses of the box that are tried from one zone, beside those that rules name.
const OTHER_OWN_MAX: usize = 6;
/// A protocol that hardly any rule names (RFC 3692, for experiments), and the next best.
const UNNAMED_PROTOCOLS: [u8; 2] = [253, 254];

/// A box of the ruleset as one pair of zones sees it.
struct View<'a> {
    src: Option<Vec<AddrRange>>,
    dst: Option<Vec<AddrRange>>,
    services: Option<&'a [Service]>,
}

/// A port forward as its senders see it.
struct SentTo {
    services: Vec<Service>,
    src: Option<Vec<AddrRange>>,
    dst: Vec<AddrRange>,
}

/// What follows the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    proto: u8,
    header: Header,
}

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

/// Addresses of hosts behind each interface: what the kernel does not take for its own or for a broadcast.
#[derive(Debug)]
pub struct Places(Vec<(Vec<AddrRange>, Vec<AddrRange>)>);

impl Places {
    /// Of every interface.
    #[must_use]
    pub fn of(ruleset: &Ruleset, topology: &Topology) -> Self {
        let mut own: Vec<AddrRange> = Vec::new();
        for (addr, len) in topology.hosts.iter().flat_map(|host| &host.gateway_addresses) {
            own.push(AddrRange::single(*addr));
            let network = AddrRange::prefix(*addr, *len);
            if *len + 1 < Family::of(*addr).bits() {
                // Network and broadcast address; the first of an IPv6 subnet is every router's.
                own.extend([AddrRange::single(network.first()), AddrRange::single(network.last())]);
            }
        }
        let hosts = |id: InterfaceId, family: Family| {
            let is_internet = topology.host(id).is_internet;
            let universe: Vec<AddrRange> = if is_internet {
                unicast(family)
            } else {
                let sources = ruleset.interface(id).sources.iter().copied();
                sources.filter(|range| range.family() == family).collect()
            };
            let inside = ruleset.inside.iter().filter(|_| is_internet);
            let holes: Vec<AddrRange> = own
                .iter()
                .chain(inside)
                .filter(|hole| universe.iter().any(|whole| whole.overlaps(hole)))
                .copied()
                .collect();
            without(&universe, &holes)
        };
        Self(topology.ids().map(|id| (hosts(id, Family::V4), hosts(id, Family::V6))).collect())
    }

    fn hosts(&self, id: InterfaceId, family: Family) -> &[AddrRange] {
        let (v4, v6) = &self.0[id.index()];
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
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

    /// A box as this pair sees it; `None` when no flow of the pair lies in it.
    fn view<'b>(&self, flow_box: &'b FlowBox, sources: &[AddrRange], destinations: &[AddrRange]) -> Option<View<'b>> {
        let touches = |ranges: &[AddrRange], universe: &[AddrRange]| {
            ranges.iter().any(|range| universe.iter().any(|whole| whole.overlaps(range)))
        };
        let src = flow_box.src.as_ref().map(|ranges| ranges.to_vec());
        let dst = match &flow_box.dst {
            Dst::Any => None,
            Dst::Own => match self.input {
                Place::Interface(id) => Some(
                    self.ruleset.interface(id).addresses.iter().copied().map(AddrRange::single).collect::<Vec<_>>(),
                ),
                Place::Gateway | Place::Elsewhere => return None,
            },
            Dst::Addresses(ranges) => Some(ranges.to_vec()),
        };
        let fits = src.as_ref().is_none_or(|src| touches(src, sources))
            && dst.as_ref().is_none_or(|dst| touches(dst, destinations));
        fits.then_some(View { src, dst, services: flow_box.services.as_deref() })
    }

    /// Port forwards, as seen by who sends to the uplink's address.
    fn translations(&self, sources: &[AddrRange]) -> Vec<SentTo> {
        if self.to != Place::Gateway {
            return Vec::new();
        }
        let of_family = |addr: &IpAddr| Family::of(*addr) == self.family;
        let applies = |from: &Option<std::sync::Arc<[AddrRange]>>| {
            from.as_ref().is_none_or(|from| from.iter().any(|range| sources.iter().any(|whole| whole.overlaps(range))))
        };
        self.ruleset
            .translations
            .iter()
            .filter(|translation| of_family(&translation.to))
            .map(|translation| {
                let own = &self.ruleset.interface(translation.uplink).addresses;
                let dst: Vec<AddrRange> =
                    own.iter().filter(|addr| of_family(addr)).copied().map(AddrRange::single).collect();
                let src = match self.input {
                    Place::Interface(id) if id == translation.uplink && applies(&translation.from) => {
                        translation.from.as_ref().map(|from| from.to_vec())
                    }
                    _ => None,
                };
                let service = Service { proto: translation.proto, ports: Ports::Range(translation.ports) };
                SentTo { services: vec![service], src, dst }
            })
            .filter(|forward| !forward.dst.is_empty())
            .collect()
    }

    /// Where a sender may be.
    fn sources(&self) -> Vec<AddrRange> {
        match self.input {
            Place::Gateway => {
                // The address the kernel would choose.
                let Place::Interface(id) = self.to else { return Vec::new() };
                self.topology.host(id).gateway_address(self.family).into_iter().map(AddrRange::single).collect()
            }
            Place::Interface(id) => self.places.hosts(id, self.family).to_vec(),
            Place::Elsewhere => Vec::new(),
        }
    }

    /// Destinations that the kernel takes to the target.
    fn destinations(&self, boxes: &[&FlowBox]) -> Vec<AddrRange> {
        match self.to {
            Place::Interface(id) => self.places.hosts(id, self.family).to_vec(),
            Place::Gateway => self.own_addresses(boxes),
            Place::Elsewhere => Vec::new(),
        }
    }

    /// Addresses at which the box may be spoken to from here.
    fn own_addresses(&self, boxes: &[&FlowBox]) -> Vec<AddrRange> {
        let Place::Interface(input) = self.input else { return Vec::new() };
        let of_family = |addr: &IpAddr| Family::of(*addr) == self.family;
        let here = self.topology.host(input);
        let mut own: Vec<IpAddr> = here.gateway_addresses.iter().map(|(addr, _)| *addr).filter(of_family).collect();
        let named = |addr: &IpAddr| {
            boxes.iter().any(|flow_box| match &flow_box.dst {
                Dst::Addresses(ranges) => ranges.iter().any(|range| range.is_single() && range.first() == *addr),
                Dst::Any | Dst::Own => false,
            })
        };
        let mut others = 0;
        for (at, host) in self.topology.ids().zip(&self.topology.hosts) {
            let theirs = host.gateway_addresses.iter().map(|(addr, _)| *addr).filter(of_family);
            for addr in theirs.filter(|addr| at != input && Some(*addr) != host.link_local()) {
                if host.is_internet || named(&addr) || others < OTHER_OWN_MAX {
                    others += usize::from(!host.is_internet);
                    own.push(addr);
                }
            }
        }
        match self.family {
            Family::V4 => {
                own.push(IpAddr::V4(Ipv4Addr::BROADCAST));
                // Every host listens to this one; other groups are not ours unless somebody joins them.
                own.push(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1)));
                let networks = here.gateway_addresses.iter().filter(|(addr, len)| addr.is_ipv4() && *len < 31);
                own.extend(networks.map(|(addr, len)| AddrRange::prefix(*addr, *len).last()));
            }
            Family::V6 => {
                // All nodes, all routers.
                own.extend([1, 2].map(|group| IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, group))));
            }
        }
        AddrRange::merge(own.into_iter().map(AddrRange::single).collect())
            .into_iter()
            .flat_map(|range| (0..range.len()).filter_map(move |offset| range.nth(offset)).map(AddrRange::single))
            .collect()
    }

    fn preferred(&self, place: Place) -> Vec<IpAddr> {
        match place {
            Place::Interface(id) => self.topology.host(id).address(self.family).into_iter().collect(),
            Place::Gateway | Place::Elsewhere => Vec::new(),
        }
    }

    fn icmp(&self) -> u8 {
        match self.family {
            Family::V4 => proto::ICMP,
            Family::V6 => proto::ICMPV6,
        }
    }

    /// One of each class of service.
    fn items(&self, views: &[View<'_>]) -> Vec<Item> {
        let services: Vec<&Service> = views.iter().filter_map(|view| view.services).flatten().collect();
        let mut items = BTreeSet::new();
        let protocols: BTreeSet<u8> =
            services.iter().map(|service| service.proto).chain([proto::TCP, proto::UDP]).collect();
        for protocol in protocols.iter().copied().filter(|protocol| proto::has_ports(*protocol)) {
            let mut lists: Vec<Vec<PortRange>> = services
                .iter()
                .filter(|service| service.proto == protocol)
                .filter_map(|service| Ruleset::ports_of(service))
                .map(|range| vec![range])
                .collect();
            lists.sort_unstable();
            lists.dedup();
            items.extend(port_classes(&lists).into_iter().map(|class| ports(protocol, class.value)));
        }
        let kinds: &[u8] = match (self.family, self.input, self.to) {
            // Echo, timestamp, a reply to nothing.
            (Family::V4, _, _) => &[8, 13, 0],
            // Neighbour discovery and MLD concern the box; of the others one will do.
            (Family::V6, _, Place::Gateway) => &[128, 139, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143],
            (Family::V6, Place::Gateway, _) => &[128, 139, 129, 131, 133, 134, 135, 136, 143],
            (Family::V6, _, _) => &[128, 139, 129, 135],
        };
        items.extend(kinds.iter().map(|kind| self.icmp_item(*kind, 0)));
        for service in &services {
            if let Ports::Icmp { kind, code } = service.ports
                && service.proto == self.icmp()
            {
                items.insert(self.icmp_item(kind, code.unwrap_or(0)));
                items.insert(self.icmp_item(kind, code.map_or(1, |code| code.wrapping_add(1))));
            }
        }
        let plain =
            |protocol: &u8| !proto::has_ports(*protocol) && *protocol != proto::ICMP && *protocol != proto::ICMPV6;
        // In IPv6 these are extension headers, which rules look behind.
        let is_extension =
            |protocol: &u8| self.family == Family::V6 && matches!(*protocol, 0 | 43 | 44 | 51 | 59 | 60 | 135);
        let named = protocols.iter().copied().filter(|protocol| plain(protocol) && !is_extension(protocol));
        let unnamed = UNNAMED_PROTOCOLS.into_iter().find(|protocol| !protocols.contains(protocol));
        items.extend(named.chain(unnamed).map(|proto| Item { proto, header: Header::Other }));
        items.into_iter().collect()
    }

    fn icmp_item(&self, kind: u8, code: u8) -> Item {
        Item { proto: self.icmp(), header: Header::Icmp { kind, code } }
    }

    /// Each service of a box, with its edges; of a box that speaks of every protocol, some.
    fn service_spots(&self, view: &View<'_>, items: &[Item]) -> Vec<Spot<Item>> {
        let Some(services) = view.services else {
            let some = items.iter().filter(|item| proto::has_ports(item.proto)).take(BESIDE_MAX);
            return some.map(|item| Spot { inner: *item, edges: Vec::new() }).collect();
        };
        let spot = |service: &Service| match service.ports {
            Ports::Range(range) => {
                let middle = range.first + (range.last - range.first) / 2;
                let twin = if service.proto == proto::TCP { proto::UDP } else { proto::TCP };
                let own = port_edges(range).into_iter().map(|port| ports(service.proto, port));
                let edges = own.chain([ports(twin, middle)]).collect();
                Some(Spot { inner: ports(service.proto, middle), edges })
            }
            Ports::Icmp { .. } | Ports::All => {
                let named = || items.iter().filter(|item| names(service, item)).copied();
                // What opens no connection shows nothing of the other sides' edges.
                let inner = named().find(opens_connection).or_else(|| named().next())?;
                Some(Spot { inner, edges: named().filter(|item| *item != inner).take(BESIDE_MAX).collect() })
            }
        };
        services.iter().filter_map(spot).collect()
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

/// A value inside a range of a box, and the range's edges.
struct Spot<T> {
    inner: T,
    edges: Vec<T>,
}

/// Each range of a box on its own: an emitter makes an element of its own of it. Where the box has no ranges, some
/// classes.
fn spots(
    universe: &[AddrRange],
    ranges: Option<&Vec<AddrRange>>,
    classes: &[Representative<IpAddr>],
) -> Vec<Spot<IpAddr>> {
    let Some(ranges) = ranges else {
        return classes.iter().take(BESIDE_MAX).map(|class| Spot { inner: class.value, edges: Vec::new() }).collect();
    };
    let spot = |range: &AddrRange| {
        let part = universe.iter().find_map(|whole| whole.intersection(range))?;
        let edges = address_edges(universe, std::slice::from_ref(range));
        Some(Spot { inner: part.nth(part.len() / 2).unwrap_or(part.first()), edges })
    };
    ranges.iter().filter_map(spot).collect()
}

/// Every element a box may be made of, and around it the edges of each of its sides, the other sides held inside. How
/// many elements were left out because the box has too many.
fn around(
    srcs: &[Spot<IpAddr>],
    dsts: &[Spot<IpAddr>],
    services: &[Spot<Item>],
    seed: u64,
    push: &mut impl FnMut(IpAddr, IpAddr, Item),
) -> u64 {
    let total = srcs.len() * dsts.len() * services.len();
    let chosen = total.min(ELEMENTS_MAX);
    // Where not all fit, at least every range and every service is among them.
    let each = if total == chosen { 0 } else { srcs.len().max(dsts.len()).max(services.len()) };
    let numbers = (0..chosen).map(|number| {
        let at = if total == chosen { number } else { sample(seed, number, total) };
        let rest = at / srcs.len();
        (at % srcs.len(), rest % dsts.len(), rest / dsts.len())
    });
    let corners = (0..each).map(|number| (number % srcs.len(), number % dsts.len(), number % services.len()));
    for (src, dst, service) in numbers.chain(corners) {
        let (src, dst, service) = (&srcs[src], &dsts[dst], &services[service]);
        push(src.inner, dst.inner, service.inner);
        src.edges.iter().for_each(|edge| push(*edge, dst.inner, service.inner));
        dst.edges.iter().for_each(|edge| push(src.inner, *edge, service.inner));
        service.edges.iter().for_each(|edge| push(src.inner, dst.inner, *edge));
    }
    u64::try_from(total - chosen).unwrap_or(u64::MAX)
}

fn opens_connection(item: &Item) -> bool {
    match item.header {
        Header::Ports { .. } | Header::Other => true,
        Header::Icmp { kind, .. } => matches!((item.proto, kind), (proto::ICMP, 8 | 13) | (proto::ICMPV6, 128)),
    }
}

fn ports(proto: u8, dport: u16) -> Item {
    Item { proto, header: Header::Ports { sport: 0, dport } }
}

/// Whether a service speaks of this, by more than its protocol's name.
fn names(service: &Service, item: &Item) -> bool {
    service.proto == item.proto
        && match (service.ports, item.header) {
            (Ports::All, _) => true,
            (Ports::Range(range), Header::Ports { dport, .. }) => range.contains(dport),
            (Ports::Icmp { kind, code }, Header::Icmp { kind: seen, code: seen_code }) => {
                kind == seen && code.is_none_or(|code| code == seen_code)
            }
            (Ports::Range(_) | Ports::Icmp { .. }, _) => false,
        }
}

/// Every service the boxes name, the narrowest first.
fn named_services(views: &[View<'_>]) -> Vec<Service> {
    let mut services: Vec<Service> = views.iter().filter_map(|view| view.services).flatten().copied().collect();
    let width = |service: &Service| match service.ports {
        Ports::Range(range) => u32::from(range.last - range.first),
        Ports::Icmp { code: Some(_), .. } => 0,
        Ports::Icmp { code: None, .. } => 1,
        Ports::All => u32::MAX,
    };
    services.sort_by_key(|service| (width(service), *service));
    services.dedup();
    services
}

/// A place in `0..total`, the same for the same seed (SplitMix64).
fn sample(seed: u64, number: usize, total: usize) -> usize {
    let mut mixed = seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    usize::try_from(mixed % (total as u64)).expect("below total, which is a usize")
}
