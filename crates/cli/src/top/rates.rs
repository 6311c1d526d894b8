//! Rates, made of two views: sums only grow, and what lies between them over the time between them is the rate.
//!
//! What connections carry is known as of a listing of the kernel's table, which comes every few seconds; all else is of
//! each view.

use segwall_watch::view::{Interface, Pair, View};

/// Of a pair of zones, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairRate {
    /// Bytes, both ways.
    pub bytes: u64,
    /// Packets, both ways.
    pub packets: u64,
    /// Connections that began.
    pub connections: u64,
    /// Packets that were refused.
    pub refused: u64,
}

/// Of an interface, a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterfaceRate {
    /// Bytes that came in.
    pub received: u64,
    /// Bytes that went out.
    pub sent: u64,
    /// Packets that came in.
    pub received_packets: u64,
    /// Packets that went out.
    pub sent_packets: u64,
}

/// Rates of everything in a view.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// Beside the view's pairs.
    pub pairs: Vec<PairRate>,
    /// Beside the view's interfaces.
    pub interfaces: Vec<InterfaceRate>,
    /// Two listings were seen: what connections carry has a rate.
    pub is_known: bool,
    /// Pairs as of the last listing, and what they carried a second until then.
    listed: Option<i64>,
    listed_pairs: Vec<Pair>,
    carried: Vec<((u32, u32), (u64, u64))>,
}

impl Rates {
    /// The rates of a view that follows another one.
    pub fn next(&mut self, before: Option<&View>, now: &View) {
        // Places mean something else with other zones, and another daemon's sums begin anew.
        let before = before.filter(|before| is_same(before, now));
        if before.is_none() {
            *self = Self::default();
        }
        if now.listed_ms != self.listed
            && let Some(listed_ms) = now.listed_ms
        {
            if let Some(base_ms) = self.listed {
                self.carried = carried(&self.listed_pairs, &now.pairs, listed_ms - base_ms);
                self.is_known = true;
            }
            (self.listed, self.listed_pairs) = (now.listed_ms, now.pairs.clone());
        }
        let span_ms = before.map_or(0, |before| now.at_ms - before.at_ms);
        let rate = |now: u64, before: u64| per_second(now, before, span_ms);
        let known = before.map_or(&[] as &[Pair], |before| &before.pairs);
        let (mut old, mut slow) = (known.iter().peekable(), self.carried.iter().peekable());
        self.pairs.clear();
        self.pairs.extend(now.pairs.iter().map(|pair| {
            let place = (pair.from, pair.to);
            while old.next_if(|one| (one.from, one.to) < place).is_some() {}
            while slow.next_if(|(one, _)| *one < place).is_some() {}
            let one = old.next_if(|one| (one.from, one.to) == place).copied().unwrap_or_default();
            let (bytes, packets) = slow.next_if(|(one, _)| *one == place).map_or((0, 0), |(_, rate)| *rate);
            PairRate {
                bytes,
                packets,
                connections: rate(pair.connections, one.connections),
                refused: rate(pair.refused, one.refused),
            }
        }));
        let known = before.map_or(&[] as &[Interface], |before| &before.interfaces);
        let mut old = known.iter().peekable();
        self.interfaces.clear();
        self.interfaces.extend(now.interfaces.iter().map(|interface| {
            while old.next_if(|one| one.name < interface.name).is_some() {}
            let Some(one) = old.next_if(|one| one.name == interface.name) else { return InterfaceRate::default() };
            InterfaceRate {
                received: rate(interface.received.bytes, one.received.bytes),
                sent: rate(interface.sent.bytes, one.sent.bytes),
                received_packets: rate(interface.received.packets, one.received.packets),
                sent_packets: rate(interface.sent.packets, one.sent.packets),
            }
        }));
    }
}

fn is_same(before: &View, now: &View) -> bool {
    before.since_ms == now.since_ms
        && before.zones.len() <= now.zones.len()
        && before.zones.iter().zip(&now.zones).all(|(before, now)| before.name == now.name)
}

/// Counters that fell were begun anew.
fn per_second(now: u64, before: u64, span_ms: i64) -> u64 {
    match u64::try_from(span_ms) {
        Ok(span) if span > 0 => now.saturating_sub(before).saturating_mul(1_000) / span,
        _ => 0,
    }
}

/// Bytes and packets a second between two listings, of pairs that carried any.
fn carried(before: &[Pair], now: &[Pair], span_ms: i64) -> Vec<((u32, u32), (u64, u64))> {
    let mut old = before.iter().peekable();
    let mut found = Vec::new();
    for pair in now {
        let place = (pair.from, pair.to);
        while old.next_if(|one| (one.from, one.to) < place).is_some() {}
        let one = old.next_if(|one| (one.from, one.to) == place).copied().unwrap_or_default();
        let bytes = |pair: &Pair| pair.sent.bytes.saturating_add(pair.received.bytes);
        let packets = |pair: &Pair| pair.sent.packets.saturating_add(pair.received.packets);
        let rate = (per_second(bytes(pair), bytes(&one), span_ms), per_second(packets(pair), packets(&one), span_ms));
        if rate != (0, 0) {
            found.push((place, rate));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use segwall_watch::view::Sum;

    use super::*;

    fn view(at_ms: i64, listed_ms: i64, pairs: &[(u32, u32, u64)]) -> View {
        let pair = |&(from, to, bytes): &(u32, u32, u64)| Pair {
            from,
            to,
            connections: bytes / 100,
            sent: Sum { packets: 0, bytes },
            ..Pair::default()
        };
        View { at_ms, listed_ms: Some(listed_ms), pairs: pairs.iter().map(pair).collect(), ..View::default() }
    }

    #[test]
    fn rates_hold_between_two_listings() {
        let mut rates = Rates::default();
        let views = [
            view(0, 0, &[(0, 1, 1_000)]),
            view(1_000, 0, &[(0, 1, 1_200)]),
            view(2_000, 2_000, &[(0, 0, 500), (0, 1, 9_000)]),
            view(3_000, 2_000, &[(0, 0, 500), (0, 1, 9_300)]),
        ];
        let mut before = None;
        let mut seen = Vec::new();
        for view in &views {
            rates.next(before, view);
            seen.push((rates.is_known, rates.pairs.iter().map(|pair| pair.bytes).collect::<Vec<_>>()));
            before = Some(view);
        }
        assert_eq!(seen, [(false, vec![0]), (false, vec![0]), (true, vec![250, 4_000]), (true, vec![250, 4_000])]);
        assert_eq!(rates.pairs[1].connections, 3);
        // Another policy: places mean something else.
        let other = View { zones: vec![], since_ms: 7, ..view(4_000, 4_000, &[(0, 1, 1)]) };
        rates.next(before, &other);
        assert!(!rates.is_known && rates.pairs[0].bytes == 0);
    }
}
