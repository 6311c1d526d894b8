//! Shapes: which fields a box of flows is looked up by.
//!
//! At most five fields and 64 bytes make a key: nft 1.0.6 cannot read six back. In the forward hook a source address
//! therefore replaces the input interface: anti-spoofing has already tied the one to the other. Where it has not (the
//! address may come by several interfaces), the interface is matched before the lookup.

use segwall_packetset::{Family, InterfaceId};

use super::model::{Field, Hook, Key, Part};

/// How an interface takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// As a field of the key.
    Key,
    /// By a lookup in the set of segments before.
    Segments,
    /// By a match before.
    Pinned(InterfaceId),
    /// Not at all.
    Free,
}

/// How the destination takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Dst {
    /// As a field of the key.
    Key,
    /// Not at all.
    Free,
    /// By a lookup in the set of the box's own addresses in its segments before.
    OwnOfSegments,
    /// By asking the kernel for the box's own addresses before: an uplink's come and go.
    OwnAsked,
}

/// How the service takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Svc {
    /// Protocol and destination port.
    Port,
    /// Not at all.
    Free,
    /// Protocol.
    Proto,
    /// ICMP or ICMPv6 type.
    IcmpType,
    /// ICMP or ICMPv6 type and code.
    IcmpCode,
}

/// The shape of a lookup. The order is the order of lookups: what most connections hit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shape {
    /// Whether elements may be ranges.
    pub interval: bool,
    pub src: bool,
    pub dst: Dst,
    pub input: Side,
    pub output: Side,
    pub svc: Svc,
    /// Only this family; `None`: both.
    pub family: Option<Family>,
    /// Not when it leaves where it entered.
    pub apart: bool,
}

/// The set of all segments' interfaces.
pub(super) const SEGMENTS: &str = "if_segments";
/// The set of pairs of an interface with itself.
pub(super) const SAME: &str = "if_same";
/// Sets of the box's own addresses in its segments.
pub(super) fn own(family: Family) -> &'static str {
    match family {
        Family::V4 => "accept_own4",
        Family::V6 => "accept_own6",
    }
}

/// IPv6 link-local addresses: never what a policy means by the box's own address.
pub(super) fn not_link_local(family: Family) -> Option<Part> {
    match family {
        Family::V4 => None,
        Family::V6 => Some(Part::Among { field: Field::Dst(family), not: true, keys: vec![link_local()] }),
    }
}

/// fe80::/10.
pub(super) fn link_local() -> Key {
    Key::addresses("fe80::/10".parse().expect("a prefix"))
}

impl Shape {
    /// Its key's fields.
    pub(super) fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::with_capacity(5);
        if self.input == Side::Key {
            fields.push(Field::In);
        }
        if let (true, Some(family)) = (self.src, self.family) {
            fields.push(Field::Src(family));
        }
        if self.output == Side::Key {
            fields.push(Field::Out);
        }
        if let (Dst::Key, Some(family)) = (self.dst, self.family) {
            fields.push(Field::Dst(family));
        }
        match (self.svc, self.family) {
            (Svc::Free, _) => {}
            (Svc::Proto, _) => fields.push(Field::Proto),
            (Svc::Port, _) => fields.extend([Field::Proto, Field::Dport]),
            (Svc::IcmpType, Some(family)) => fields.push(Field::IcmpType(family)),
            (Svc::IcmpCode, Some(family)) => fields.extend([Field::IcmpType(family), Field::IcmpCode(family)]),
            (Svc::IcmpType | Svc::IcmpCode, None) => unreachable!("ICMP has a family"),
        }
        fields
    }

    /// What is matched before the lookup.
    pub(super) fn before(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        let fields = self.fields();
        let tells_family = fields
            .iter()
            .any(|field| matches!(field, Field::Src(_) | Field::Dst(_) | Field::IcmpType(_) | Field::IcmpCode(_)))
            || self.dst == Dst::OwnOfSegments
            || (self.dst == Dst::OwnAsked && self.family == Some(Family::V6));
        if let (Some(family), false) = (self.family, tells_family) {
            parts.push(Part::Family(family));
        }
        for (side, field) in [(self.input, Field::In), (self.output, Field::Out)] {
            match side {
                Side::Key | Side::Free => {}
                Side::Segments => {
                    parts.push(Part::Lookup { fields: vec![field], not: false, set: SEGMENTS.to_owned() });
                }
                Side::Pinned(id) => parts.push(Part::Among { field, not: false, keys: vec![Key::Name(id.0)] }),
            }
        }
        if self.apart {
            parts.push(Part::Lookup { fields: vec![Field::In, Field::Out], not: true, set: SAME.to_owned() });
        }
        match (self.dst, self.family) {
            (Dst::OwnOfSegments, Some(family)) => parts.push(Part::Lookup {
                fields: vec![Field::In, Field::Dst(family)],
                not: false,
                set: own(family).to_owned(),
            }),
            (Dst::OwnAsked, Some(family)) => {
                parts.push(Part::Local { here: true });
                parts.extend(not_link_local(family));
            }
            (Dst::OwnOfSegments | Dst::OwnAsked, None) => unreachable!("addresses have a family"),
            (Dst::Key | Dst::Free, _) => {}
        }
        parts
    }

    /// The end of its set's name: what the type and the rule that looks it up depend on.
    pub(super) fn suffix(&self, hook: Hook) -> String {
        let mut name = String::from(hook.word());
        let side = |name: &mut String, side: Side, word: &str| match side {
            Side::Key => {
                name.push('_');
                name.push_str(word);
            }
            Side::Segments => {
                name.push_str("_any");
                name.push_str(word);
            }
            Side::Pinned(id) => {
                name.push('_');
                name.push_str(word);
                name.push_str(&id.0.to_string());
            }
            Side::Free => {}
        };
        side(&mut name, self.input, "in");
        if self.src {
            name.push_str("_src");
        }
        side(&mut name, self.output, "out");
        if self.apart {
            name.push_str("_apart");
        }
        name.push_str(match self.dst {
            Dst::Key => "_dst",
            Dst::Free => "",
            Dst::OwnOfSegments => "_own",
            Dst::OwnAsked => "_local",
        });
        name.push_str(match self.svc {
            Svc::Free => "",
            Svc::Proto => "_proto",
            Svc::Port => "_port",
            Svc::IcmpType => "_type",
            Svc::IcmpCode => "_code",
        });
        name.push_str(match self.family {
            None => "",
            Some(Family::V4) => "_4",
            Some(Family::V6) => "_6",
        });
        if self.interval {
            name.push_str("_range");
        }
        name
    }
}
