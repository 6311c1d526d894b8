//! Probes that a host in a segment can make with ordinary sockets, and what is to come of each.
//!
//! The box cannot send in a segment's place: its own packets take another way through the rules. So it writes down what a
//! host there should see, and that host tries.

mod judge;
mod list;

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use judge::{Judgement, Seen, judge};
pub use list::{default_source, list};

/// The version of a list's shape.
pub const VERSION: u32 = 1;
/// More probes than this nobody waits for.
pub const PROBES_MAX: usize = 2_000;

/// What to try from a host in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// 1.
    pub version: u32,
    /// The segment.
    pub segment: String,
    /// The address that these answers hold for.
    pub source: IpAddr,
    /// The generation they come from; null for a policy that was not applied.
    pub generation: Option<u64>,
    /// Who gives addresses there, where somebody does.
    pub dhcp_server: Option<Ipv4Addr>,
    /// What to try.
    pub probes: Vec<Probe>,
}

/// How to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Open a TCP connection.
    Tcp,
    /// Send a UDP datagram.
    Udp,
    /// Send an echo request.
    Ping,
}

/// What the policy says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// It gets there.
    Accept,
    /// It is dropped in silence.
    Drop,
    /// It is refused.
    Reject,
}

/// One thing to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// How.
    pub kind: Kind,
    /// Towards which address.
    pub to: IpAddr,
    /// To which port; null for an echo.
    pub port: Option<u16>,
    /// The zone it lies in.
    pub zone: String,
    /// What the policy says.
    pub expected: Expected,
    /// Something always comes back when it gets there: from the box itself, which echoes, and refuses TCP that
    /// nobody listens for.
    pub answers: bool,
}
