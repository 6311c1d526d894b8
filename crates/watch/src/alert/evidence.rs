//! What shows that an alert is right.

use segwall_packetset::{Header, Sent, TcpFlags, proto};

use crate::event::{At, Connection, Packet, Verdict};
use crate::network::Network;

/// Packets an alert shows.
pub const EVIDENCE_MAX: usize = 5;

/// A packet that counts, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// When.
    pub at: At,
    /// Which.
    pub packet: Packet,
    /// Where it was sent to, if the box sent it on to somebody else and it is known.
    pub sent: Option<Sent>,
}

impl Evidence {
    /// A packet that was seen.
    #[must_use]
    pub fn of(at: At, packet: Packet) -> Self {
        Self { at, packet, sent: None }
    }

    /// The packet that opened a connection, as far as connection tracking tells. `None`: where it came from or went to is not
    /// known.
    #[must_use]
    pub fn opening(at: At, network: &Network, connection: &Connection) -> Option<Self> {
        let ends = network.ends_of(connection);
        let (original, reply) = (connection.original, connection.reply);
        let (header, sent) = match (original.header, reply.header) {
            (Header::Ports { sport, dport }, Header::Ports { sport: delivered, .. }) => {
                let is_sent_on = (original.dst, dport) != (reply.src, delivered);
                (Header::Ports { sport, dport: delivered }, is_sent_on.then_some(Sent { dst: original.dst, dport }))
            }
            (header, _) => (header, None),
        };
        let packet = Packet {
            verdict: Verdict::Accepted,
            input: network.iface(ends.from)?,
            output: network.iface(ends.to)?,
            src: original.src,
            dst: reply.src,
            proto: original.proto,
            header,
            flags: TcpFlags(if original.proto == proto::TCP { TcpFlags::SYN } else { 0 }),
            len: 0,
            mac: None,
            to_all: false,
        };
        Some(Self { at: connection.began.unwrap_or(at), packet, sent })
    }
}
