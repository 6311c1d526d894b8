//! Comparing boxes of two rules between the same two places.

use std::sync::Arc;

use segwall_packetset::{AddrRange, PortRange};

use super::domain::{intersect, meet, subtract};
use crate::policy::{Ports, Service};
use crate::ruleset::{Dst, FlowBox};

/// A box between two known places: what is left of it is addresses and services.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// Within what can come from the one place; `None`: all of it.
    pub src: Option<Vec<AddrRange>>,
    /// Within what lies at the other.
    pub dst: Option<Vec<AddrRange>>,
    pub services: Option<Arc<[Service]>>,
    /// Only what a port forward translated.
    pub translated: bool,
}

impl Cut {
    /// The part of a box between two places with these addresses; `None` when it is empty.
    pub fn of(flow_box: &FlowBox, src: &[AddrRange], dst: &[AddrRange]) -> Option<Self> {
        let narrow = |own: &[AddrRange], domain: &[AddrRange]| -> Option<Option<Vec<AddrRange>>> {
            let within = intersect(domain, own);
            if within.is_empty() {
                return None;
            }
            let whole = subtract(domain, own).is_empty();
            Some((!whole).then(|| AddrRange::merge(within)))
        };
        Some(Self {
            src: flow_box.src.as_ref().map_or(Some(None), |own| narrow(own, src))?,
            dst: match &flow_box.dst {
                Dst::Addresses(own) => narrow(own, dst)?,
                Dst::Any | Dst::Own => None,
            },
            services: flow_box.services.clone(),
            translated: flow_box.translated.is_some(),
        })
    }

    /// Whether two boxes differ in addresses only, each side named in both or in neither.
    pub fn may_join(&self, other: &Self) -> bool {
        self.services == other.services
            && self.translated == other.translated
            && self.src.is_some() == other.src.is_some()
            && self.dst.is_some() == other.dst.is_some()
    }

    /// Adds the addresses of a box of the other family.
    pub fn join(&mut self, other: Self) {
        for (own, more) in [(&mut self.src, other.src), (&mut self.dst, other.dst)] {
            if let (Some(own), Some(more)) = (own, more) {
                own.extend(more);
                *own = AddrRange::merge(std::mem::take(own));
            }
        }
    }

    /// Whether some flow is in both.
    pub fn meets(&self, other: &Self) -> bool {
        let addresses = |left: &Option<Vec<AddrRange>>, right: &Option<Vec<AddrRange>>| match (left, right) {
            (Some(left), Some(right)) => meet(left, right),
            (None, _) | (_, None) => true,
        };
        let services = match (&self.services, &other.services) {
            (Some(left), Some(right)) => left.iter().any(|one| right.iter().any(|two| services_meet(one, two))),
            (None, _) | (_, None) => true,
        };
        services && addresses(&self.src, &other.src) && addresses(&self.dst, &other.dst)
    }

    /// Whether every flow of the other is in this one.
    pub fn covers(&self, other: &Self) -> bool {
        let addresses = |wide: &Option<Vec<AddrRange>>, narrow: &Option<Vec<AddrRange>>| match (wide, narrow) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => subtract(narrow, wide).is_empty(),
        };
        let services = match (&self.services, &other.services) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => narrow.iter().all(|service| list_covers(wide, service)),
        };
        services
            && (!self.translated || other.translated)
            && addresses(&self.src, &other.src)
            && addresses(&self.dst, &other.dst)
    }
}

/// Whether a list of services holds all of one.
pub(super) fn list_covers(list: &[Service], service: &Service) -> bool {
    if list.iter().any(|wide| service_covers(wide, service)) {
        return true;
    }
    // A range may be made up of several.
    let Ports::Range(range) = service.ports else { return false };
    let mut parts: Vec<PortRange> = list
        .iter()
        .filter(|wide| wide.proto == service.proto)
        .filter_map(|wide| match wide.ports {
            Ports::Range(part) => Some(part),
            Ports::All | Ports::Icmp { .. } => None,
        })
        .collect();
    parts.sort_unstable();
    let mut next = u32::from(range.first);
    for part in parts {
        if u32::from(part.first) <= next {
            next = next.max(u32::from(part.last) + 1);
        }
    }
    next > u32::from(range.last)
}

fn service_covers(wide: &Service, narrow: &Service) -> bool {
    wide.proto == narrow.proto
        && match (wide.ports, narrow.ports) {
            (Ports::All, _) => true,
            (Ports::Range(wide), Ports::Range(narrow)) => wide.first <= narrow.first && narrow.last <= wide.last,
            (Ports::Range(wide), Ports::All) => wide == PortRange::ALL,
            (Ports::Icmp { kind, code }, Ports::Icmp { kind: other, code: other_code }) => {
                kind == other && (code.is_none() || code == other_code)
            }
            (Ports::Range(_), Ports::Icmp { .. }) | (Ports::Icmp { .. }, Ports::All | Ports::Range(_)) => false,
        }
}

fn services_meet(one: &Service, two: &Service) -> bool {
    one.proto == two.proto
        && match (one.ports, two.ports) {
            (Ports::All, _) | (_, Ports::All) => true,
            (Ports::Range(one), Ports::Range(two)) => one.overlaps(&two),
            (Ports::Icmp { kind, code }, Ports::Icmp { kind: other, code: other_code }) => {
                kind == other && (code.is_none() || other_code.is_none() || code == other_code)
            }
            (Ports::Range(_), Ports::Icmp { .. }) | (Ports::Icmp { .. }, Ports::Range(_)) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(first: u16, last: u16) -> Service {
        Service { proto: 6, ports: Ports::Range(PortRange { first, last }) }
    }

    #[test]
    fn ranges_that_touch_cover_together() {
        assert!(list_covers(&[tcp(90, 100), tcp(80, 89)], &tcp(80, 100)));
        assert!(!list_covers(&[tcp(91, 100), tcp(80, 89)], &tcp(80, 100)));
        assert!(list_covers(&[Service { proto: 6, ports: Ports::All }], &tcp(80, 100)));
    }
}
