//! Probes beyond the classes that the policy distinguishes: a fault in what was loaded need not follow the policy.

use std::collections::BTreeSet;
use std::net::IpAddr;

use segwall_core::policy::{Ports, Service};
use segwall_core::ruleset::Ruleset;
use segwall_packetset::{AddrRange, Family, InterfaceId, Place};

use crate::probe::{Kind, Probe};
use crate::session::Session;

/// Services of other pairs that all pairs together are tried with, and those that each is tried with at least.
const SERVICES_TOTAL: usize = 100_000;
const SERVICES_MIN: usize = 2;
/// Parts of a segment's network that are tried as sources, at most, and of all segments together.
const PARTS_MAX: usize = 1024;
const PARTS_TOTAL: usize = 20_000;
/// Other segments that pretend to be each part.
const LIARS_MAX: usize = 8;

/// Every service that the policy names anywhere.
#[must_use]
pub fn services(ruleset: &Ruleset) -> Vec<Service> {
    let mut services: BTreeSet<Service> = ruleset
        .rules
        .iter()
        .flat_map(|rule| &rule.boxes)
        .filter_map(|flow_box| flow_box.services.as_ref())
        .flat_map(|services| services.iter().copied())
        .collect();
    for translation in &ruleset.translations {
        for range in [translation.ports, translation.delivered_ports()] {
            services.insert(Service { proto: translation.proto, ports: Ports::Range(range) });
        }
    }
    services.into_iter().collect()
}

/// Those that one pair of zones is tried with: all of them in a small network, in a large one a few for each pair.
pub fn for_pair(services: &[Service], zones: usize, number: u64) -> impl Iterator<Item = &Service> {
    let share = SERVICES_TOTAL / zones.saturating_mul(zones).max(1);
    let start = usize::try_from(number % (services.len().max(1) as u64)).unwrap_or(0);
    services.iter().cycle().skip(start).take(services.len().min(share.max(SERVICES_MIN)))
}

/// An accepted flow of each segment from every part of its network: rule sets cut networks into equal parts, to look up
/// all of them by one prefix length.
#[must_use]
pub fn sources(session: &Session<'_>, accepted: &[Probe]) -> Vec<Probe> {
    let ruleset = session.ruleset;
    let segments = || ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id));
    let prefixes = |ranges: &[AddrRange]| ranges.iter().flat_map(AddrRange::to_prefixes).collect::<Vec<_>>();
    let len = |prefix: &AddrRange| prefix.prefix_len().expect("to_prefixes gives prefixes");
    let lengths: BTreeSet<(Family, u8)> = segments()
        .flat_map(|(_, interface)| prefixes(&interface.sources))
        .map(|prefix| (prefix.family(), len(&prefix)))
        .collect();
    let mut probes = Vec::new();
    for (id, interface) in segments() {
        for whole in prefixes(&interface.sources) {
            let lengths = lengths.iter().filter(|(family, other)| *family == whole.family() && *other >= len(&whole));
            for (_, part_len) in lengths {
                let Some(parts) = 1usize.checked_shl(u32::from(part_len - len(&whole))) else { continue };
                if parts > PARTS_MAX || probes.len() + parts > PARTS_TOTAL {
                    continue;
                }
                let step = whole.len() / (parts as u128);
                for src in (0..parts as u128).filter_map(|at| whole.nth(at * step + step / 2)) {
                    probes.extend(from(session, accepted, id, src));
                    let others = segments().map(|(other, _)| other).filter(|other| *other != id);
                    probes.extend(others.take(LIARS_MAX).filter_map(|other| lie(session, accepted, other, src)));
                }
            }
        }
    }
    probes
}

/// An accepted flow of an interface, from another source for which it is accepted too.
fn from(session: &Session<'_>, accepted: &[Probe], id: InterfaceId, src: IpAddr) -> Option<Probe> {
    // The kernel takes these for its own, or for no host's.
    let special = session.topology.hosts.iter().flat_map(|host| &host.gateway_addresses).any(|(own, len)| {
        let network = AddrRange::prefix(*own, *len);
        src == *own || src == network.first() || src == network.last()
    });
    if special {
        return None;
    }
    accepted
        .iter()
        .filter(|probe| {
            probe.input == Place::Interface(id) && Family::of(probe.src) == Family::of(src) && probe.dst != src
        })
        .map(|probe| Probe { kind: Kind::Source, src, ..*probe })
        .find(|probe| session.expected(probe).is_accepted())
}

/// An accepted flow of an interface, from a source that does not belong there.
fn lie(session: &Session<'_>, accepted: &[Probe], id: InterfaceId, src: IpAddr) -> Option<Probe> {
    accepted
        .iter()
        .filter(|probe| {
            probe.input == Place::Interface(id) && Family::of(probe.src) == Family::of(src) && probe.dst != src
        })
        .map(|probe| Probe { kind: Kind::Spoofed, src, ..*probe })
        .find(|probe| !session.expected(probe).is_accepted())
}
