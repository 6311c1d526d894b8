//! Which packets the promise is about, and the classes of all others: together they are every packet of a hook, each in
//! one of them.

use std::collections::BTreeSet;

use segwall_packetset::{AddrRange, GaveUp, Set, Space};

pub(super) use super::class_sets::forwarded;
pub(super) use super::class_sets::own_addresses;
use super::class_sets::set;
use crate::analysis::sets;
use crate::netfilter::Hook;
use crate::ruleset::Ruleset;

/// A class of packets that the promise is not about, in the order in which a packet is asked: first where it goes, then
/// what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// By an interface that no file names.
    Elsewhere,
    /// By the loopback interface.
    Loopback,
    /// Of an IP version that an interface does not carry.
    NotCarried,
    /// IPv6, of which the rules say nothing at all.
    Ipv6Unfiltered,
    /// To an address that the box has on another interface.
    OtherAddress,
    /// To everybody, or to a group.
    Broadcast,
    /// To an address that does not lie behind the interface it leaves by, or is none of the box's.
    Astray,
    /// Its source does not lie behind the interface it comes by.
    Spoofed,
    /// Its source is an address of the box, and it comes from elsewhere.
    OwnSource,
    /// From an address that is none of the box's.
    NotTheBox,
    /// Back out of the interface it came by.
    Back,
    /// Fits no connection.
    Invalid,
    /// Connection tracking does not look at it.
    Untracked,
    /// Related to a known connection.
    Related,
    /// Of a known connection.
    Established,
    /// New by connection tracking, and without the flags or the message that open a connection.
    OpensNothing,
    /// ICMP over IPv6, or ICMPv6 over IPv4.
    OtherIcmp,
    /// To port 0.
    PortZero,
    /// Straight from the internet to an address that a port forward leads to, not by the forward.
    Straight,
    /// From a port below 1024: a class of its own only where rules that ask for higher source ports are kept as rules for
    /// every source port.
    SourcePort,
    /// What Segwall accepts by itself and the rules dropped; no packets of its own, but a choice.
    Implied,
}

impl Class {
    /// All that packets are asked for, in order.
    const ASKED: [Self; 20] = [
        Self::Elsewhere,
        Self::Loopback,
        Self::NotCarried,
        Self::Ipv6Unfiltered,
        Self::OtherAddress,
        Self::Broadcast,
        Self::Astray,
        Self::Spoofed,
        Self::OwnSource,
        Self::NotTheBox,
        Self::Back,
        Self::Invalid,
        Self::Untracked,
        Self::Related,
        Self::Established,
        Self::OpensNothing,
        Self::OtherIcmp,
        Self::PortZero,
        Self::Straight,
        Self::SourcePort,
    ];

    /// Where a policy can do what the rules did, if somebody wants it.
    pub const HOLES: [Self; 6] =
        [Self::Ipv6Unfiltered, Self::OtherAddress, Self::Back, Self::Straight, Self::SourcePort, Self::Implied];

    /// It says what state a packet is in, not where it goes.
    pub(super) const STATES: [Self; 5] =
        [Self::Invalid, Self::Untracked, Self::Related, Self::Established, Self::OpensNothing];

    /// Whether its packets are told apart by where they go.
    pub(super) fn is_of_places(self) -> bool {
        self <= Self::Back
    }
}

/// What the promise is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Classes of [`Class::HOLES`] that are part of it, because they are kept.
    pub kept: BTreeSet<Class>,
    /// The rules say nothing about IPv6.
    pub ipv6_unfiltered: bool,
    /// Addresses that port forwards lead to.
    pub forwarded_to: Vec<AddrRange>,
}

/// The packets of a hook.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// Those of the promise.
    pub promised: Set,
    /// The others, by their classes, in order; empty ones are left out.
    pub others: Vec<(Class, Set)>,
}

/// Cuts the packets of a hook (input, forward or output) that nothing translated into their classes.
pub(super) fn parts(space: &mut Space, ruleset: &Ruleset, hook: Hook, scope: &Scope) -> Result<Parts, GaveUp> {
    let possible = sets::possible(space, hook)?;
    let plain = sets::untranslated(space)?;
    let mut left = space.intersect(possible, plain)?;
    let mut others = Vec::new();
    for class in Class::ASKED {
        // A hole that is kept is part of the promise; but rules without source ports promise less.
        if scope.kept.contains(&class) != (class == Class::SourcePort) {
            continue;
        }
        let set = set(space, ruleset, hook, scope, class)?;
        let inside = space.intersect(left, set)?;
        if !inside.is_empty() {
            left = space.minus(left, inside)?;
            others.push((class, inside));
        }
    }
    Ok(Parts { promised: left, others })
}
