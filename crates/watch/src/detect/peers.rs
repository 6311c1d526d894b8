//! Who had a connection with whom: late packets of one are no first contacts.

use std::net::IpAddr;

use segwall_packetset::Header;

use super::limits::PEERS_MAX;
use super::table::Table;
use super::{What, what_of_tuple};
use crate::event::{Answer, Connection, Packet};

/// Client, server, and what of the server.
type Peer = (IpAddr, IpAddr, What);

/// Connections seen, the oldest forgotten first; those that were answered later than others.
#[derive(Debug, Clone)]
pub struct Peers {
    table: Table<Peer, bool>,
    live: bool,
}

impl Default for Peers {
    fn default() -> Self {
        Self { table: Table::new(PEERS_MAX), live: false }
    }
}

impl Peers {
    /// A connection was accepted, or told of again.
    pub fn saw(&mut self, connection: &Connection) {
        self.live = true;
        let what = what_of_tuple(&connection.original);
        let answered = connection.answer == Answer::Answered;
        // Both as sent and as delivered, where a port forward or masquerading changed it.
        let sent = (connection.original.src, connection.original.dst, what);
        self.put(sent, answered);
        if let Header::Ports { sport, .. } = connection.reply.header {
            let delivered = (connection.original.src, connection.reply.src, (connection.reply.proto, sport));
            if delivered != sent {
                self.put(delivered, answered);
            }
        }
    }

    /// A first packet that was accepted and written down; whether it was answered nobody tells.
    pub fn accepted(&mut self, packet: &Packet) {
        self.put((packet.src, packet.dst, super::what_of(packet)), false);
    }

    fn put(&mut self, peer: Peer, answered: bool) {
        match self.table.get_mut(&peer) {
            Some(known) => *known |= answered,
            None => {
                self.table.insert(peer, answered, u32::from(answered));
            }
        }
        if answered {
            self.table.rank(&peer, 1);
        }
    }

    /// Whether connections are told of at all. A log of refused packets does not.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether a packet fits a connection, in either direction.
    pub fn knows(&self, packet: &Packet) -> bool {
        let there = (packet.src, packet.dst, super::what_of(packet));
        let back = match packet.header {
            Header::Ports { sport, .. } => Some((packet.dst, packet.src, (packet.proto, sport))),
            Header::Icmp { .. } | Header::Other => None,
        };
        self.table.get(&there).is_some() || back.is_some_and(|back| self.table.get(&back).is_some())
    }

    /// Whether the same client was answered by the same server before.
    pub fn was_answered(&self, src: IpAddr, dst: IpAddr, what: What) -> bool {
        self.table.get(&(src, dst, what)) == Some(&true)
    }

    /// Connections that had to be forgotten.
    pub fn lost(&self) -> u64 {
        self.table.lost
    }
}
