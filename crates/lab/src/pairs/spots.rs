//! Points inside the ranges of a box, and at their edges.

use std::net::IpAddr;

use segwall_core::policy::{Ports, Service};
use segwall_packetset::{AddrRange, proto};

use super::item::{Item, names, opens_connection, ports};
use super::view::View;
use super::{BESIDE_MAX, Pair, sample};
use crate::classes::{Representative, address_edges, port_edges};

/// Of a box, at most this many combinations of its ranges and services are probed, each with its edges.
const ELEMENTS_MAX: usize = 1024;

/// A value inside a range of a box, and the range's edges.
pub(super) struct Spot<T> {
    inner: T,
    edges: Vec<T>,
}

/// Each range of a box on its own: an emitter makes an element of its own of it. Where the box has no ranges, some
/// classes.
pub(super) fn spots(
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
pub(super) fn around(
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

impl Pair<'_> {
    /// Each service of a box, with its edges; of a box that speaks of every protocol, some.
    pub(super) fn service_spots(&self, view: &View<'_>, items: &[Item]) -> Vec<Spot<Item>> {
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
}
