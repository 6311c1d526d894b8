//! Alerts: one for each episode, told when it begins, when its count reaches a power of ten, and when it is over.

mod book;
mod draft;
mod evidence;
mod silence;
mod words;

use std::net::IpAddr;

use crate::event::{At, Iface, Mac};
use crate::network::{Cause, Zone};

pub use book::{Book, OPEN_OF_KIND_MAX, Ticket};
pub use draft::Draft;
pub use evidence::{EVIDENCE_MAX, Evidence};
pub use silence::Silence;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Many ports of one host.
    ScanVertical,
    /// One port of many hosts.
    ScanHorizontal,
    /// Many ports of several hosts.
    ScanBlock,
    /// Any of these, with pauses that are meant to hide it.
    ScanSlow,
    /// Many sources, one host, different ports.
    ScanDistributed,
    /// One source is refused far more often than usual.
    DropsSource,
    /// Between two zones far more is refused than usual.
    DropsPair,
    /// Of what comes from one zone far more is refused than usual.
    DropsZone,
    /// A pair of zones talks that never did.
    NewPair,
    /// Somebody who may not tries to manage the box or a server.
    ManagementDenied,
    /// A card that nobody knows.
    UnknownDevice,
    /// Somebody else answers DHCP requests.
    RogueDhcp,
    /// An uplink brings addresses that are ours.
    UplinkSpoof,
    /// Connection tracking is nearly full.
    ConntrackFull,
    /// An interface of the policy is down.
    LinkDown,
    /// Segwall's table is gone.
    TableGone,
    /// The box differs from what holds.
    Drift,
    /// Records were lost: what is seen is not all.
    RecordsLost,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Notice,
    /// To be looked at.
    Warning,
    /// The box does not protect as it should.
    Critical,
}

impl Severity {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::ScanVertical,
        Self::ScanHorizontal,
        Self::ScanBlock,
        Self::ScanSlow,
        Self::ScanDistributed,
        Self::DropsSource,
        Self::DropsPair,
        Self::DropsZone,
        Self::NewPair,
        Self::ManagementDenied,
        Self::UnknownDevice,
        Self::RogueDhcp,
        Self::UplinkSpoof,
        Self::ConntrackFull,
        Self::LinkDown,
        Self::TableGone,
        Self::Drift,
        Self::RecordsLost,
    ];

    /// Its word in JSON and for silences.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ScanVertical => "scan-vertical",
            Self::ScanHorizontal => "scan-horizontal",
            Self::ScanBlock => "scan-block",
            Self::ScanSlow => "scan-slow",
            Self::ScanDistributed => "scan-distributed",
            Self::DropsSource => "drops-source",
            Self::DropsPair => "drops-pair",
            Self::DropsZone => "drops-segment",
            Self::NewPair => "new-pair",
            Self::ManagementDenied => "management-denied",
            Self::UnknownDevice => "unknown-device",
            Self::RogueDhcp => "rogue-dhcp",
            Self::UplinkSpoof => "uplink-spoof",
            Self::ConntrackFull => "conntrack-full",
            Self::LinkDown => "link-down",
            Self::TableGone => "table-gone",
            Self::Drift => "drift",
            Self::RecordsLost => "records-lost",
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::NewPair | Self::DropsZone | Self::UnknownDevice => Severity::Notice,
            Self::ScanVertical
            | Self::ScanHorizontal
            | Self::ScanBlock
            | Self::ScanSlow
            | Self::ScanDistributed
            | Self::DropsSource
            | Self::DropsPair
            | Self::ManagementDenied
            | Self::UplinkSpoof
            | Self::LinkDown
            | Self::Drift
            | Self::RecordsLost => Severity::Warning,
            Self::RogueDhcp | Self::ConntrackFull | Self::TableGone => Severity::Critical,
        }
    }

    /// Seconds without anything new after which an episode is over; `None`: something else tells its end.
    #[must_use]
    pub fn quiet_s(self) -> Option<i64> {
        match self {
            // The slowest timing template of nmap sends every 5 minutes: three of those must be missed.
            Self::ScanVertical | Self::ScanHorizontal | Self::ScanBlock | Self::ScanSlow => Some(900),
            Self::ScanDistributed | Self::UplinkSpoof | Self::RecordsLost => Some(600),
            Self::DropsSource | Self::DropsPair | Self::DropsZone => Some(300),
            Self::ManagementDenied => Some(900),
            // Nothing more comes of these: told once.
            Self::NewPair | Self::UnknownDevice => Some(60),
            Self::RogueDhcp => Some(3_600),
            Self::ConntrackFull | Self::LinkDown | Self::TableGone | Self::Drift => None,
        }
    }
}

