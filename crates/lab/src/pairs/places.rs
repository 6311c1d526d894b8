//! Where hosts are: addresses behind each interface.

use segwall_core::ruleset::Ruleset;
use segwall_packetset::{AddrRange, Family, InterfaceId};

use crate::classes::{unicast, without};
use crate::topology::Topology;

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

    pub(super) fn hosts(&self, id: InterfaceId, family: Family) -> &[AddrRange] {
        let (v4, v6) = &self.0[id.index()];
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }
}
