//! One packet as people and machines read it.

use std::fmt;
use std::net::IpAddr;

use segwall_packetset::{CtState, Field, Flow, Header, Packet, Place, Point, Sent, TcpFlags, interface_text, proto};

use super::Naming;
use crate::analysis::proof::terms::address;
use crate::diag::NamedPacket;

/// What most hosts send with.
const DEFAULT_HOPS: u8 = 64;

/// A packet at a hook. Its words ([`fmt::Display`]) are protocol, ends, interfaces, and what is unusual about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Name of the interface it comes by; `None`: the box sends it.
    pub input: Option<String>,
    /// Name of the interface it leaves by; `None`: the box receives it.
    pub output: Option<String>,
    /// IP protocol number.
    pub proto: u8,
    /// Source address.
    pub src: IpAddr,
    /// Destination address, as delivered.
    pub dst: IpAddr,
    /// What follows the IP header.
    pub header: Header,
    /// The destination as sent, where it was translated.
    pub sent: Option<Sent>,
    /// What connection tracking says.
    pub state: CtState,
    /// Flags, of TCP.
    pub flags: TcpFlags,
    /// TTL or hop limit.
    pub hops: u8,
    /// The point itself.
    pub point: Point,
}

fn small<T: TryFrom<u128>>(point: &Point, field: Field) -> T {
    T::try_from(point.get(field)).unwrap_or_else(|_| unreachable!("{field:?} holds no such value"))
}

impl Shown {
    /// The packet of a point.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        let family = point.get(Field::Family);
        let protocol: u8 = small(point, Field::Proto);
        let icmp = if family == 0 { proto::ICMP } else { proto::ICMPV6 };
        let header = if proto::has_ports(protocol) {
            Header::Ports { sport: small(point, Field::Sport), dport: small(point, Field::Dport) }
        } else if protocol == icmp {
            Header::Icmp { kind: small(point, Field::IcmpType), code: small(point, Field::IcmpCode) }
        } else {
            Header::Other
        };
        let sent = (point.get(Field::Translated) == 1)
            .then(|| Sent { dst: address(family, point.get(Field::SentDst)), dport: small(point, Field::SentDport) });
        let state = match point.get(Field::State) {
            0 => CtState::New,
            1 => CtState::Established,
            2 => CtState::Related,
            3 => CtState::Invalid,
            _ => CtState::Untracked,
        };
        Self {
            input: interface_text(point.get(Field::In)),
            output: interface_text(point.get(Field::Out)),
            proto: protocol,
            src: address(family, point.get(Field::Src)),
            dst: address(family, point.get(Field::Dst)),
            header,
            sent,
            state,
            flags: TcpFlags(small(point, Field::Flags)),
            hops: small(point, Field::Hops),
            point: *point,
        }
    }

    /// The same packet with interfaces called otherwise.
    #[must_use]
    pub fn named(mut self, naming: Naming<'_>) -> Self {
        for name in [&mut self.input, &mut self.output] {
            if let Some(known) = name.as_deref().and_then(naming) {
                *name = Some(known);
            }
        }
        self
    }

    /// The protocol's name, or `protocol 99`.
    #[must_use]
    pub fn protocol(&self) -> String {
        proto::name(self.proto).map_or_else(|| format!("protocol {}", self.proto), str::to_owned)
    }
}

impl From<&Shown> for NamedPacket {
    fn from(shown: &Shown) -> Self {
        let place = |name: &Option<String>| if name.is_some() { Place::Elsewhere } else { Place::Gateway };
        let Shown { proto, src, dst, header, sent, state, flags, .. } = *shown;
        let flow = Flow { input: place(&shown.input), output: place(&shown.output), proto, src, dst, header, sent };
        Self {
            packet: Packet { flow, state, flags },
            input: shown.input.clone(),
            output: shown.output.clone(),
            words: shown.to_string(),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |addr: IpAddr, port: u16| match addr {
            IpAddr::V4(addr) => format!("{addr}:{port}"),
            IpAddr::V6(addr) => format!("[{addr}]:{port}"),
        };
        f.write_str(&self.protocol())?;
        match self.header {
            Header::Ports { sport, dport } => write!(f, " {} to {}", end(self.src, sport), end(self.dst, dport))?,
            Header::Icmp { kind, code } => write!(f, " type {kind} code {code} {} to {}", self.src, self.dst)?,
            Header::Other => write!(f, " {} to {}", self.src, self.dst)?,
        }
        match self.sent {
            Some(sent) if proto::has_ports(self.proto) => write!(f, " (sent to {})", end(sent.dst, sent.dport))?,
            Some(sent) => write!(f, " (sent to {})", sent.dst)?,
            None => {}
        }
        if let Some(input) = &self.input {
            write!(f, ", in {input}")?;
        }
        if let Some(output) = &self.output {
            write!(f, ", out {output}")?;
        }
        write!(f, ", {}", super::words::state(self.state))?;
        if self.proto == proto::TCP && !self.flags.is_bare_syn() {
            write!(f, ", flags {:#04x}", self.flags.0)?;
        }
        if self.hops != DEFAULT_HOPS {
            write!(f, ", hop limit {}", self.hops)?;
        }
        Ok(())
    }
}
