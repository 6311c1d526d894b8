//! How a packet looks to a rule: what happened to it on its way, and where on its way it is.

use segwall_packetset::Field;

use crate::netfilter::Hook;

/// Priorities between which something happens to a packet (`NF_IP_PRI_*` of the kernel's `netfilter_ipv4.h`).
const CONNTRACK: i32 = -200;
const NAT_DESTINATION: i32 = -100;
const NAT_SOURCE: i32 = 100;
/// All bits of a mark.
pub(super) const MARK_BITS: u128 = 0xffff_ffff;

/// Which destination a rule sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Destination {
    Delivered,
    /// Before translation.
    Sent,
    /// One or the other: the order of two hooks of one priority is not known.
    Either,
}

/// Whether connection tracking has seen a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tracked {
    Yes,
    No,
    /// One or the other: as with two hooks of one priority.
    Either,
}

/// Where on its way a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// Connection tracking has seen it.
    pub tracked: Tracked,
    pub destination: Destination,
    /// Its source is the one it came with.
    pub source: bool,
    /// It is known where it leaves.
    pub routed: bool,
    /// Its hop limit is the one it has at the hook that was asked about.
    pub hops: bool,
}

/// What happened to a mark: `assigned` bits are those of `value`, `unknown` ones are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct MarkView {
    pub assigned: u128,
    pub value: u128,
    pub unknown: u128,
}

/// How a packet looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct View {
    pub place: Place,
    pub mark: MarkView,
    /// Taken from connection tracking.
    pub untracked: bool,
    /// Something unknown was done to it: nothing about it is certain.
    pub lost: bool,
}

/// What a key of a match is, to a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// A field of the packet as it came.
    Field(Field),
    /// With bits cleared.
    Masked(Field, u128),
    /// A port where the protocol has ports, else bytes that are not known.
    Port(Field),
    /// This value.
    Constant(u128),
    /// Some bits of the mark as it came, the others as they were set.
    MixedMark { mask: u128, assigned: u128, value: u128 },
    /// Not known.
    Free(&'static str),
    /// It cannot be loaded: the match fails.
    Undefined,
}

/// Packets that look alike to matches on addresses, by `Translated` and `State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    pub translated: bool,
    /// The first packet of a connection; else a later one, or one without.
    pub states: (u128, u128),
}

/// States of a first packet, of later ones, of packets without a connection.
const NEW: (u128, u128) = (0, 0);
const LATER: (u128, u128) = (1, 2);
const NONE: (u128, u128) = (3, 4);
/// State numbers.
const INVALID: u128 = 3;
const UNTRACKED: u128 = 4;

const BEFORE_NAT: &str = "sees addresses before they are translated back";
const AFTER_NAT: &str = "sees a source that may have been translated";
const FIRST_PACKET: &str = "asks for the first packet's destination";
const HOPS: &str = "forwarding takes one from the hop limit after this";
pub(super) const TRACKING: &str = "its priority is that of connection tracking, and which comes first is not known";
const MARK: &str = "the mark is not known here";

impl Variant {
    pub const ALL: [Self; 6] = [
        Self { translated: false, states: NEW },
        Self { translated: false, states: LATER },
        Self { translated: false, states: NONE },
        Self { translated: true, states: NEW },
        Self { translated: true, states: LATER },
        Self { translated: true, states: NONE },
    ];
}

impl Place {
    /// Of a chain by its priority, `None` for a nat chain: those are asked before anything is translated. Where no rule
    /// translates, addresses are what they are everywhere.
    pub fn of(hook: Hook, priority: Option<i32>, translates: bool) -> Self {
        let before_all =
            if matches!(hook, Hook::Postrouting | Hook::Input) { NAT_SOURCE - 1 } else { NAT_DESTINATION - 1 };
        let priority = priority.unwrap_or(before_all);
        let early = matches!(hook, Hook::Prerouting | Hook::Output | Hook::Ingress);
        let destination = match priority.cmp(&NAT_DESTINATION) {
            _ if !early || !translates => Destination::Delivered,
            std::cmp::Ordering::Less => Destination::Sent,
            std::cmp::Ordering::Equal => Destination::Either,
            std::cmp::Ordering::Greater => Destination::Delivered,
        };
        Self {
            tracked: match priority.cmp(&CONNTRACK) {
                std::cmp::Ordering::Less if early => Tracked::No,
                std::cmp::Ordering::Equal if early => Tracked::Either,
                _ => Tracked::Yes,
            },
            destination,
            source: !(translates && matches!(hook, Hook::Postrouting | Hook::Input) && priority >= NAT_SOURCE),
            routed: !matches!(hook, Hook::Prerouting | Hook::Ingress),
            hops: true,
        }
    }
}

impl View {
    pub fn new(place: Place) -> Self {
        Self { place, mark: MarkView::default(), untracked: false, lost: false }
    }

