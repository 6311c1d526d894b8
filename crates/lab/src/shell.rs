//! A command in a host of the lab: ping, nc, curl to any address of any other zone work as the policy says.
//!
//! Behind every wire one host answers for all addresses of its zone. Both ends of a wire have the same hardware
//! address and ask for no neighbour, so that no address needs to be announced.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use segwall_core::policy::Policy;
use segwall_core::ruleset::{At, Ruleset};
use segwall_host::exec::Interactive;
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_packetset::{AddrRange, InterfaceId};

use crate::build::{self, Purpose};
use crate::error::LabError;
use crate::run::Emit;
use crate::settings;
use crate::topology::Topology;

/// Port that everything sent to a host is led to.
const ANSWERING_PORT: u16 = 21_327;
/// Between two looks at the command and the listeners.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a client may take to say something before it is answered.
const PATIENCE: Duration = Duration::from_millis(200);
/// Clients of the lab's listeners at a time.
const CLIENTS_MAX: usize = 64;
const REQUEST_LEN_MAX: usize = 4096;

/// Where and what to run.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// A segment's name, `internet` or `gateway`.
    pub zone: &'a str,
    /// Program.
    pub program: &'a OsStr,
    /// Its arguments.
    pub args: &'a [OsString],
}

/// Builds the network, loads the ruleset, and runs a command in a host; its exit code.
///
/// `say` is handed one line for people before the command starts.
///
/// # Errors
/// When the lab cannot be built, or there is no such zone.
pub fn shell(
    policy: &Policy,
    ruleset: &Ruleset,
    emit: &Emit<'_>,
    at: At,
    command: &Command<'_>,
    say: &mut dyn FnMut(&str),
) -> Result<i32, LabError> {
    let (mut topology, known) = Topology::of(policy, ruleset);
    for host in &mut topology.hosts {
        host.mac = host.gateway_mac;
    }
    let place = place(&topology, command.zone)?;
    let nft = Nft::find()?;
    let network = build::wire(&topology, Purpose::Shell)?;
    for text in emit(ruleset, at) {
        nft.load(&network.gateway, &text)?;
    }
    network.gateway.run(settings::conntrack)??;
    build::switch_on(&topology, &network, Purpose::Shell)?;
    build::answer_for_zones(&topology, &known, &network)?;
    let mut answering = Vec::new();
    for (id, host) in topology.ids().zip(&network.hosts) {
        // Where somebody sits, listeners are theirs.
        if Some(id) != place {
            nft.load(host, &lead_to_listener())?;
            answering.push(Listener::open(host, topology.place_name(segwall_packetset::Place::Interface(id)))?);
        }
    }
    say(&greeting(&topology, place));
    let netns = place.map_or(&network.gateway, |id| &network.hosts[id.index()]);
    let prompt = format!("{} $ ", command.zone);
    let env = [("SEGWALL_ZONE", command.zone), ("PS1", prompt.as_str())];
    let mut running = Interactive::start(netns, command.program, command.args, &env)?;
    loop {
        if let Some(code) = running.try_wait()? {
            return Ok(code);
        }
        for listener in &mut answering {
            listener.serve();
        }
        std::thread::sleep(PAUSE);
    }
}

/// `None` for the gateway.
fn place(topology: &Topology, zone: &str) -> Result<Option<InterfaceId>, LabError> {
    if zone == "gateway" {
        return Ok(None);
    }
    let name = |id: InterfaceId| topology.place_name(segwall_packetset::Place::Interface(id)).to_owned();
    let found = topology.ids().find(|id| name(*id) == zone);
    found.map(Some).ok_or_else(|| {
        let known: Vec<String> = topology.ids().map(name).chain(["gateway".to_owned()]).collect();
        LabError::UnknownHost { name: zone.to_owned(), known: known.join(", ") }
    })
}

