//! Each kind of difference in words.

use super::classes::Class;
use super::compare::{How, Which};
use crate::netfilter::Hook;

/// Which packets differ, and why, in one sentence without a full stop.
pub(super) fn of(which: Which, how: How) -> &'static str {
    match which {
        Which::Promised => "between zones, which no rule of a policy can say",
        Which::Class(class) => of_class(class, how),
        Which::Implied => "what a segment or an uplink needs from the box: accepted without a rule",
        Which::Forwarded => "connections that a port forward made",
        Which::Destinations => "destinations that are translated otherwise",
        Which::Hairpin => "the uplink's address from inside: port forwards that segments see otherwise",
        Which::Sources => "sources that are translated otherwise",
        Which::Answered => "refused with an answer: the policy drops in silence",
    }
}

/// The way of packets at a hook.
pub(super) fn way(hook: Hook) -> &'static str {
    match hook {
        Hook::Input => "to the box",
        Hook::Output => "from the box",
        Hook::Prerouting | Hook::Ingress => "before routing",
        Hook::Postrouting | Hook::Egress => "after routing",
        Hook::Forward => "through the box",
    }
}

fn of_class(class: Class, how: How) -> &'static str {
    match (class, how) {
        (Class::Elsewhere, _) => "by an interface that no file gives a network",
        (Class::Loopback, _) => "what the box tells itself",
        (Class::Invalid, _) => "packets that fit no connection (invalid)",
        (Class::Untracked, _) => "packets that connection tracking does not look at (untracked)",
        (Class::Related, How::Closed) => {
            "related connections: only ICMP errors follow by themselves, others need a rule like every new one"
        }
        (Class::Related, _) => "ICMP errors about known connections",
        (Class::Established, How::Closed) => {
            "packets of known connections whose source does not lie behind the interface they come by"
        }
        (Class::Established, _) => "packets of known connections",
        (Class::OpensNothing, _) => "TCP without a bare SYN, and ICMP that asks nothing, where no connection is known",
        (Class::OtherIcmp, _) => "ICMP of the other IP version",
        (Class::NotCarried, _) => "an IP version that the interface has no address of",
        (Class::Ipv6Unfiltered, _) => "IPv6, of which the rules say nothing",
        (Class::Spoofed, _) => "a false source: one that does not lie behind the interface it comes by",
        (Class::OwnSource, _) => "from elsewhere with an address of the box as its source",
        (Class::SourcePort, _) => "from a source port below 1024: the rule is kept without its source ports",
        (Class::Implied, _) => "what a segment or an uplink needs from the box",
        (Class::OtherAddress, _) => "an address that the box has in another segment",
        (Class::Broadcast, _) => "broadcast and multicast",
        (Class::Astray, _) => "a destination that does not lie behind the interface it leaves by",
        (Class::NotTheBox, _) => "a source that is none of the box's addresses",
        (Class::Back, _) => "back out of the interface it came by, which stays on the wire without the box",
        (Class::PortZero, _) => "port 0",
        (Class::Straight, _) => "straight from the internet to the target of a port forward, past the forward",
    }
}

impl Class {
    /// A stable word for machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Loopback => "loopback",
            Self::Invalid => "invalid",
            Self::Untracked => "untracked",
            Self::Related => "related",
            Self::Established => "established",
            Self::OpensNothing => "opens-nothing",
            Self::OtherIcmp => "other-icmp",
            Self::NotCarried => "not-carried",
            Self::Ipv6Unfiltered => "ipv6-unfiltered",
            Self::Spoofed => "spoofed",
            Self::OtherAddress => "other-address",
            Self::Broadcast => "broadcast",
            Self::Astray => "astray",
            Self::NotTheBox => "not-the-box",
            Self::Back => "back",
            Self::PortZero => "port-zero",
            Self::Straight => "straight",
            Self::OwnSource => "own-source",
            Self::SourcePort => "source-port",
            Self::Implied => "implied",
        }
    }

    /// What somebody is asked who may keep a hole open.
    #[must_use]
    pub fn question(self) -> &'static str {
        match self {
            Self::Ipv6Unfiltered => "The rules say nothing about IPv6: every segment reaches every other by it",
            Self::OtherAddress => "Segments reach services of the box by its addresses in other segments",
            Self::Back => "Packets are accepted that go back out of the interface they came by",
            Self::Straight => "The internet side reaches the targets of port forwards past the forward",
            Self::SourcePort => {
                "Rules ask for source ports, which a policy does not know: kept, they hold for every one"
            }
            Self::Implied => "The rules drop what Segwall accepts by itself, such as echo requests to the box",
            _ => "",
        }
    }
}

impl Which {
    /// A stable word for machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Promised => "promised",
            Self::Class(class) => class.word(),
            Self::Implied => "implied",
            Self::Forwarded => "forwarded",
            Self::Destinations => "destinations",
            Self::Hairpin => "hairpin",
            Self::Sources => "sources",
            Self::Answered => "answered",
        }
    }
}
