//! What a ruleset's boxes and port forwards are to one pair of zones.

use std::net::IpAddr;

use segwall_core::policy::{Ports, Service};
use segwall_core::ruleset::{Dst, FlowBox};
use segwall_packetset::{AddrRange, Family, Place};

use super::Pair;

/// A box of the ruleset as one pair of zones sees it.
pub(super) struct View<'a> {
    pub(super) src: Option<Vec<AddrRange>>,
    pub(super) dst: Option<Vec<AddrRange>>,
    pub(super) services: Option<&'a [Service]>,
}

/// A port forward as its senders see it.
pub(super) struct SentTo {
    pub(super) services: Vec<Service>,
    pub(super) src: Option<Vec<AddrRange>>,
    pub(super) dst: Vec<AddrRange>,
}

impl Pair<'_> {
    /// A box as this pair sees it; `None` when no flow of the pair lies in it.
    pub(super) fn view<'b>(
        &self,
        flow_box: &'b FlowBox,
        sources: &[AddrRange],
        destinations: &[AddrRange],
    ) -> Option<View<'b>> {
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
    pub(super) fn translations(&self, sources: &[AddrRange]) -> Vec<SentTo> {
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
}
