//! Addresses at both ends of a pair of zones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_core::ruleset::{Dst, FlowBox};
use segwall_packetset::{AddrRange, Family, Place};

use super::Pair;

/// Other addresses of the box that are tried from one zone, beside those that rules name.
const OTHER_OWN_MAX: usize = 6;

impl Pair<'_> {
    /// Where a sender may be.
    pub(super) fn sources(&self) -> Vec<AddrRange> {
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
    pub(super) fn destinations(&self, boxes: &[&FlowBox]) -> Vec<AddrRange> {
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

    pub(super) fn preferred(&self, place: Place) -> Vec<IpAddr> {
        match place {
            Place::Interface(id) => self.topology.host(id).address(self.family).into_iter().collect(),
            Place::Gateway | Place::Elsewhere => Vec::new(),
        }
    }
}
