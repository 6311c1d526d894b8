//! Which addresses belong to which segment: every subnet and route, sorted, so that a lookup is one search.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use super::codes;
use super::faults::Faults;
use super::model::{Segment, SegmentId, Uplink};
use crate::diag::Diagnostic;
use crate::source::Span;

/// A network and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    pub range: AddrRange,
    pub owner: Owner,
    /// On the segment's wire, not behind it.
    pub on_wire: bool,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Segment(SegmentId),
    Uplink(usize),
}

/// Networks of segments, by their first address.
#[derive(Debug, Default)]
pub(super) struct Networks {
    sorted: Vec<Network>,
    /// False where a network could not be read or two overlap: then nothing can be said of an address that lies in none.
    pub complete: bool,
}

impl Networks {
    /// Collects the networks of all segments and says where any overlap, each one once.
    pub fn collect(segments: &[Segment], uplinks: &[Uplink], complete: bool, faults: &mut Faults<'_>) -> Self {
        let mut all = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            let owner = Owner::Segment(SegmentId(u32::try_from(index).expect("fewer segments than bytes")));
            all.extend(segment.subnets.iter().map(|it| Network {
                range: it.network,
                owner,
                on_wire: true,
                span: it.span,
            }));
            all.extend(segment.routes.iter().map(|it| Network { range: it.to, owner, on_wire: false, span: it.span }));
        }
        for (index, uplink) in uplinks.iter().enumerate() {
            all.extend(uplink.addresses.iter().map(|it| Network {
                range: AddrRange::prefix(it.addr, it.prefix_len),
                owner: Owner::Uplink(index),
                on_wire: true,
                span: uplink.span,
            }));
        }
        // Networks nest or are apart, so the widest one so far is all that the next can overlap.
        all.sort_by(|a, b| a.range.first().cmp(&b.range.first()).then(b.range.last().cmp(&a.range.last())));
        let mut complete = complete;
        let mut widest: Option<Network> = None;
        for network in &all {
            match widest {
                Some(before) if before.range.overlaps(&network.range) => {
                    if before.owner != network.owner || matches!(before.owner, Owner::Segment(_)) {
                        overlap(&before, network, segments, uplinks, faults);
                        complete = false;
                    }
                    if network.range.last() > before.range.last() {
                        widest = Some(*network);
                    }
                }
                _ => widest = Some(*network),
            }
        }
        all.retain(|network| matches!(network.owner, Owner::Segment(_)));
        Self { sorted: all, complete }
    }

    /// The network an address lies in.
    pub fn find(&self, addr: IpAddr) -> Option<&Network> {
        let after = self.sorted.partition_point(|network| network.range.first() <= addr);
        self.sorted[..after].last().filter(|network| network.range.contains(addr))
    }

    /// The network that all of a range lies in.
    pub fn covering(&self, range: &AddrRange) -> Option<&Network> {
        self.find(range.first()).filter(|network| network.range.covers(range))
    }
}

fn describe(network: &Network, segments: &[Segment], uplinks: &[Uplink]) -> String {
    match network.owner {
        Owner::Segment(id) => {
            let what = if network.on_wire { "" } else { "a route of " };
            format!("{} ({what}`{}`)", network.range, segments[id.index()].name)
        }
        Owner::Uplink(index) => format!("{} (uplink `{}`)", network.range, uplinks[index].name),
    }
}

/// Blames the one that stands later in the file.
fn overlap(a: &Network, b: &Network, segments: &[Segment], uplinks: &[Uplink], faults: &mut Faults<'_>) {
    let (first, second) = if a.span <= b.span { (a, b) } else { (b, a) };
    let message = if first.owner == second.owner && first.range == second.range {
        format!("{} is given twice", first.range)
    } else {
        format!("{} overlaps {}", describe(second, segments, uplinks), describe(first, segments, uplinks))
    };
    faults.push(
        Diagnostic::error(codes::OVERLAP, second.span, message)
            .label("overlaps")
            .also(first.span, "with this")
            .help("an address can belong to one segment only; give each its own network"),
    );
}

/// The two addresses of an IPv4 network that no host can have, or the one of an IPv6 network (RFC 4291 2.6.1);
/// networks of one or two addresses have none.
pub(super) fn reserved_addresses(network: &AddrRange) -> Vec<(IpAddr, &'static str)> {
    if network.len() <= 2 {
        return Vec::new();
    }
    match network.family() {
        Family::V4 => vec![(network.first(), "network's own"), (network.last(), "broadcast")],
        Family::V6 => vec![(network.first(), "routers' anycast")],
    }
}

/// Why a host cannot have an address in a network.
pub(super) fn reserved(network: &AddrRange, addr: IpAddr) -> Option<&'static str> {
    reserved_addresses(network).into_iter().find(|(known, _)| *known == addr).map(|(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_leave_out_what_is_reserved() {
        let network = |text: &str| text.parse::<AddrRange>().expect(text);
        let why = |text: &str, addr: &str| reserved(&network(text), addr.parse().expect(addr));
        assert_eq!(why("192.0.2.0/24", "192.0.2.0"), Some("network's own"));
        assert_eq!(why("192.0.2.0/24", "192.0.2.255"), Some("broadcast"));
        assert_eq!(why("192.0.2.0/31", "192.0.2.0"), None);
        assert_eq!(why("2001:db8::/64", "2001:db8::"), Some("routers' anycast"));
        assert_eq!(why("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff"), None);
    }
}
