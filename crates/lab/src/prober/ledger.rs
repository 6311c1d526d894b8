//! What was sent, and what became of it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use segwall_packetset::Place;

use super::shot::{Arrival, Content, Refusal, Seen, Shot};
use crate::capture::{Captured, Headers, read_ip};
use crate::frame::{Packet, Tag, Transport};

/// First source port or echo identifier of a probe, and how many there are.
const SOURCE_PORTS: (u16, u16) = (1024, 60_000);

/// What was sent and what is known of it.
pub(super) struct Ledger {
    run: u64,
    base: u64,
    pub(super) seen: Vec<Seen>,
    /// Source address and port of what was sent, for answers that quote no tag.
    by_source: HashMap<(u8, IpAddr, u16), usize>,
    /// Tags of packets that were ready-made.
    by_tag: HashMap<u64, usize>,
    /// Sentinels that have not arrived, by the number of their tags.
    pub(super) awaited: HashMap<u64, usize>,
    pub(super) lost: bool,
}

impl Ledger {
    pub(super) fn new(run: u64, base: u64, shots: &[Shot]) -> Self {
        let by_tag = shots.iter().enumerate().filter_map(|(at, shot)| match &shot.content {
            Content::Ready(_, tag) => Some((tag.number, at)),
            Content::Crafted(_) | Content::Fixed(_) => None,
        });
        Self {
            run,
            base,
            seen: vec![Seen::default(); shots.len()],
            by_source: HashMap::new(),
            by_tag: by_tag.collect(),
            awaited: HashMap::new(),
            lost: false,
        }
    }

    /// The packet of a shot, with its own tag, source port or echo identifier.
    pub(super) fn craft(&mut self, at: usize, shot: &Shot) -> (IpAddr, Vec<u8>) {
        let number = self.base.wrapping_add(u64::try_from(at).expect("counted in 64 bits"));
        let tag = Tag { run: self.run, number };
        let packet = match &shot.content {
            Content::Crafted(packet) => packet,
            Content::Fixed(packet) => {
                if let Transport::Ports { sport, .. } = packet.transport {
                    self.by_source.insert((packet.proto, packet.src, sport), at);
                }
                return (packet.dst, Packet { tag, ..*packet }.ip());
            }
            Content::Ready(ip, _) => {
                if let Some(Captured::Probe { headers, .. }) = read_ip(ip) {
                    self.by_source.insert((headers.proto, headers.src, headers.words.0), at);
                }
                return (destination(ip), ip.clone());
            }
        };
        let own = SOURCE_PORTS.0 + u16::try_from(at % usize::from(SOURCE_PORTS.1)).expect("below 60,000");
        let transport = match packet.transport {
            Transport::Ports { dport, flags, acknowledges, .. } => {
                self.by_source.insert((packet.proto, packet.src, own), at);
                Transport::Ports { sport: own, dport, flags, acknowledges }
            }
            Transport::Icmp { kind, code, .. } => Transport::Icmp { kind, code, id: own },
            Transport::Other => Transport::Other,
        };
        let crafted = Packet { transport, tag, ..*packet };
        (packet.dst, crafted.ip())
    }

    pub(super) fn expect_sentinels(&mut self, base: u64, sentinels: usize) {
        let number = |at: usize| base + u64::try_from(at).expect("counted in 64 bits");
        self.awaited = (0..sentinels).map(|at| (number(at), at)).collect();
    }

    pub(super) fn index(&self, tag: Tag) -> Option<usize> {
        if tag.run != self.run {
            return None;
        }
        let offset = usize::try_from(tag.number.wrapping_sub(self.base)).ok();
        offset.filter(|at| *at < self.seen.len()).or_else(|| self.by_tag.get(&tag.number).copied())
    }

    pub(super) fn note(&mut self, place: Place, captured: Captured<'_>) {
        match captured {
            Captured::Probe { tag, headers, ip } => {
                if tag.run == self.run && self.awaited.remove(&tag.number).is_some() {
                    return;
                }
                let Some(at) = self.index(tag) else { return };
                let seen = &mut self.seen[at];
                match &seen.arrived {
                    None => seen.arrived = Some(Arrival { place, headers, ip: ip.to_vec() }),
                    Some(before) if before.place != place => seen.also_at = Some(place),
                    Some(_) => {}
                }
            }
            Captured::Error { tag, kind, dst, about } => {
                let by_source = || self.by_source.get(&(about.proto, about.src, about.words.0)).copied();
                let Some(at) = tag.and_then(|tag| self.index(tag)).or_else(by_source) else { return };
                // An error about a packet goes to its sender; one that goes elsewhere is a probe itself.
                if dst == about.src {
                    self.seen[at].refused = Some(Refusal::Icmp(kind.0, kind.1));
                } else if let Some(tag) = tag {
                    let headers = Headers { src: about.src, dst, proto: about.proto, words: about.words };
                    self.note(place, Captured::Probe { tag, headers, ip: &[] });
                }
            }
            Captured::Reset { headers } => {
                if let Some(at) = self.by_source.get(&(headers.proto, headers.dst, headers.words.1)) {
                    self.seen[*at].refused = Some(Refusal::Reset);
                }
            }
        }
    }

    pub(super) fn unsent(&mut self, at: usize, error: &io::Error) {
        // What a rule drops on its way out is told to the sender as "not permitted"; that is a drop.
        const EPERM: i32 = 1;
        if error.raw_os_error() != Some(EPERM)
            && let Some(seen) = self.seen.get_mut(at)
        {
            seen.unsent = Some(error.raw_os_error().unwrap_or(0));
        }
    }
}

fn destination(ip: &[u8]) -> IpAddr {
    let v6 = ip.get(24..40).and_then(|octets| <[u8; 16]>::try_from(octets).ok()).map(IpAddr::from);
    let v4 = ip.get(16..20).and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(IpAddr::from);
    let first = ip.first().map_or(0, |byte| byte >> 4);
    if first == 6 { v6 } else { v4 }.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
