//! What somebody who looks on is shown: a plain value, made once a second while somebody does, by a fold like the others.
//!
//! Sums only grow: whoever shows rates makes them of two views. [`board`] makes a view, [`server`] hands it out.

mod alone;
mod board;
mod going;
mod server;
#[cfg(test)]
mod tests;

pub use alone::alone;
pub use board::{Board, Seen};
pub use going::{FLOWS_MAX, TALKERS_MAX, TALKERS_OF_ZONE_MAX};
pub use server::Server;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of a view. It grows when a field changes its meaning or goes away.
pub const SHAPE: u32 = 1;
/// Pairs of zones in a view; more are counted in [`View::left_out`].
pub const PAIRS_MAX: usize = 65_536;
/// Refused packets in a view: the newest.
pub const DROPS_MAX: usize = 200;
/// Alerts that ended and are still shown.
pub const ENDED_MAX: usize = 50;

/// Everything a screen needs, at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// The shape of this value, 1.
    pub shape: u32,
    /// Segwall's version.
    pub segwall: String,
    /// When it was made, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// When watching began.
    pub since_ms: i64,
    /// When open connections were listed last; sums of pairs, talkers and flows are as of then. Null: not yet.
    pub listed_ms: Option<i64>,
    /// The policy that is watched.
    pub policy: String,
    /// Segments in the policy's order, the internet, the gateway, then what the policy does not name.
    pub zones: Vec<ZoneRow>,
    /// Pairs of zones with traffic, in order of their zones.
    pub pairs: Vec<Pair>,
    /// Interfaces, by name.
    pub interfaces: Vec<Interface>,
    /// The busiest hosts of each zone.
    pub talkers: Vec<Talker>,
    /// Open connections, those with the highest rate first, then those that carried most.
    pub flows: Vec<Flow>,
    /// How many connections were open when they were listed.
    pub flows_open: u64,
    /// Refused packets as far as rules wrote them down, oldest first.
    pub drops: Vec<Refused>,
    /// Open alerts, then those that ended, newest first.
    pub alerts: Vec<AlertRow>,
    /// How full connection tracking is.
    pub conntrack: Option<Fill>,
    /// Whether Segwall's table is in the kernel.
    pub table: Option<bool>,
    /// Records that were lost before they were looked at, by source.
    pub lost: Vec<Loss>,
    /// What has no place in a view.
    pub left_out: LeftOut,
}

/// A zone: a segment, `internet`, `gateway`, or an interface that no policy names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ZoneRow {
    /// Its name.
    pub name: String,
    /// Hosts in it that were heard of since watching began.
    pub hosts: u64,
}

/// Packets and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sum {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What connections between two zones carried, and what was refused between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// Who opened: a place in `zones`, from 0.
    pub from: u32,
    /// Who answered.
    pub to: u32,
    /// Connections that began.
    pub connections: u64,
    /// Sent by those who opened.
    pub sent: Sum,
    /// Sent back.
    pub received: Sum,
    /// Packets that were refused.
    pub refused: u64,
}

/// An interface, as the kernel counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The zone behind it: a place in `zones`.
    pub zone: Option<u32>,
    /// Switched on, with a cable plugged in.
    pub up: bool,
    /// What came in.
    pub received: Sum,
    /// What went out.
    pub sent: Sum,
    /// Broken packets, both ways.
    pub errors: u64,
    /// Packets for which the kernel had no room, both ways.
    pub dropped: u64,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Talker {
    /// Where it is: a place in `zones`.
    pub zone: u32,
    /// Its address.
    pub addr: IpAddr,
    /// The policy's name for it.
    pub name: Option<String>,
    /// Sent by it.
    pub sent: Sum,
    /// Sent to it.
    pub received: Sum,
    /// Bytes a second that it sent, between the last two listings.
    pub sent_s: u64,
    /// Bytes a second that it was sent.
    pub received_s: u64,
}

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Who opened: a place in `zones`.
    pub from: u32,
    /// Who answers.
    pub to: u32,
    /// Protocol: a name where it has one, else its number.
    pub proto: String,
    /// Who opened.
    pub src: IpAddr,
    /// Who answers, after translation.
    pub dst: IpAddr,
    /// The opener's port.
    pub sport: Option<u16>,
    /// The answerer's port.
    pub dport: Option<u16>,
    /// Sent by the opener.
    pub sent: Sum,
    /// Sent back.
    pub received: Sum,
    /// Bytes a second that the opener sent, between the last two listings.
    pub sent_s: u64,
    /// Bytes a second that were sent back.
    pub received_s: u64,
}

/// A packet that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// Its number since watching began, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why: the word of the rules' log prefix.
    pub reason: String,
    /// Zone it came from.
    pub from: String,
    /// Zone it went to.
    pub to: String,
    /// Interface it came by; empty: the box sent it.
    #[serde(rename = "in")]
    pub input: String,
    /// Interface it would leave by; empty: it was for the box.
    #[serde(rename = "out")]
    pub output: String,
    /// Protocol: a name where it has one, else its number.
    pub proto: String,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port.
    pub dport: Option<u16>,
    /// ICMP type.
    #[serde(rename = "type")]
    pub kind: Option<u8>,
    /// ICMP code.
    pub code: Option<u8>,
    /// TCP flags: `SYN`, `ACK PSH`.
    pub flags: String,
}

/// An alert that is open, or ended lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertRow {
    /// Number of the episode, from 1.
    pub id: u64,
    /// What it is about, such as `scan-vertical`.
    pub kind: String,
    /// `notice`, `warning`, `critical`.
    pub severity: String,
    /// It is not over.
    pub open: bool,
    /// Who or what.
    pub source: String,
    /// One sentence.
    pub summary: String,
    /// How often.
    pub count: u64,
    /// When it began, in milliseconds since 1970.
    pub first_ms: i64,
    /// When it went on last.
    pub last_ms: i64,
    /// Addresses it went to, at most 32.
    pub targets: Vec<String>,
    /// `tcp/22`, `icmp/8`; at most 32.
    pub ports: Vec<String>,
    /// What of the policy decided about its first packets, in words.
    #[serde(default)]
    pub policy: Vec<String>,
}

/// How full connection tracking is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fill {
    /// Connections it holds.
    pub count: u64,
    /// Connections it can hold; 0: as many as memory.
    pub max: u64,
}

/// Records that a source lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// `packets`, `connections`, `links` or `log`.
    pub source: String,
    /// How many.
    pub count: u64,
}

/// What has no place in a view, or was not counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Pairs of zones.
    pub pairs: u64,
    /// Hosts.
    pub talkers: u64,
    /// Open connections.
    pub flows: u64,
}
