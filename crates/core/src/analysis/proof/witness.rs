//! Points of the packet space as packets that people and the oracle understand.

use std::fmt;

use segwall_packetset::{
    CtState, Field, Flow, Header, InterfaceId, Packet, Place, Point, Sent, TcpFlags, interface_text, proto,
};

use super::terms::{address, name_of};
use crate::diag::{DEFAULT_HOPS, NamedPacket};
use crate::netfilter::Hook;
use crate::ruleset::Ruleset;

/// A packet that shows something, with what a [`Packet`] has no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The packet, as the oracle takes it.
    pub packet: Packet,
    /// Name of the interface it comes by; `None`: the box sends it.
    pub input: Option<String>,
    /// Name of the interface it leaves by; `None`: the box receives it.
    pub output: Option<String>,
    /// TTL or hop limit.
    pub hops: u8,
    /// The point itself.
    pub point: Point,
}

/// What a packet should look like where the set leaves a choice: an ordinary one.
pub const WISHES: [(Field, u128); 7] = [
    (Field::State, 0),
    (Field::Translated, 0),
    (Field::Proto, proto::TCP as u128),
    (Field::Flags, TcpFlags::SYN as u128),
    (Field::Sport, 40_000),
    (Field::Hops, DEFAULT_HOPS as u128),
    (Field::PktType, 0),
];

fn small<T: TryFrom<u128>>(point: &Point, field: Field) -> T {
    T::try_from(point.get(field)).unwrap_or_else(|_| unreachable!("{field:?} holds no such value"))
}

/// The packet of a point at a hook.
#[must_use]
pub fn witness(ruleset: &Ruleset, hook: Hook, point: &Point) -> Witness {
    let place = |field| {
        let name = point.get(field);
        let known = ruleset.interface_ids().map(|(id, _)| id).find(|id: &InterfaceId| name_of(ruleset, *id) == name);
        known.map_or(Place::Elsewhere, Place::Interface)
    };
    let loops = |field| interface_text(point.get(field)).is_some_and(|name| name == super::intent::LOOPBACK);
    let (input, output) = match hook {
        Hook::Input | Hook::Prerouting | Hook::Ingress if loops(Field::In) => (Place::Gateway, Place::Gateway),
        Hook::Output if loops(Field::Out) => (Place::Gateway, Place::Gateway),
        Hook::Input | Hook::Prerouting | Hook::Ingress => (place(Field::In), Place::Gateway),
        Hook::Output => (Place::Gateway, place(Field::Out)),
        Hook::Postrouting | Hook::Egress if point.get(Field::In) == 0 => (Place::Gateway, place(Field::Out)),
        Hook::Forward | Hook::Postrouting | Hook::Egress => (place(Field::In), place(Field::Out)),
    };
    let NamedPacket { packet, input, output, hops } = packet_of(point, (input, output));
    Witness { packet, input, output, hops, point: *point }
}

/// The packet of a point between two places.
#[must_use]
pub fn packet_of(point: &Point, (input, output): (Place, Place)) -> NamedPacket {
    let family = point.get(Field::Family);
    let protocol: u8 = small(point, Field::Proto);
    let icmp = if family == 0 { proto::ICMP } else { proto::ICMPV6 };
    let header = if proto::has_ports(protocol) {
        Header::Ports { sport: small(point, Field::Sport), dport: small(point, Field::Dport) }
    } else if protocol == icmp {
        Header::Icmp { kind: small(point, Field::IcmpType), code: small(point, Field::IcmpCode) }
    } else {
        Header::Other
    };
    let sent = (point.get(Field::Translated) == 1)
        .then(|| Sent { dst: address(family, point.get(Field::SentDst)), dport: small(point, Field::SentDport) });
    let state = match point.get(Field::State) {
        0 => CtState::New,
        1 => CtState::Established,
        2 => CtState::Related,
        3 => CtState::Invalid,
        _ => CtState::Untracked,
    };
    let flow = Flow {
        input,
        output,
        proto: protocol,
        src: address(family, point.get(Field::Src)),
        dst: address(family, point.get(Field::Dst)),
        header,
        sent,
    };
    let name = |field| interface_text(point.get(field)).filter(|name| !name.is_empty());
    NamedPacket {
        packet: Packet { flow, state, flags: TcpFlags(small(point, Field::Flags)) },
        input: name(Field::In),
        output: name(Field::Out),
        hops: small(point, Field::Hops),
    }
}

impl Witness {
    /// The packet with the names of its interfaces.
    #[must_use]
    pub fn named(&self) -> NamedPacket {
        NamedPacket {
            packet: self.packet,
            input: self.input.clone(),
            output: self.output.clone(),
            hops: self.hops,
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named().fmt(f)
    }
}
