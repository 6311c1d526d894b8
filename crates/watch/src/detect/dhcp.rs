//! DHCP servers in segments that are not this box.

use std::net::IpAddr;

use segwall_packetset::{Header, proto};

use super::Around;
use crate::alert::{Draft, Evidence, Kind, Subject};
use crate::event::{Iface, Packet};
use crate::network::Zone;

/// Keeps nothing: the open episode is its memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dhcp;

/// Server to client, DHCP (RFC 2131) and DHCPv6 (RFC 8415).
const REPLIES: [(u16, u16); 2] = [(67, 68), (547, 546)];

impl Dhcp {
    /// A packet was seen, whatever became of it.
    pub fn packet(self, around: &mut Around<'_>, packet: &Packet) {
        let is_reply = packet.proto == proto::UDP
            && matches!(packet.header, Header::Ports { sport, dport } if REPLIES.contains(&(sport, dport)));
        if is_reply {
            self.server(around, packet.input, packet.src, Some(packet));
        }
    }

    /// Somebody answers requests on a link.
    pub fn server(self, around: &mut Around<'_>, iface: Iface, addr: IpAddr, packet: Option<&Packet>) {
        let zone = around.network.behind(iface);
        // On an uplink it is the provider's. Without a policy nobody knows whose it may be.
        if !matches!(zone, Zone::Segment(_)) || !super::scan::may_be_accused(around.network, addr) {
            return;
        }
        let mut draft = Draft::new(Kind::RogueDhcp, Subject::Addr(addr), around.at).within(zone);
        if let Some(packet) = packet {
            draft.show(Evidence::of(around.at, *packet));
        }
        around.raise(draft);
    }
}
