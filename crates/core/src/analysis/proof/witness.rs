//! Points of the packet space as packets that people and the oracle understand.

use std::fmt;

use segwall_packetset::{Field, Flow, InterfaceId, Packet, Place, Point, interface_text};

use super::terms::name_of;
use crate::analysis::sets::Shown;
use crate::netfilter::Hook;
use crate::ruleset::Ruleset;

/// A packet that shows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The packet, as the oracle takes it.
    pub packet: Packet,
    /// The packet, as people read it: with what a [`Packet`] has no room for.
    pub shown: Shown,
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
    let shown = Shown::of(point);
    let Shown { proto, src, dst, header, sent, state, flags, .. } = shown;
    let flow = Flow { input, output, proto, src, dst, header, sent };
    Witness { packet: Packet { flow, state, flags }, shown }
}

impl fmt::Display for Witness {
    /// Protocol, ends, interfaces and what is unusual about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}
