//! A packet as people know it: with the names of its interfaces.

use segwall_packetset::Packet;

/// A packet at the gateway, described without a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPacket {
    /// The packet. Its own places say no more than whether the box itself is one end.
    pub packet: Packet,
    /// Name of the interface it comes by; `None`: the box sends it.
    pub input: Option<String>,
    /// Name of the interface it leaves by; `None`: the box receives it.
    pub output: Option<String>,
    /// In one line.
    pub words: String,
}
