//! One packet of a set, as people would choose it.

use std::net::IpAddr;

use segwall_packetset::{Field, Flow, GaveUp, Header, Place, Point, Sent, Set, proto};

use super::{Always, output_place};
use crate::analysis::proof::terms::{address, number};
use crate::ruleset::At;

/// An ordinary packet: not translated, TCP to a port that people know.
const WISHES: [(Field, u128); 7] = [
    (Field::Translated, 0),
    (Field::Family, 0),
    (Field::Proto, proto::TCP as u128),
    (Field::Dport, 443),
    (Field::Dport, 22),
    (Field::Proto, proto::UDP as u128),
    (Field::Proto, proto::ICMP as u128),
];

const EPHEMERAL_PORT: u16 = 40_000;

/// Addresses on the internet that no network uses (RFC 5737, RFC 3849).
const WELL_KNOWN: [&str; 2] = ["198.51.100.10", "2001:db8:9999::10"];

impl Always<'_> {
    /// A first packet of the set and an instant at which it is in it; `None` when it is empty.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn example(&mut self, input: Place, set: Set) -> Result<Option<(Flow, At)>, GaveUp> {
        // The flow first, whatever the time: the same policy has the same example next week.
        let now = self.clock.now();
        let times = now.map(|(field, _)| field);
        let flows = self.space.exists(set, &times)?;
        let Some(mut point) = self.space.witness_preferring(flows, &WISHES) else { return Ok(None) };
        for field in [Field::Dport, Field::Src, Field::Dst] {
            let values = self.values(flows, &point, field)?;
            let family = point.get(Field::Family);
            point.set(field, if field == Field::Dport { known_port(&values, &point) } else { host(&values, family) });
        }
        let mut when = set;
        for field in self.space.fields(set).into_iter().filter(|field| !times.contains(field)) {
            when = self.space.restrict(when, field, point.get(field))?;
        }
        if let Some(moment) = self.space.witness_preferring(when, &now) {
            times.iter().for_each(|field| point.set(*field, moment.get(*field)));
        }
        Ok(Some((self.flow(input, &point), self.clock.instant(&point))))
    }

    /// The values of a field with which a point stays in the set.
    fn values(&mut self, set: Set, point: &Point, field: Field) -> Result<Vec<(u128, u128)>, GaveUp> {
        let mut left = set;
        for other in self.space.fields(set).into_iter().filter(|other| *other != field) {
            left = self.space.restrict(left, other, point.get(other))?;
        }
        let whole = vec![(0, field.max())];
        let ranges = self.space.boxes(left).next().and_then(|cube| cube.get(field).map(<[_]>::to_vec));
        Ok(ranges.unwrap_or(whole))
    }

    fn flow(&self, input: Place, point: &Point) -> Flow {
        let family = point.get(Field::Family);
        let protocol = u8::try_from(point.get(Field::Proto)).unwrap_or(u8::MAX);
        let small = |field| u16::try_from(point.get(field)).unwrap_or(u16::MAX);
        let byte = |field| u8::try_from(point.get(field)).unwrap_or(u8::MAX);
        let icmp = if family == 0 { proto::ICMP } else { proto::ICMPV6 };
        let header = if proto::has_ports(protocol) {
            Header::Ports { sport: EPHEMERAL_PORT, dport: small(Field::Dport) }
        } else if protocol == icmp {
            Header::Icmp { kind: byte(Field::IcmpType), code: byte(Field::IcmpCode) }
        } else {
            Header::Other
        };
        let sent = (point.get(Field::Translated) == 1).then(|| {
            let to_port = self.ruleset().translations.iter().find(|translation| {
                number(translation.to) == point.get(Field::Dst)
                    && translation.proto == protocol
                    && translation.ports.contains(small(Field::SentDport))
            });
            // Ranges keep their ports.
            let kept = to_port.is_some_and(|translation| translation.to_port.is_none());
            let dport = small(if kept { Field::Dport } else { Field::SentDport });
            Sent { dst: address(family, point.get(Field::SentDst)), dport }
        });
        Flow {
            input,
            output: output_place(point.get(Field::Out)),
            proto: protocol,
            src: address(family, point.get(Field::Src)),
            dst: address(family, point.get(Field::Dst)),
            header,
            sent,
        }
    }
}

/// The port at hand where it is one that people know, else the first that is not 0.
fn known_port(values: &[(u128, u128)], point: &Point) -> u128 {
    let at_hand = point.get(Field::Dport);
    if at_hand > 0 {
        return at_hand;
    }
    let last = values.last().map_or(0, |(_, last)| *last);
    if !proto::has_ports(u8::try_from(point.get(Field::Proto)).unwrap_or(0)) {
        return 0;
    }
    let first =
        values.iter().map(|(first, last)| if *first > 0 { *first } else { 1.min(*last) }).find(|first| *first > 0);
    first.unwrap_or(last)
}

/// An address that people take for a host's: well known on the internet, not a network's first or last elsewhere.
fn host(values: &[(u128, u128)], family: u128) -> u128 {
    let highest = if family == 0 { u128::from(u32::MAX) } else { u128::MAX };
    let values: Vec<(u128, u128)> = values
        .iter()
        .filter(|(first, _)| *first <= highest)
        .map(|(first, last)| (*first, (*last).min(highest)))
        .collect();
    let holds = |value: u128| values.iter().any(|(first, last)| (*first..=*last).contains(&value));
    for known in WELL_KNOWN.iter().map(|text| text.parse::<IpAddr>().expect("a constant")) {
        if u128::from(known.is_ipv6()) == family && holds(number(known)) {
            return number(known);
        }
    }
    let largest = values.iter().max_by_key(|(first, last)| last - first);
    largest.map_or(0, |(first, last)| first + 10.min((last - first).div_ceil(2)))
}
