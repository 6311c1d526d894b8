//! Which points are packets.

use super::cache::Op;
use super::store::{ALL, EMPTY};
use super::{Field, GaveUp, Set, Space};
use crate::proto;

const V4: (u128, u128) = (0, 0);
const V6: (u128, u128) = (1, 1);
const UNTRANSLATED: (u128, u128) = (0, 0);
/// New, established, related: what belongs to a connection.
const TRACKED: (u128, u128) = (0, 2);

impl Space {
    /// Packets as they are: two descriptions mean the same when they are equal inside this set.
    ///
    /// IPv4 addresses are below 2^32. What a packet does not have is 0: ports where the protocol has none, ICMP type and
    /// code outside ICMP, flags outside TCP, the destination as sent where nothing is translated. Only what belongs to a
    /// connection is translated. That an interface's number is a name, and that day and second follow from the time, is
    /// not said here.
    pub fn wellformed(&mut self) -> Result<Set, GaveUp> {
        if let Some(known) = self.wellformed {
            return Ok(known);
        }
        let set = self.question(Self::packets)?;
        self.wellformed = Some(set);
        Ok(set)
    }

    fn packets(&mut self) -> Result<Set, GaveUp> {
        let with_ports = (0..=u8::MAX).filter(|number| proto::has_ports(*number)).map(u128::from);
        let mut with_ports: Vec<(u128, u128)> = with_ports.map(|number| (number, number)).collect();
        super::point::merge(Field::Proto, &mut with_ports);

        let v4 = self.split(Field::Family, &[V4], ALL)?;
        let v6 = self.split(Field::Family, &[V6], ALL)?;
        let icmp = self.split(Field::Proto, &[(u128::from(proto::ICMP), u128::from(proto::ICMP))], ALL)?;
        let icmp = self.apply(Op::And, icmp, v4)?;
        let icmpv6 = self.split(Field::Proto, &[(u128::from(proto::ICMPV6), u128::from(proto::ICMPV6))], ALL)?;
        let icmpv6 = self.apply(Op::And, icmpv6, v6)?;
        let icmp = self.apply(Op::Or, icmp, icmpv6)?;
        let tcp = self.split(Field::Proto, &[(u128::from(proto::TCP), u128::from(proto::TCP))], ALL)?;
        let ports = self.split(Field::Proto, &with_ports, ALL)?;
        let untranslated = self.split(Field::Translated, &[UNTRANSLATED], ALL)?;
        let translated = self.apply(Op::Minus, ALL, untranslated)?;
        let translated_ports = self.apply(Op::And, translated, ports)?;
        let tracked = self.split(Field::State, &[TRACKED], ALL)?;

        let ipv4 = (0, u128::from(u32::MAX));
        let zero = (0, 0);
        let mut all = vec![self.apply(Op::Or, untranslated, tracked)?];
        // Unless the condition holds, the field has one of these values.
        for (condition, field, values) in [
            (v6, Field::Src, ipv4),
            (v6, Field::Dst, ipv4),
            (v6, Field::SentDst, ipv4),
            (translated, Field::SentDst, zero),
            (translated_ports, Field::SentDport, zero),
            (ports, Field::Sport, zero),
            (ports, Field::Dport, zero),
            (icmp, Field::IcmpType, zero),
            (icmp, Field::IcmpCode, zero),
            (tcp, Field::Flags, zero),
        ] {
            let values = self.split(field, &[values], ALL)?;
            all.push(self.apply(Op::Or, condition, values)?);
        }
        let set = self.apply_all(Op::And, &mut all)?;
        debug_assert_ne!(set, EMPTY);
        Ok(Set(set))
    }
}
