//! What the passes over rules know of the rest of the file.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use super::codes;
use super::ends::Ends;
use super::faults::Faults;
use super::model::{AddressSet, Host, Segment, SegmentId, Uplink, Zone};
use super::names::Names;
use super::networks::{Networks, Owner};
use super::reader::Text;
use super::service_text::Services;
use crate::diag::Diagnostic;
use crate::source::Span;

/// Names and what they stand for; `None` stands for something broken, of which enough was said.
#[derive(Default)]
pub(super) struct Env<'d> {
    pub names: Names<'d>,
    pub segments: Vec<Segment>,
    pub uplinks: Vec<Uplink>,
    pub networks: Networks,
    pub hosts: Vec<Option<Host>>,
    pub sets: Vec<Option<AddressSet>>,
    pub groups: Vec<Option<Ends>>,
    pub services: Services<'d>,
    /// Families that reach each segment, all segments, the internet and the box.
    pub families: Families,
    /// Whether the uplinks' addresses could be read.
    pub uplinks_whole: bool,
}

/// Sets of address families as bits: 1 for IPv4, 2 for IPv6.
#[derive(Debug, Default)]
pub(super) struct Families {
    pub each_segment: Vec<u8>,
    pub segments: u8,
    pub internet: u8,
}

pub(super) fn family_bit(family: Family) -> u8 {
    match family {
        Family::V4 => 1,
        Family::V6 => 2,
    }
}

pub(super) const BOTH_FAMILIES: u8 = 3;

impl Families {
    pub fn of(segments: &[Segment], uplinks: &[Uplink]) -> Self {
        let of_segment = |segment: &Segment| {
            let subnets = segment.subnets.iter().map(|subnet| subnet.network);
            let routes = segment.routes.iter().map(|route| route.to);
            subnets.chain(routes).fold(0, |bits, network| bits | family_bit(network.family()))
        };
        let each_segment: Vec<u8> = segments.iter().map(of_segment).collect();
        let of_uplink = |uplink: &Uplink| {
            let statics = uplink.addresses.iter().fold(0, |bits, own| bits | family_bit(Family::of(own.addr)));
            let elsewhere = !uplink.managed && uplink.addresses.is_empty() && !uplink.dhcp && !uplink.ra;
            let by_dhcp = if uplink.dhcp { family_bit(Family::V4) } else { 0 };
            let by_ra = if uplink.ra { family_bit(Family::V6) } else { 0 };
            if elsewhere { BOTH_FAMILIES } else { statics | by_dhcp | by_ra }
        };
        let segments = each_segment.iter().fold(0, |bits, of_one| bits | of_one);
        let internet = uplinks.iter().fold(0, |bits, uplink| bits | of_uplink(uplink));
        Self { each_segment, segments, internet }
    }

    pub fn of_zone(&self, zone: Zone) -> u8 {
        match zone {
            Zone::Segment(id) => self.each_segment[id.index()],
            Zone::Segments => self.segments,
            Zone::Internet => self.internet,
            Zone::Gateway => self.segments | self.internet,
        }
    }
}

impl Env<'_> {
    pub fn segment_id(index: usize) -> SegmentId {
        SegmentId(u32::try_from(index).expect("fewer segments than bytes"))
    }

    /// The box's static addresses.
    pub fn is_own(&self, addr: IpAddr) -> bool {
        let in_segment = match self.networks.find(addr).map(|network| network.owner) {
            Some(Owner::Segment(id)) => self.segments[id.index()].subnets.iter().any(|subnet| subnet.gateway == addr),
            Some(Owner::Uplink(_)) | None => false,
        };
        in_segment || self.uplinks.iter().flat_map(|uplink| &uplink.addresses).any(|own| own.addr == addr)
    }

    /// Whether addresses belong to a zone; says so where they do not.
    pub fn lies_in(&self, range: AddrRange, zone: Zone, text: Text<'_>, span: Span, faults: &mut Faults<'_>) -> bool {
        match zone {
            Zone::Segment(id) => self.lies_in_segment(range, id, span, faults),
            Zone::Internet => self.lies_outside(range, span, faults),
            Zone::Gateway => self.is_of_the_box(range, span, faults),
            Zone::Segments => {
                let message = format!("`{}` narrows all segments at once", text.text);
                faults.error(codes::NOT_A_ZONE, text.span, message, "", "name the segment");
                false
            }
        }
    }

    fn lies_in_segment(&self, range: AddrRange, id: SegmentId, span: Span, faults: &mut Faults<'_>) -> bool {
        let segment = &self.segments[id.index()];
        let found = self.networks.covering(&range);
        if range.is_single() && self.is_own(range.first()) {
            let message = format!("{range} is the box itself, not a host in `{}`", segment.name);
            faults.error(codes::OUTSIDE_ZONE, span, message, "", format!("rules name it gateway/{range}"));
            return false;
        }
        if found.is_some_and(|network| network.owner == Owner::Segment(id)) {
            return true;
        }
        if !self.networks.complete {
            return false;
        }
        let message = format!("{range} does not lie in `{}`", segment.name);
        let mut diagnostic = Diagnostic::error(codes::OUTSIDE_ZONE, span, message);
        diagnostic = match found.map(|network| network.owner) {
            Some(Owner::Segment(other)) => {
                let other = &self.segments[other.index()];
                diagnostic.also(other.span, "it lies here").help(format!("it lies in `{}`", other.name))
            }
            _ => {
                let networks: Vec<String> = (segment.subnets.iter().map(|subnet| subnet.network))
                    .chain(segment.routes.iter().map(|route| route.to))
                    .map(|network| network.to_string())
                    .collect();
                diagnostic.also(segment.span, "the segment").help(format!("its networks: {}", networks.join(", ")))
            }
        };
        faults.push(diagnostic);
        false
    }

    fn lies_outside(&self, range: AddrRange, span: Span, faults: &mut Faults<'_>) -> bool {
        let Some(Owner::Segment(id)) = self.networks.covering(&range).map(|network| network.owner) else { return true };
        let segment = &self.segments[id.index()];
        faults.push(
            Diagnostic::error(
                codes::INSIDE_SEGMENT,
                span,
                format!("{range} is not on the internet: it lies in `{}`", segment.name),
            )
            .also(segment.span, "this segment")
            .help(format!("write {}/{range} in a rule, or in = \"{}\" in a set", segment.name, segment.name)),
        );
        false
    }

    fn is_of_the_box(&self, range: AddrRange, span: Span, faults: &mut Faults<'_>) -> bool {
        if range.is_single() && self.is_own(range.first()) {
            return true;
        }
        if !self.networks.complete || !self.uplinks_whole {
            return false;
        }
        let near = self.networks.covering(&range).and_then(|network| match network.owner {
            Owner::Segment(id) => self.segments[id.index()].subnets.iter().find(|subnet| subnet.network.covers(&range)),
            Owner::Uplink(_) => None,
        });
        let help = match near {
            Some(subnet) => format!("there the box is {}", subnet.gateway),
            None => "name one of its addresses in a segment, or a static one of its uplink".to_owned(),
        };
        faults.error(codes::NOT_OF_THE_BOX, span, format!("{range} is not an address of the box"), "", help);
        false
    }
}
