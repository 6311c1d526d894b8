//! What a client says on the wire, and hears.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use etherparse::PacketBuilder;
use segwall_host::packet::PacketSocket;
use segwall_packetset::InterfaceId;

use crate::error::LabError;
use crate::prober::Prober;

/// A question is asked again after this time.
const AGAIN: Duration = Duration::from_millis(400);
/// A second server may be slower than the first.
const SECOND_SERVER: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(5);
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// Ethernet, IPv4 without options, UDP.
const HEADERS_BYTES: usize = 14 + 20 + 8;
const UDP: u8 = 17;
/// What every client asks for: mask, router, name servers, domain, time servers, lease time, server.
const WISHES: [u8; 7] = [1, 3, 6, 15, 42, 51, 54];

/// What asking came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Servers that made an offer.
    pub servers: BTreeSet<Ipv4Addr>,
    /// What the first of them gave; `None`: nothing came, or it said no.
    pub given: Option<Given>,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The address.
    pub addr: Ipv4Addr,
    /// Who gave it.
    pub server: Option<Ipv4Addr>,
    /// For how long.
    pub lease_s: Option<u32>,
    /// Every option as it travelled, but for the message's type.
    pub options: BTreeMap<u8, Vec<u8>>,
}

/// A wire with servers on it.
pub(super) trait Wire {
    fn send(&mut self, frame: &[u8]) -> Result<(), LabError>;
    fn receive(&mut self, each: &mut dyn FnMut(&[u8]));
}

/// The wire of a host of the lab.
pub(super) struct LabWire<'a>(pub &'a mut Prober, pub InterfaceId);

impl Wire for LabWire<'_> {
    fn send(&mut self, frame: &[u8]) -> Result<(), LabError> {
        self.0.send_raw(self.1, frame)
    }

    fn receive(&mut self, each: &mut dyn FnMut(&[u8])) {
        self.0.receive_raw(self.1, each);
    }
}

impl Wire for PacketSocket {
    fn send(&mut self, frame: &[u8]) -> Result<(), LabError> {
        Ok(PacketSocket::send(self, &[frame])?)
    }

    fn receive(&mut self, each: &mut dyn FnMut(&[u8])) {
        PacketSocket::receive(self, each);
    }
}

/// Servers that make an offer. None of them is taken, so no address is used up.
pub(super) fn discover(
    wire: &mut dyn Wire,
    mac: [u8; 6],
    xid: u32,
    patience: Duration,
) -> Result<BTreeSet<Ipv4Addr>, LabError> {
    let discover = frame(mac, &message(mac, xid, MessageType::Discover, &[], &[]));
    Ok(converse(wire, &discover, xid, patience)?.iter().filter_map(server_of).collect())
}

/// Asks for a lease.
pub(super) fn ask(
    wire: &mut dyn Wire,
    mac: [u8; 6],
    xid: u32,
    wishes: &[u8],
    patience: Duration,
) -> Result<Asked, LabError> {
    let discover = frame(mac, &message(mac, xid, MessageType::Discover, wishes, &[]));
    let offers = converse(wire, &discover, xid, patience)?;
    let servers = offers.iter().filter_map(server_of).collect();
    let Some(offer) = offers.into_iter().next() else { return Ok(Asked::default()) };
    let mut said = vec![DhcpOption::RequestedIpAddress(offer.yiaddr())];
    said.extend(server_of(&offer).map(DhcpOption::ServerIdentifier));
    let request = frame(mac, &message(mac, xid, MessageType::Request, wishes, &said));
    let answers = converse(wire, &request, xid, patience)?;
    let is_yes = |answer: &&Message| answer.opts().msg_type() == Some(MessageType::Ack);
    Ok(Asked { servers, given: answers.iter().find(is_yes).map(given) })
}

fn server_of(message: &Message) -> Option<Ipv4Addr> {
    match message.opts().get(OptionCode::ServerIdentifier) {
        Some(DhcpOption::ServerIdentifier(addr)) => Some(*addr),
        _ => None,
    }
}

fn given(message: &Message) -> Given {
    let lease_s = match message.opts().get(OptionCode::AddressLeaseTime) {
        Some(DhcpOption::AddressLeaseTime(seconds)) => Some(*seconds),
        _ => None,
    };
    let mut options = BTreeMap::new();
    for (code, option) in message.opts().iter() {
        let mut bytes = Vec::new();
        // Code, length, value; longer ones in several parts.
        if option.encode(&mut Encoder::new(&mut bytes)).is_ok() {
            let mut value = Vec::new();
            let mut rest = &bytes[..];
            while let [_, len, after @ ..] = rest {
                let (part, next) = after.split_at(usize::from(*len).min(after.len()));
                value.extend_from_slice(part);
                rest = next;
            }
            options.insert(u8::from(*code), value);
        }
    }
    Given { addr: message.yiaddr(), server: server_of(message), lease_s, options }
}

/// Says something until somebody answers; then a moment longer, for others.
fn converse(wire: &mut dyn Wire, frame: &[u8], xid: u32, patience: Duration) -> Result<Vec<Message>, LabError> {
    let begun = Instant::now();
    let mut answers = Vec::new();
    while answers.is_empty() && begun.elapsed() < patience {
        wire.send(frame)?;
        let said = Instant::now();
        let mut first = None;
        while said.elapsed() < AGAIN && first.is_none_or(|first: Instant| first.elapsed() < SECOND_SERVER) {
            thread::sleep(PAUSE);
            wire.receive(&mut |frame| answers.extend(answer(frame, xid)));
            if !answers.is_empty() && first.is_none() {
                first = Some(Instant::now());
            }
        }
    }
    Ok(answers)
}

fn message(mac: [u8; 6], xid: u32, kind: MessageType, wishes: &[u8], more: &[DhcpOption]) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, none, none, none, none, &mac);
    message.set_flags(Flags::default().set_broadcast());
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    let wishes: BTreeSet<u8> = WISHES.iter().chain(wishes).copied().collect();
    options.insert(DhcpOption::ParameterRequestList(wishes.into_iter().map(OptionCode::from).collect()));
    for option in more {
        options.insert(option.clone());
    }
    message.to_vec().expect("a message of ours has short options")
}

fn frame(mac: [u8; 6], payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac, [0xff; 6]).ipv4([0; 4], [0xff; 4], 64).udp(CLIENT_PORT, SERVER_PORT);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload).expect("a vector takes all");
    frame
}

/// A server's answer to a question of ours.
fn answer(frame: &[u8], xid: u32) -> Option<Message> {
    let (headers, payload) = frame.split_at_checked(HEADERS_BYTES)?;
    let is_answer = headers[12..14] == [8, 0]
        && headers[14] == 0x45
        && headers[23] == UDP
        && headers[34..38] == [SERVER_PORT.to_be_bytes(), CLIENT_PORT.to_be_bytes()].concat()[..];
    if !is_answer {
        return None;
    }
    // A frame that was cut ends in the middle of an option, which only the end mark mends.
    let message = Message::decode(&mut Decoder::new(payload)).ok()?;
    (message.opcode() == Opcode::BootReply && message.xid() == xid).then_some(message)
}