fn greeting(topology: &Topology, place: Option<InterfaceId>) -> String {
    let others = "every address of every other zone answers ping, TCP and UDP, as far as the policy lets you reach it";
    match place {
        None => format!("you are the gateway; {others}"),
        Some(id) => {
            let host = topology.host(id);
            let own: Vec<String> = host.addresses.iter().map(|(addr, _)| addr.to_string()).collect();
            format!(
                "you are {} in {}; {others}",
                own.join(" and "),
                topology.place_name(segwall_packetset::Place::Interface(id))
            )
        }
    }
}

fn lead_to_listener() -> String {
    format!(
        "table inet segwall_lab {{\n\
         \tchain prerouting {{\n\
         \t\ttype nat hook prerouting priority -100; policy accept;\n\
         \t\tmeta l4proto {{ tcp, udp }} redirect to :{ANSWERING_PORT}\n\
         \t}}\n\
         }}\n"
    )
}

/// Answers every connection to a host of the lab with one line that says who was reached.
struct Listener {
    zone: String,
    tcp: TcpListener,
    udp: UdpSocket,
    clients: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    said: Vec<u8>,
}

impl Listener {
    fn open(host: &Netns, zone: &str) -> Result<Self, LabError> {
        let listen = || -> std::io::Result<(TcpListener, UdpSocket)> {
            let any = (Ipv6Addr::UNSPECIFIED, ANSWERING_PORT);
            let (tcp, udp) = (TcpListener::bind(any)?, UdpSocket::bind(any)?);
            tcp.set_nonblocking(true)?;
            udp.set_nonblocking(true)?;
            Ok((tcp, udp))
        };
        let (tcp, udp) = host.run(listen)?.map_err(LabError::Listen)?;
        Ok(Self { zone: zone.to_owned(), tcp, udp, clients: Vec::new() })
    }

    /// Never fails: a client that went away is no concern of the lab's.
    fn serve(&mut self) {
        while self.clients.len() < CLIENTS_MAX
            && let Ok((stream, peer)) = self.tcp.accept()
        {
            if stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client { stream, peer, since: Instant::now(), said: Vec::new() });
            }
        }
        let zone = &self.zone;
        self.clients.retain_mut(|client| !client.is_done(zone));
        let mut buffer = [0; REQUEST_LEN_MAX];
        while let Ok((_, peer)) = self.udp.recv_from(&mut buffer) {
            let _ = self.udp.send_to(line(zone, peer).as_bytes(), peer);
        }
    }
}

impl Client {
    /// Answers when the client has said something, or has been silent for a while.
    fn is_done(&mut self, zone: &str) -> bool {
        let mut buffer = [0; REQUEST_LEN_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => {}
            Ok(len) => self.said.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
        let is_http = [&b"GET "[..], b"HEAD ", b"POST "].iter().any(|method| self.said.starts_with(method));
        let is_whole = is_http && self.said.windows(4).any(|end| end == b"\r\n\r\n");
        if !is_whole && self.since.elapsed() < PATIENCE && self.said.len() < REQUEST_LEN_MAX {
            return false;
        }
        let text = line(zone, self.peer);
        let head = format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", text.len());
        let answer = if is_http { head + &text } else { text };
        let _ = self.stream.write_all(answer.as_bytes());
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        true
    }
}

fn line(zone: &str, peer: SocketAddr) -> String {
    let from = match peer.ip() {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    };
    format!("reached {zone}, from {from}\n")
}

/// Whatever a host answers for: its zone without the gateway's own addresses.
pub(crate) fn zone_prefixes(topology: &Topology, ruleset: &Ruleset, id: InterfaceId) -> Vec<AddrRange> {
    let own: Vec<AddrRange> = topology
        .hosts
        .iter()
        .flat_map(|host| host.gateway_addresses.iter().map(|(addr, _)| AddrRange::single(*addr)))
        .collect();
    let zone: Vec<AddrRange> = if topology.host(id).is_internet {
        let families =
            segwall_packetset::Family::BOTH.into_iter().flat_map(crate::classes::unicast).collect::<Vec<_>>();
        crate::classes::without(&families, &ruleset.inside)
    } else {
        ruleset.interface(id).sources.to_vec()
    };
    crate::classes::without(&zone, &own).iter().flat_map(AddrRange::to_prefixes).collect()
}
