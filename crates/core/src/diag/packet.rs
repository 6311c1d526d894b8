//! A packet as people know it: with the names of its interfaces.

use std::fmt;
use std::net::IpAddr;

use segwall_packetset::{CtState, Flow, Header, Packet, proto};

/// What most hosts send with.
pub const DEFAULT_HOPS: u8 = 64;

/// A packet at the gateway, described without a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPacket {
    /// The packet. Its own places say no more than whether the box itself is one end.
    pub packet: Packet,
    /// Name of the interface it comes by; `None`: the box sends it.
    pub input: Option<String>,
    /// Name of the interface it leaves by; `None`: the box receives it.
    pub output: Option<String>,
    /// TTL or hop limit.
    pub hops: u8,
}

impl fmt::Display for NamedPacket {
    /// Protocol, ends, interfaces and what is unusual about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { proto: protocol, src, dst, header, sent, .. } = self.packet.flow;
        let end = |addr: IpAddr, port: u16| match addr {
            IpAddr::V4(addr) => format!("{addr}:{port}"),
            IpAddr::V6(addr) => format!("[{addr}]:{port}"),
        };
        match proto::name(protocol) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "protocol {protocol}")?,
        }
        match header {
            Header::Ports { sport, dport } => write!(f, " {} to {}", end(src, sport), end(dst, dport))?,
            Header::Icmp { kind, code } => write!(f, " type {kind} code {code} {src} to {dst}")?,
            Header::Other => write!(f, " {src} to {dst}")?,
        }
        if let Some(sent) = sent {
            write!(f, " (sent to {})", end(sent.dst, sent.dport))?;
        }
        if let Some(input) = &self.input {
            write!(f, ", in {input}")?;
        }
        if let Some(output) = &self.output {
            write!(f, ", out {output}")?;
        }
        let state = match self.packet.state {
            CtState::New => "new",
            CtState::Established => "established",
            CtState::Related => "related",
            CtState::Invalid => "invalid",
            CtState::Untracked => "untracked",
        };
        write!(f, ", {state}")?;
        if protocol == proto::TCP && !self.packet.flags.is_bare_syn() {
            write!(f, ", flags {:#04x}", self.packet.flags.0)?;
        }
        if self.hops != DEFAULT_HOPS {
            write!(f, ", hop limit {}", self.hops)?;
        }
        Ok(())
    }
}
