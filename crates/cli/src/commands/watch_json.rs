//! Lines of `segwall watch --format json`.

use schemars::JsonSchema;
use segwall_packetset::{Header, proto};
use segwall_watch::alert::{self, Evidence};
use segwall_watch::event::Verdict;
use segwall_watch::klog::Tally;
use segwall_watch::{Cause, State};
use serde::Serialize;

use crate::json::VERSION;

/// A line: an alert, or at the end the summary.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// An episode begins, grows or ends.
    Alert(Box<AlertLine>),
    /// What was read.
    Summary(Summary),
}

/// An alert.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AlertLine {
    /// Version of the shape, 1.
    version: u32,
    /// `alert`.
    record: &'static str,
    /// Number of the episode, from 1.
    id: u64,
    /// What it is about, such as `scan-vertical`; docs/watch.md lists them.
    kind: &'static str,
    /// `open`, `update`, `closed`.
    state: &'static str,
    /// `notice`, `warning`, `critical`.
    severity: &'static str,
    /// Who: an address, `many`, a card, a pair `FROM > TO`, a segment, an interface, `gateway`.
    source: String,
    /// The segment or interface that is in.
    source_zone: Option<String>,
    /// Addresses it went to, at most 32.
    targets: Vec<String>,
    /// There were more.
    more_targets: bool,
    /// `tcp/22`, `icmp/8` (its type), `proto/47`; at most 32.
    ports: Vec<String>,
    /// There were more.
    more_ports: bool,
    /// Probes, packets.
    count: u64,
    /// How a scan tries: `TCP SYN`, `UDP`, ...
    technique: Option<&'static str>,
    /// When the first came that counts, RFC 3339.
    first: String,
    /// When the last came.
    last: String,
    /// When this was told.
    at: String,
    /// One sentence.
    summary: String,
    /// Packets that show it, at most 5. Of a connection: the one that opened it, as connection tracking tells.
    evidence: Vec<EvidenceLine>,
    /// What of the policy decided about those, each once. Lines of older versions lack it.
    #[schemars(default)]
    policy: Vec<CauseLine>,
}

/// What decided about a packet.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CauseLine {
    /// Which policy: `generation 3`, a file's name.
    of: String,
    /// The rule's line in it; null where no rule of the file decided.
    line: Option<u32>,
    /// In words: `the drop at line 42`, `no rule accepts it`.
    words: String,
}

/// A packet.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EvidenceLine {
    /// When.
    at: String,
    /// Interface it came by; empty: the box sent it.
    #[serde(rename = "in")]
    input: String,
    /// Interface it would leave by; empty: it was for the box.
    #[serde(rename = "out")]
    output: String,
    /// Protocol: a name where it has one, else its number.
    proto: String,
    /// Source address.
    src: String,
    /// Destination address.
    dst: String,
    /// Source port.
    sport: Option<u16>,
    /// Destination port.
    dport: Option<u16>,
    /// Where it was sent to, if the box sent it on to `dst`: `203.0.113.2 port 8080`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_to: Option<String>,
    /// ICMP type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    /// TCP flags as the header's byte holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u8>,
    /// Why it was refused: the word of Segwall's log prefix, `foreign` for other rules'; `accepted` where it passed.
    reason: &'static str,
}

/// What was read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// Version of the shape, 1.
    version: u32,
    /// `summary`.
    record: &'static str,
    /// Lines read.
    pub lines: u64,
    /// Lines that told of a packet.
    pub packets: u64,
    /// Lines that told of none.
    pub other: u64,
    /// Lines that are broken or too long.
    pub broken: u64,
    /// Lines of other programs with the words of a packet.
    pub not_kernel: u64,
    /// Packets whose prefix does not say what became of them; taken as refused.
    pub unsaid: u64,
    /// Packets whose time could not be read.
    pub untimed: u64,
    /// Packets more than an hour older than one before.
    pub late: u64,
    /// Alerts.
    pub alerts: u64,
    /// Alerts that were open when the log ended.
    pub open: usize,
    /// What was lost at limits.
    pub lost: Lost,
}

/// What was lost at limits.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Lost {
    /// Sources and hosts of scans that were forgotten.
    pub scans: u64,
    /// Connections that were forgotten.
    pub peers: u64,
    /// Rates that were forgotten.
    pub rates: u64,
    /// Tries to manage that were forgotten.
    pub management: u64,
    /// Alerts that were not raised because too many of their kind were open.
    pub alerts: u64,
}

impl From<&alert::Alert> for AlertLine {
    fn from(alert: &alert::Alert) -> Self {
        Self {
            version: VERSION,
            record: "alert",
            id: alert.id,
            kind: alert.kind.word(),
            state: alert.phase.word(),
            severity: alert.severity.word(),
            source: alert.source.clone(),
            source_zone: alert.source_zone.clone(),
            targets: alert.targets.iter().map(ToString::to_string).collect(),
            more_targets: alert.more_targets,
            ports: alert.ports.clone(),
            more_ports: alert.more_ports,
            count: alert.count,
            technique: alert.technique.map(alert::Technique::word),
            first: alert.first.to_string(),
            last: alert.last.to_string(),
            at: alert.told.to_string(),
            summary: alert.summary.clone(),
            evidence: alert.evidence.iter().map(EvidenceLine::from).collect(),
            policy: alert.causes.iter().map(CauseLine::from).collect(),
        }
    }
}

impl From<&Cause> for CauseLine {
    fn from(cause: &Cause) -> Self {
        Self { of: cause.policy.to_string(), line: cause.line, words: cause.words.clone() }
    }
}

impl From<&Evidence> for EvidenceLine {
    fn from(evidence: &Evidence) -> Self {
        let packet = &evidence.packet;
        let (sport, dport, icmp_type) = match packet.header {
            Header::Ports { sport, dport } => (Some(sport), Some(dport), None),
            Header::Icmp { kind, code: _ } => (None, None, Some(kind)),
            Header::Other => (None, None, None),
        };
        Self {
            at: evidence.at.to_string(),
            input: packet.input.to_string(),
            output: packet.output.to_string(),
            proto: proto::name(packet.proto).map_or_else(|| packet.proto.to_string(), str::to_owned),
            src: packet.src.to_string(),
            dst: packet.dst.to_string(),
            sport,
            dport,
            sent_to: evidence.sent.map(|sent| format!("{} port {}", sent.dst, sent.dport)),
            icmp_type,
            flags: (packet.proto == proto::TCP).then_some(packet.flags.0),
            reason: match packet.verdict {
                Verdict::Accepted => "accepted",
                Verdict::Noted => "noted",
                Verdict::Refused(reason) => reason.word(),
            },
        }
    }
}

impl Summary {
    /// Of a log that was read to its end.
    pub fn of(tally: &Tally, alerts: u64, open: usize, state: &State) -> Self {
        let lost = state.lost();
        Self {
            version: VERSION,
            record: "summary",
            lines: tally.lines,
            packets: tally.packets,
            other: tally.other,
            broken: tally.broken,
            not_kernel: tally.not_kernel,
            unsaid: tally.unsaid,
            untimed: tally.untimed,
            late: state.late(),
            alerts,
            open,
            lost: Lost {
                scans: lost.scans,
                peers: lost.peers,
                rates: lost.rates,
                management: lost.management,
                alerts: lost.alerts,
            },
        }
    }
}
