//! Lines of `segwall flows --format json`.

use schemars::JsonSchema;
use segwall_packetset::proto;
use segwall_watch::store::Flow;
use segwall_watch::store::flow::answer_word;
use segwall_watch::store::read::Subject;
use segwall_watch::store::rollup::Sums;
use serde::Serialize;

use crate::json::VERSION;

/// A line: a connection, or with --top a place in the list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// A connection.
    Flow(Box<FlowLine>),
    /// What an address, a pair of zones or a port comes to.
    Top(TopLine),
}

/// A connection.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FlowLine {
    /// Version of the shape, 1.
    version: u32,
    /// `flow`.
    record: &'static str,
    /// `open`, `ended`.
    state: &'static str,
    /// When it ended, RFC 3339; null: it is open.
    ended: Option<String>,
    /// When it began; null where the kernel does not note it.
    began: Option<String>,
    /// The zone of who opened it.
    from: String,
    /// The zone of who answered.
    to: String,
    /// Protocol: a name where it has one, else its number.
    proto: String,
    /// Who opened it.
    src: String,
    /// Source port.
    sport: Option<u16>,
    /// Whom it was opened to.
    dst: String,
    /// Destination port.
    dport: Option<u16>,
    /// ICMP type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    /// Who answered, where a port forward made that somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// At which port.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_port: Option<u16>,
    /// Sent by who opened it.
    sent: VolumeLine,
    /// Sent back.
    received: VolumeLine,
    /// `none`, `refused`, `answered`, `unknown`.
    answer: &'static str,
}

/// Packets and bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VolumeLine {
    /// Packets.
    packets: u64,
    /// Bytes of IP packets.
    bytes: u64,
}

/// A place in the list of the largest.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TopLine {
    /// Version of the shape, 1.
    version: u32,
    /// `talker`, `pair`, `port`, `others`: those that were too small to be told apart.
    record: &'static str,
    /// The zone of a talker.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// The talker.
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<String>,
    /// The zone of who opened the connections of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The zone of who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Protocol of a port.
    #[serde(skip_serializing_if = "Option::is_none")]
    proto: Option<String>,
    /// The port.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Connections that ended.
    flows: u64,
    /// Sent: by a talker, or by those who opened connections.
    sent: VolumeLine,
    /// Received.
    received: VolumeLine,
}

/// A protocol's name, or its number.
pub fn protocol(number: u8) -> String {
    proto::name(number).map_or_else(|| number.to_string(), str::to_owned)
}

fn volume(volume: segwall_watch::event::Volume) -> VolumeLine {
    VolumeLine { packets: volume.packets, bytes: volume.bytes }
}

impl FlowLine {
    /// A connection that is open, or has ended.
    pub fn of(flow: &Flow, is_open: bool) -> Self {
        Self {
            version: VERSION,
            record: "flow",
            state: if is_open { "open" } else { "ended" },
            ended: (!is_open).then(|| flow.ended.to_string()),
            began: flow.began.map(|began| began.to_string()),
            from: flow.from.clone(),
            to: flow.to.clone(),
            proto: protocol(flow.proto),
            src: flow.src.to_string(),
            sport: flow.sport(),
            dst: flow.dst.to_string(),
            dport: flow.dport(),
            icmp_type: flow.icmp_type(),
            server: flow.server.map(|server| server.addr.to_string()),
            server_port: flow.server.map(|server| server.port),
            sent: volume(flow.sent),
            received: volume(flow.received),
            answer: answer_word(flow.answer),
        }
    }
}

impl TopLine {
    /// A place in the list.
    pub fn of(subject: &Subject, sums: &Sums) -> Self {
        let mut line = Self {
            version: VERSION,
            record: "others",
            zone: None,
            addr: None,
            from: None,
            to: None,
            proto: None,
            port: None,
            flows: sums.flows,
            sent: volume(sums.sent),
            received: volume(sums.received),
        };
        match subject {
            Subject::Talker { zone, addr } => {
                (line.record, line.zone, line.addr) = ("talker", Some(zone.clone()), Some(addr.to_string()));
            }
            Subject::Pair { from, to } => {
                (line.record, line.from, line.to) = ("pair", Some(from.clone()), Some(to.clone()));
            }
            Subject::Port { proto, port } => {
                (line.record, line.proto, line.port) = ("port", Some(protocol(*proto)), Some(*port));
            }
            Subject::Others => {}
        }
        line
    }
}
