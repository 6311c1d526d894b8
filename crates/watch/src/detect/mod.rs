//! The detectors, a file each. Each is a function of what it is told and of its own bounded tables.

mod devices;
mod dhcp;
mod health;
pub mod limits;
mod management;
mod new_pair;
mod peers;
mod rate;
mod scan;
mod spikes;
mod table;
mod uplink;

pub use devices::Devices;
pub use dhcp::Dhcp;
pub use health::Health;
pub use management::Management;
pub use new_pair::NewPairs;
pub use peers::Peers;
pub use scan::Scans;
pub use spikes::{Spikes, Threshold};
pub use uplink::UplinkSpoofs;

use segwall_packetset::Header;

use crate::alert::{Alert, Book, Draft};
use crate::event::{At, Packet, Tuple};
use crate::network::Network;

/// What a detector may use of the rest.
pub struct Around<'a> {
    pub network: &'a Network,
    pub at: At,
    pub book: &'a mut Book,
    pub told: &'a mut Vec<Alert>,
}

impl Around<'_> {
    /// An episode begins, or goes on.
    pub fn raise(&mut self, draft: Draft) -> Option<crate::alert::Ticket> {
        self.book.raise(self.network, self.at, draft, self.told)
    }
}

/// Protocol, and destination port or ICMP type.
pub type What = (u8, u16);

fn what(proto: u8, header: Header) -> What {
    match header {
        Header::Ports { dport, .. } => (proto, dport),
        Header::Icmp { kind, .. } => (proto, u16::from(kind)),
        Header::Other => (proto, 0),
    }
}

fn what_of(packet: &Packet) -> What {
    what(packet.proto, packet.header)
}

fn what_of_tuple(tuple: &Tuple) -> What {
    what(tuple.proto, tuple.header)
}
