//! Protocols, ports and ICMP types that a pair of zones is probed with.

use std::collections::BTreeSet;

use segwall_core::policy::{Ports, Service};
use segwall_core::ruleset::Ruleset;
use segwall_packetset::{Family, Header, Place, PortRange, proto};

use super::Pair;
use super::view::View;
use crate::classes::port_classes;

/// A protocol that hardly any rule names (RFC 3692, for experiments), and the next best.
const UNNAMED_PROTOCOLS: [u8; 2] = [253, 254];

/// What follows the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) proto: u8,
    pub(super) header: Header,
}

impl Pair<'_> {
    pub(super) fn icmp(&self) -> u8 {
        match self.family {
            Family::V4 => proto::ICMP,
            Family::V6 => proto::ICMPV6,
        }
    }

    /// One of each class of service.
    pub(super) fn items(&self, views: &[View<'_>]) -> Vec<Item> {
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

    pub(super) fn icmp_item(&self, kind: u8, code: u8) -> Item {
        Item { proto: self.icmp(), header: Header::Icmp { kind, code } }
    }
}

pub(super) fn opens_connection(item: &Item) -> bool {
    match item.header {
        Header::Ports { .. } | Header::Other => true,
        Header::Icmp { kind, .. } => matches!((item.proto, kind), (proto::ICMP, 8 | 13) | (proto::ICMPV6, 128)),
    }
}

pub(super) fn ports(proto: u8, dport: u16) -> Item {
    Item { proto, header: Header::Ports { sport: 0, dport } }
}

/// Whether a service speaks of this, by more than its protocol's name.
pub(super) fn names(service: &Service, item: &Item) -> bool {
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
pub(super) fn named_services(views: &[View<'_>]) -> Vec<Service> {
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