    /// With this mark.
    pub fn marked(mut self, value: u128, mask: u128) -> Self {
        self.mark = MarkView {
            assigned: self.mark.assigned | mask,
            value: (self.mark.value & !mask) | (value & mask),
            unknown: self.mark.unknown & !mask,
        };
        self
    }

    /// With a mark that is not known.
    pub fn forgotten(mut self) -> Self {
        self.mark = MarkView { assigned: 0, value: 0, unknown: MARK_BITS };
        self
    }

    /// Whether a key means different things to different variants.
    pub fn varies(&self, key: crate::netfilter::Key) -> bool {
        use crate::netfilter::Key;
        match key {
            Key::SentDestination | Key::SentPort => true,
            Key::Field(field) | Key::Masked(field, _) => {
                self.place.destination != Destination::Delivered && is_address(field)
            }
            Key::TransportSource | Key::TransportDestination => self.place.destination != Destination::Delivered,
        }
    }

    /// What a key is, to the packets of a variant where it varies.
    pub fn plan(&self, key: crate::netfilter::Key, variant: Option<Variant>) -> Plan {
        use crate::netfilter::Key;
        let (field, mask) = match key {
            Key::Field(field) => (field, None),
            Key::Masked(field, mask) => (field, Some(mask)),
            Key::TransportSource => (Field::Sport, None),
            Key::TransportDestination => (Field::Dport, None),
            Key::SentDestination => return self.sent(Field::SentDst, Field::Dst, variant),
            Key::SentPort => return self.sent(Field::SentDport, Field::Dport, variant),
        };
        let field = match self.address(field, variant) {
            Ok(field) => field,
            Err(why) => return Plan::Free(why),
        };
        match (key, field) {
            (Key::TransportSource | Key::TransportDestination, _) => Plan::Port(field),
            (_, Field::Mark) => self.mark(mask.unwrap_or(MARK_BITS)),
            (_, Field::State) if self.untracked => Plan::Constant(UNTRACKED),
            (_, Field::State) if self.place.tracked == Tracked::No => Plan::Constant(INVALID),
            (_, Field::State) if self.place.tracked == Tracked::Either => Plan::Free(TRACKING),
            (_, Field::Hops) if !self.place.hops => Plan::Free(HOPS),
            (_, Field::Out) if !self.place.routed => Plan::Constant(0),
            _ => mask.map_or(Plan::Field(field), |mask| Plan::Masked(field, mask)),
        }
    }

    /// The field that an address is at this place.
    fn address(&self, field: Field, variant: Option<Variant>) -> Result<Field, &'static str> {
        let is_source = matches!(field, Field::Src | Field::Sport | Field::SrcType | Field::SrcTypeHere);
        if is_source && !self.place.source {
            return Err(AFTER_NAT);
        }
        let Some(variant) = variant.filter(|_| self.place.destination == Destination::Sent && is_address(field)) else {
            return Ok(field);
        };
        match (variant.states, field) {
            (LATER, _) => Err(BEFORE_NAT),
            _ if !variant.translated || is_source => Ok(field),
            (NONE, _) => Err(BEFORE_NAT),
            (_, Field::Dst) => Ok(Field::SentDst),
            (_, Field::Dport) => Ok(Field::SentDport),
            _ => Err(BEFORE_NAT),
        }
    }

    /// What the connection's first packet was sent to.
    fn sent(&self, translated: Field, plain: Field, variant: Option<Variant>) -> Plan {
        let port = |field| {
            if field == Field::Dport || field == Field::SentDport { Plan::Port(field) } else { Plan::Field(field) }
        };
        match variant {
            _ if self.untracked || self.place.tracked == Tracked::No => Plan::Undefined,
            _ if self.place.tracked == Tracked::Either => Plan::Free(TRACKING),
            None => Plan::Free(FIRST_PACKET),
            Some(Variant { states: NONE, .. }) => Plan::Undefined,
            Some(Variant { translated: true, .. }) => port(translated),
            Some(Variant { states: NEW, .. }) => port(plain),
            Some(_) => Plan::Free(FIRST_PACKET),
        }
    }

    fn mark(&self, mask: u128) -> Plan {
        let MarkView { assigned, value, unknown } = self.mark;
        if unknown & mask != 0 {
            Plan::Free(MARK)
        } else if mask & !assigned == 0 {
            Plan::Constant(value & mask)
        } else if mask & assigned != 0 {
            Plan::MixedMark { mask, assigned, value }
        } else if mask == MARK_BITS {
            Plan::Field(Field::Mark)
        } else {
            Plan::Masked(Field::Mark, mask)
        }
    }
}

fn is_address(field: Field) -> bool {
    matches!(
        field,
        Field::Src
            | Field::Dst
            | Field::Sport
            | Field::Dport
            | Field::SrcType
            | Field::DstType
            | Field::SrcTypeHere
            | Field::DstTypeHere
    )
}
