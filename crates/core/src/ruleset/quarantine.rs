//! Quarantine: hosts that are cut off for a time, whatever the policy accepts.
//!
//! It only takes away. What a quarantined host sends, and what is sent to it, is dropped, but for what keeps it known to the
//! box and for the hosts that `[quarantine] allow` names; of these the policy decides as ever. Who is quarantined is no part
//! of a ruleset: it is in two sets of the kernel, [`SET4`] and [`SET6`], which come and go with incidents.

use std::net::IpAddr;

use segwall_packetset::{Family, Flow, Header, Packet, Place, proto};

use super::judge::{Decision, Reason, holds};
use super::{At, Ruleset};
use crate::policy::Verdict;

/// The table (family `inet`) that the sets are in.
pub const TABLE: &str = "segwall";
/// The set of quarantined IPv4 addresses.
pub const SET4: &str = "quarantine4";
/// The set of quarantined IPv6 addresses.
pub const SET6: &str = "quarantine6";

/// UDP ports of the box that a quarantined host may send to, and keep its lease: DHCP (RFC 2131), DHCPv6 (RFC 8415).
pub const PORTS_TO_BOX: [u16; 2] = [67, 547];
/// UDP ports that the box answers to: those of DHCP's and DHCPv6's clients.
pub const PORTS_FROM_BOX: [u16; 2] = [68, 546];
/// ICMPv6 types to the box: MLD (RFC 2710, RFC 3810), without which switches lose neighbour discovery; router and neighbour
/// discovery (RFC 4861).
pub const TYPES_TO_BOX: [u8; 6] = [131, 132, 133, 135, 136, 143];
/// ICMPv6 types from the box: router and neighbour discovery.
pub const TYPES_FROM_BOX: [u8; 3] = [134, 135, 136];

/// The set of a family.
#[must_use]
pub fn set(family: Family) -> &'static str {
    match family {
        Family::V4 => SET4,
        Family::V6 => SET6,
    }
}

/// Which ends of a packet are quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quarantined {
    /// Its source.
    pub src: bool,
    /// Its destination.
    pub dst: bool,
}

impl Quarantined {
    /// No end.
    pub const NONE: Self = Self { src: false, dst: false };

    /// For people; `None` where nobody is.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        match (self.src, self.dst) {
            (false, false) => None,
            (true, false) => Some("from a quarantined host"),
            (false, true) => Some("to a quarantined host"),
            (true, true) => Some("between quarantined hosts"),
        }
    }
}

impl Ruleset {
    /// As [`Ruleset::judge`], where ends of the packet are quarantined.
    #[must_use]
    pub fn judge_quarantined(&self, packet: &Packet, at: At, ends: Quarantined) -> Decision {
        let open = self.judge(packet, at);
        match open.reason {
            // What comes before: the sender is not who it says.
            Reason::Spoofed | Reason::UnknownInterface => open,
            _ if self.held_back(&packet.flow, ends) => {
                Decision { verdict: Verdict::Drop, reason: Reason::Quarantined, log: false, limited: false }
            }
            _ => open,
        }
    }

    /// Whether a quarantine holds back what is sent. The box itself is never in quarantine.
    fn held_back(&self, flow: &Flow, ends: Quarantined) -> bool {
        let allowed = |addr: IpAddr| holds(&self.quarantine_allow, addr);
        match (flow.input, flow.output) {
            (Place::Gateway, Place::Gateway) => false,
            (_, Place::Gateway) => ends.src && !allowed(flow.dst) && !keeps_known(flow, &PORTS_TO_BOX, &TYPES_TO_BOX),
            (Place::Gateway, _) => {
                ends.dst && !allowed(flow.src) && !keeps_known(flow, &PORTS_FROM_BOX, &TYPES_FROM_BOX)
            }
            (_, _) => (ends.src && !allowed(flow.dst)) || (ends.dst && !allowed(flow.src)),
        }
    }
}

/// A host that keeps its lease and answers for its address stays identifiable.
fn keeps_known(flow: &Flow, ports: &[u16], types: &[u8]) -> bool {
    match flow.header {
        Header::Ports { dport, .. } => flow.proto == proto::UDP && ports.contains(&dport),
        Header::Icmp { kind, .. } => flow.proto == proto::ICMPV6 && types.contains(&kind),
        Header::Other => false,
    }
}
