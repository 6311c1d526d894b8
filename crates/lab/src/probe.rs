//! A probe, and what the oracle says of it.

use std::fmt;
use std::net::IpAddr;

use segwall_core::policy::{Ports, Service, Verdict};
use segwall_core::ruleset::{At, Decision, Ruleset};
use segwall_packetset::{CtState, Flow, Header, Packet, Place, Sent, TcpFlags, proto};

use crate::topology::Topology;

/// What a probe is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The first packet of a class of flow.
    Class,
    /// The answer to an accepted flow.
    Reply,
    /// An ICMP error about an accepted flow.
    Related,
    /// A packet that belongs to no known connection.
    Stray,
    /// A source that does not belong to its interface.
    Spoofed,
    /// A source from each part of its segment's network.
    Source,
    /// A packet of a known connection by the wrong interface.
    Hijack,
    /// A burst against a limit.
    Limit,
}

impl Kind {
    /// For reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Class => "classes",
            Self::Reply => "replies",
            Self::Related => "related errors",
            Self::Stray => "without connection",
            Self::Spoofed => "spoofed sources",
            Self::Source => "true sources",
            Self::Hijack => "known connection, wrong interface",
            Self::Limit => "limits",
        }
    }
}

/// What the matrix calls a probe's service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A service that some rule names.
    Named(Service),
    /// Something of this protocol that no rule names.
    Other(u8),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |number: u8| proto::name(number).map_or_else(|| format!("protocol {number}"), str::to_owned);
        match self {
            Self::Named(service) => match service.ports {
                Ports::All => f.write_str(&name(service.proto)),
                Ports::Range(range) => write!(f, "{}/{range}", name(service.proto)),
                Ports::Icmp { kind, code: None } => write!(f, "{}/{kind}", name(service.proto)),
                Ports::Icmp { kind, code: Some(code) } => write!(f, "{}/{kind}/{code}", name(service.proto)),
            },
            Self::Other(number) => write!(f, "other {}", name(*number)),
        }
    }
}

/// One packet to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// What it is to show.
    pub kind: Kind,
    /// Where it enters.
    pub input: Place,
    /// The zone it is addressed to.
    pub to: Place,
    /// Source.
    pub src: IpAddr,
    /// Destination, as sent.
    pub dst: IpAddr,
    /// IP protocol.
    pub proto: u8,
    /// Ports, as sent, or type and code. The source port is given when it is sent.
    pub header: Header,
    /// TCP flags.
    pub flags: TcpFlags,
    /// With a checksum that is wrong.
    pub broken: bool,
    /// The matrix's word for its service.
    pub label: Label,
}

/// What ought to happen to a probe.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The flow the oracle was asked about.
    pub flow: Flow,
    /// Its answer.
    pub decision: Decision,
    /// Whether its source is to be replaced by an address of the interface it leaves by.
    pub masqueraded: bool,
    /// Whether a reject is a drop, since the kernel does not answer such a packet.
    pub unanswered: bool,
}

impl Probe {
    /// The state connection tracking gives it when it knows no connection for it.
    #[must_use]
    pub fn state(&self, flow: &Flow) -> CtState {
        if self.broken { CtState::Invalid } else { flow.first_state() }
    }

    /// Destination port, as sent.
    #[must_use]
    pub fn dport(&self) -> Option<u16> {
        match self.header {
            Header::Ports { dport, .. } => Some(dport),
            Header::Icmp { .. } | Header::Other => None,
        }
    }

    /// Asks the oracle.
    #[must_use]
    pub fn expected(&self, ruleset: &Ruleset, topology: &Topology, at: At) -> Expected {
        let translated = self.dport().and_then(|dport| {
            let sent = Sent { dst: self.dst, dport };
            ruleset.translate(self.input, self.src, sent, self.proto).map(|to| (sent, to))
        });
        let (dst, header, sent) = match (translated, self.header) {
            (Some((sent, (to, dport))), Header::Ports { sport, .. }) => {
                (to, Header::Ports { sport, dport }, Some(sent))
            }
            (_, header) => (self.dst, header, None),
        };
        let flow = Flow {
            input: self.input,
            output: topology.route(ruleset, dst),
            proto: self.proto,
            src: self.src,
            dst,
            header,
            sent,
        };
        let packet = Packet { flow, state: self.state(&flow), flags: self.flags };
        let decision = ruleset.judge(&packet, at);
        // The kernel tells nobody about a broadcast (RFC 1122), and what it sends about an untracked packet is itself
        // of no known connection, so that no ruleset like ours lets it out.
        let unanswered = packet.state == CtState::Untracked || ruleset.is_broadcast(flow.dst);
        Expected { flow, decision, masqueraded: ruleset.masquerade(&flow).is_some(), unanswered }
    }
}

impl Expected {
    /// Whether it is to arrive.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.decision.verdict == Verdict::Accept
    }
}