/// Where an episode stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It begins.
    Open,
    /// It goes on, and is ten times what it was when last told.
    Update,
    /// It is over.
    Closed,
}

impl Phase {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Update => "update",
            Self::Closed => "closed",
        }
    }
}

/// Who or what an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An address.
    Addr(IpAddr),
    /// Many addresses, of which none stands out.
    Many(IpAddr),
    /// A card, on this interface.
    Card(Iface, Mac),
    /// Two zones.
    Pair(Zone, Zone),
    /// One zone.
    Zone(Zone),
    /// An interface.
    Iface(Iface),
    /// The box itself.
    Box,
}

/// How the ports were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Technique {
    /// Bare SYN made by hand: no options that a system's own TCP has.
    Syn,
    /// SYN as a system's own `connect` sends it.
    Connect,
    /// FIN alone.
    Fin,
    /// No flag at all.
    Null,
    /// FIN, PSH and URG.
    Xmas,
    /// ACK alone.
    Ack,
    /// UDP.
    Udp,
    /// ICMP requests.
    Icmp,
    /// One packet for each IP protocol.
    Protocol,
    /// Another transport with ports (SCTP, DCCP).
    Other,
}

impl Technique {
    /// Every technique.
    pub const ALL: [Self; 10] = [
        Self::Syn,
        Self::Connect,
        Self::Fin,
        Self::Null,
        Self::Xmas,
        Self::Ack,
        Self::Udp,
        Self::Icmp,
        Self::Protocol,
        Self::Other,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Syn => "TCP SYN",
            Self::Connect => "TCP connect",
            Self::Fin => "TCP FIN",
            Self::Null => "TCP NULL",
            Self::Xmas => "TCP Xmas",
            Self::Ack => "TCP ACK",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
            Self::Protocol => "IP protocol",
            Self::Other => "other transport",
        }
    }
}

/// An alert, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Number of the episode, from 1.
    pub id: u64,
    /// What it is about.
    pub kind: Kind,
    /// Where it stands.
    pub phase: Phase,
    /// How much it matters.
    pub severity: Severity,
    /// Who or what.
    pub subject: Subject,
    /// Where that is: a zone's name.
    pub source_zone: Option<String>,
    /// In words, safe to show.
    pub source: String,
    /// Towards whom, in order, at most [`TARGETS_MAX`].
    pub targets: Vec<IpAddr>,
    /// There were more than are listed.
    pub more_targets: bool,
    /// Ports: `tcp/22`, `icmp/8`, `proto/47`; in order, at most [`PORTS_MAX`].
    pub ports: Vec<String>,
    /// There were more than are listed.
    pub more_ports: bool,
    /// How often: probes, packets, devices.
    pub count: u64,
    /// For scans: how.
    pub technique: Option<Technique>,
    /// When it began: the first that counts.
    pub first: At,
    /// When it went on last.
    pub last: At,
    /// When this was told.
    pub told: At,
    /// The first packets, at most [`EVIDENCE_MAX`].
    pub evidence: Vec<Evidence>,
    /// What of the policy decided about those, each once; empty without a policy.
    pub causes: Vec<Cause>,
    /// One sentence.
    pub summary: String,
}

impl Alert {
    /// What of the policy decided, in one sentence's part: `the drop at line 42; no rule accepts it`; of which policy, where there
    /// were several. Empty where that is not known.
    #[must_use]
    pub fn causes_words(&self) -> String {
        let is_mixed = self.causes.windows(2).any(|pair| pair[0].policy != pair[1].policy);
        let words = |cause: &Cause| {
            if is_mixed { format!("{} ({})", cause.words, cause.policy) } else { cause.words.clone() }
        };
        self.causes.iter().map(words).collect::<Vec<_>>().join("; ")
    }
}

/// Targets an alert lists.
pub const TARGETS_MAX: usize = 32;
/// Ports an alert lists.
pub const PORTS_MAX: usize = 32;
/// A card's address as people write it.
#[must_use]
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
