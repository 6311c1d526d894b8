//! Sends packets into the lab and says what became of each. A negative is decided by a sentinel that arrives behind it.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use segwall_host::conntrack::{Conntrack, Key, Tuple};
use segwall_host::netns::Netns;
use segwall_host::nflog::{Nflog, NflogError};
use segwall_host::nft::{LISTING, Nft};
use segwall_host::packet::PacketSocket;
use segwall_host::rawip::RawIp;
use segwall_host::rtnl::Mac;
use segwall_packetset::{Family, InterfaceId, Place, TcpFlags, proto};

use crate::build::{self, Network, Purpose};
use crate::capture::{Captured, Headers, read_frame, read_headers, read_ip};
use crate::error::LabError;
use crate::frame::{Packet, Tag, Transport, ethernet};
use crate::settings;
use crate::topology::Topology;

/// Frames that wait to be read at one host at most; a batch is smaller.
const RING_FRAMES: usize = 512;
/// Packets that are sent before what arrived is read.
const BATCH_MAX: usize = 128;
/// A group is sent again when packets of it were lost on the way; a sentinel that has not arrived by then is lost.
const PATIENCE: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3)];
/// NFLOG group of the observer, apart from those of the ruleset.
const OBSERVER_GROUP: u16 = 21_327;
/// NFLOG group of who sees packets behind translations.
const WATCHER_GROUP: u16 = 21_328;
/// Ports of sentinels, below and above those of probes.
const SENTINEL_PORTS: (u16, u16) = (1023, 65_534);
/// First source port or echo identifier of a probe, and how many there are.
const SOURCE_PORTS: (u16, u16) = (1024, 60_000);

/// One packet, and where it enters.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Where it enters.
    pub from: Place,
    /// Where the oracle says it goes: a sentinel is sent that way.
    pub via: Place,
    /// What is sent.
    pub content: Content,
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Content {
    /// A packet to be crafted. Its tag and its source port or echo identifier are given when it is sent.
    Crafted(Packet),
    /// A packet to be crafted as it is, but for its tag.
    Fixed(Packet),
    /// A ready packet from the IP header on, with a tag of its own.
    Ready(Vec<u8>, Tag),
}

/// A packet as it arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where.
    pub place: Place,
    /// Its headers.
    pub headers: Headers,
    /// From the IP header on.
    pub ip: Vec<u8>,
}

/// What became of a shot.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// It arrived.
    pub arrived: Option<Arrival>,
    /// It arrived in another place too.
    pub also_at: Option<Place>,
    /// The sender was told that it is refused.
    pub refused: Option<Refusal>,
    /// It could not even be sent, for another reason than a rule.
    pub unsent: Option<i32>,
}

/// How a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A TCP reset.
    Reset,
    /// An ICMP error: type and code.
    Icmp(u8, u8),
}

/// Why a group says nothing.
enum Spoiled {
    Lost,
    Sentinels { from: Place, missing: usize, sent: usize },
}

/// A wired lab with sockets everywhere.
#[derive(Debug)]
pub struct Prober {
    network: Network,
    sockets: Vec<PacketSocket>,
    raw: RawIp,
    log: Option<Nflog>,
    /// What the ruleset itself writes down, where somebody asks.
    written: Option<Nflog>,
    /// Packets behind every translation, where somebody asks.
    watched: Option<Nflog>,
    conntrack: Conntrack,
    nft: Nft,
    run: u64,
    next_number: u64,
}

impl Prober {
    /// Wires the topology for probes. Nothing is up yet: [`Prober::load`] comes first.
    ///
    /// # Errors
    /// When the kernel refuses a step, or there is no nft.
    pub fn new(topology: &Topology, run: u64) -> Result<Self, LabError> {
        let nft = Nft::find()?;
        let network = build::wire(topology, Purpose::Probes)?;
        let mut sockets = Vec::with_capacity(network.hosts.len());
        for (netns, link) in network.hosts.iter().zip(&network.host_links) {
            sockets.push(netns.run(|| PacketSocket::open(*link, RING_FRAMES))??);
        }
        let raw = network.gateway.run(RawIp::open)??;
        let conntrack = network.gateway.run(Conntrack::open)??;
        Ok(Self { network, sockets, raw, log: None, written: None, watched: None, conntrack, nft, run, next_number: 0 })
    }

    /// The gateway's namespace.
    pub(crate) fn gateway(&self) -> &Netns {
        &self.network.gateway
    }

    /// Takes away the table that keeps everything from the gateway's own programs: they may answer from now on.
    ///
    /// # Errors
    /// When nft refuses.
    pub(crate) fn let_in(&mut self) -> Result<(), LabError> {
        self.log = None;
        Ok(self.nft.load(&self.network.gateway, &format!("delete table inet {OBSERVER_TABLE}\n"))?)
    }

    /// Sends a frame from a host as it is.
    pub(crate) fn send_raw(&mut self, at: InterfaceId, frame: &[u8]) -> Result<(), LabError> {
        Ok(self.sockets[at.index()].send(&[frame])?)
    }

    /// Frames that arrived at a host since this was last asked.
    pub(crate) fn receive_raw(&mut self, at: InterfaceId, each: impl FnMut(&[u8])) {
        self.sockets[at.index()].receive(each);
    }

    /// Whether tagged segments run over real VLAN devices.
    #[must_use]
    pub fn has_real_vlans(&self) -> bool {
        self.network.real_vlans
    }

    /// Replaces the gateway's whole ruleset: first nothing passes, then the texts in order, each a transaction of its
    /// own; interfaces come up last.
    ///
    /// # Errors
    /// When nft refuses a text.
    pub fn load(&mut self, topology: &Topology, texts: &[String]) -> Result<(), LabError> {
        let first = self.log.is_none();
        self.nft.load(&self.network.gateway, &observer())?;
        for text in texts {
            self.nft.load(&self.network.gateway, text)?;
        }
        self.network.gateway.run(settings::conntrack)??;
        if first {
            self.log = Some(self.network.gateway.run(|| Nflog::open(OBSERVER_GROUP))??);
            build::switch_on(topology, &self.network, Purpose::Probes)?;
        }
        Ok(())
    }

    /// What the gateway's kernel holds, as nft lists it in JSON.
    ///
    /// # Errors
    /// When nft cannot list it.
    pub fn listing(&self) -> Result<String, LabError> {
        Ok(self.nft.list(&self.network.gateway, &LISTING)?)
    }

    /// A tag that no other packet has.
    pub fn tag(&mut self) -> Tag {
        self.next_number += 1;
        Tag { run: self.run, number: self.next_number - 1 }
    }

    /// Hears what the ruleset writes down from here on.
    ///
    /// # Errors
    /// When somebody else hears it.
    pub fn listen_to(&mut self, group: u16) -> Result<(), LabError> {
        if self.written.is_none() {
            self.written = Some(self.network.gateway.run(|| Nflog::open(group))??);
        }
        self.was_logged(|_| false).map(drop)
    }

    /// Whether such a packet was written down since the last time that this was asked. Messages hold the beginning of a
    /// packet only.
    ///
    /// # Errors
    /// When what was written down cannot be read.
    pub fn was_logged(&mut self, is_it: impl Fn(&Headers) -> bool) -> Result<bool, LabError> {
        let mut found = false;
        if let Some(log) = &mut self.written {
            log.receive(|logged| found |= read_headers(logged.payload).is_some_and(|(headers, _)| is_it(&headers)))?;
        }
        Ok(found)
    }

    /// Sees packets as chains that translate have left them, until the next [`Prober::load`] or [`Prober::unwatch`].
    ///
    /// # Errors
    /// When nft refuses the table that watches.
    pub fn watch(&mut self) -> Result<(), LabError> {
        self.nft.load(&self.network.gateway, &watcher())?;
        if self.watched.is_none() {
            self.watched = Some(self.network.gateway.run(|| Nflog::open(WATCHER_GROUP))??);
        }
        Ok(())
    }

    /// What was seen of a packet behind the translations, last first; sees no more.
    ///
    /// # Errors
    /// When nft refuses, or what was seen cannot be read.
    pub fn unwatch(&mut self, tag: Tag) -> Result<Vec<Headers>, LabError> {
        self.nft.load(&self.network.gateway, &format!("delete table inet {WATCHER_TABLE}\n"))?;
        let mut seen = Vec::new();
        if let Some(log) = &mut self.watched {
            log.receive(|logged| match read_ip(logged.payload) {
                Some(Captured::Probe { tag: found, headers, .. }) if found == tag => seen.insert(0, headers),
                _ => {}
            })?;
        }
        Ok(seen)
    }

    /// Sends all, and says what became of each.
    ///
    /// With `known` connections in the table; all others are forgotten first.
    ///
    /// # Errors
    /// When packets that must arrive do not, however often it is tried.
    pub fn shoot(&mut self, topology: &Topology, shots: &[Shot], known: &[Tuple]) -> Result<Vec<Seen>, LabError> {
        let mut spoiled = Spoiled::Lost;
        for patience in PATIENCE {
            self.conntrack.flush()?;
            self.conntrack.establish(known)?;
            match self.attempt(topology, shots, patience)? {
                Ok(seen) => return Ok(seen),
                Err(why) => spoiled = why,
            }
        }
        let (from, missing, sent) = match spoiled {
            Spoiled::Lost => (None, shots.len(), shots.len()),
            Spoiled::Sentinels { from, missing, sent } => (Some(from), missing, sent),
        };
        let from = from.map_or("several zones", |from| topology.place_name(from)).to_owned();
        Err(LabError::Sentinel { from, missing, sent, attempts: PATIENCE.len() })
    }

    /// As [`Prober::shoot`], but `None` instead of a second attempt: what passed cannot be asked again.
    ///
    /// # Errors
    /// When the lab itself fails.
    pub fn shoot_once(&mut self, topology: &Topology, shots: &[Shot]) -> Result<Option<Vec<Seen>>, LabError> {
        self.conntrack.flush()?;
        Ok(self.attempt(topology, shots, PATIENCE[2])?.ok())
    }

    /// Sends more, without forgetting any connection.
    ///
    /// # Errors
    /// As [`Prober::shoot`]; nothing is tried again.
    pub fn follow(&mut self, topology: &Topology, shots: &[Shot]) -> Result<Option<Vec<Seen>>, LabError> {
        Ok(self.attempt(topology, shots, PATIENCE[2])?.ok())
    }

    fn attempt(
        &mut self,
        topology: &Topology,
        shots: &[Shot],
        patience: Duration,
    ) -> Result<Result<Vec<Seen>, Spoiled>, LabError> {
        let lost_before = lost_by_the_backlog();
        let base = self.next_number;
        self.next_number += u64::try_from(shots.len()).expect("counted in 64 bits");
        let mut ledger = Ledger::new(self.run, base, shots);
        let sentinels = sentinels(topology, shots);
        let tuples: Vec<Tuple> = sentinels.iter().map(|sentinel| sentinel.tuple).collect();
        self.conntrack.establish(&tuples)?;
        // What came in since is of no interest, and what was lost of it neither.
        self.collect(&mut Ledger::new(self.run, u64::MAX, &[]))?;
        for socket in &self.sockets {
            socket.lost()?;
        }
        let mut at = 0;
        while at < shots.len() {
            let from = shots[at].from;
            let same = shots[at..].iter().take(BATCH_MAX).take_while(|shot| shot.from == from).count();
            self.send(topology, from, &shots[at..at + same], at, &mut ledger)?;
            self.collect(&mut ledger)?;
            at += same;
        }
        let outcome = self.await_sentinels(topology, &sentinels, patience, &mut ledger)?;
        for socket in &self.sockets {
            ledger.lost |= socket.lost()? > 0;
        }
        self.forget(&tuples)?;
        Ok(match outcome {
            Some(spoiled) => Err(spoiled),
            None if ledger.lost || lost_by_the_backlog() != lost_before => Err(Spoiled::Lost),
            None => Ok(ledger.seen),
        })
    }

    /// The sentinels' connections must not be in the way of the next group's.
    fn forget(&mut self, tuples: &[Tuple]) -> Result<(), LabError> {
        Ok(self.conntrack.remove(tuples)?)
    }

    fn send(
        &mut self,
        topology: &Topology,
        from: Place,
        shots: &[Shot],
        first: usize,
        ledger: &mut Ledger,
    ) -> Result<(), LabError> {
        let crafted = shots.iter().enumerate().map(|(offset, shot)| ledger.craft(first + offset, shot));
        let packets: Vec<(IpAddr, Vec<u8>)> = crafted.collect();
        match from {
            Place::Interface(id) => {
                let host = topology.host(id);
                let frames: Vec<Vec<u8>> = packets
                    .iter()
                    .map(|(dst, ip)| ethernet(host.mac, destination_mac(*dst, host.gateway_mac), dst.is_ipv4(), ip))
                    .collect();
                self.sockets[id.index()].send(&frames)?;
            }
            Place::Gateway | Place::Elsewhere => {
                for (offset, (dst, ip)) in packets.iter().enumerate() {
                    let link = match shots[offset].via {
                        Place::Interface(id) => Some(self.network.gateway_links[id.index()]),
                        Place::Gateway | Place::Elsewhere => None,
                    };
                    if let Err(error) = self.raw.send(ip, *dst, link) {
                        ledger.unsent(first + offset, &error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads all that arrived anywhere.
    fn collect(&mut self, ledger: &mut Ledger) -> Result<(), LabError> {
        for (at, socket) in (0u32..).zip(&mut self.sockets) {
            let place = Place::Interface(InterfaceId(at));
            socket.receive(|frame| {
                if let Some(captured) = read_frame(frame) {
                    ledger.note(place, captured);
                }
            });
        }
        let Some(log) = &mut self.log else { return Ok(()) };
        let read = log.receive(|logged| {
            if let Some(captured) = read_ip(logged.payload) {
                ledger.note(Place::Gateway, captured);
            }
        });
        match read {
            Ok(()) => Ok(()),
            Err(NflogError::Lost) => {
                ledger.lost = true;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn await_sentinels(
        &mut self,
        topology: &Topology,
        sentinels: &[Sentinel],
        patience: Duration,
        ledger: &mut Ledger,
    ) -> Result<Option<Spoiled>, LabError> {
        let base = self.next_number;
        self.next_number += u64::try_from(sentinels.len()).expect("counted in 64 bits");
        ledger.expect_sentinels(base, sentinels);
        let shots: Vec<Shot> = sentinels.iter().map(Sentinel::shot).collect();
        let mut at = 0;
        while at < shots.len() {
            let from = shots[at].from;
            let same = shots[at..].iter().take(BATCH_MAX).take_while(|shot| shot.from == from).count();
            self.send_sentinels(topology, from, &shots[at..at + same], base, at)?;
            self.collect(ledger)?;
            at += same;
        }
        let deadline = Instant::now() + patience;
        while !ledger.awaited.is_empty() {
            if Instant::now() > deadline {
                let from = ledger.awaited.values().next().map_or(Place::Elsewhere, |at| sentinels[*at].from);
                return Ok(Some(Spoiled::Sentinels { from, missing: ledger.awaited.len(), sent: sentinels.len() }));
            }
            std::thread::yield_now();
            self.collect(ledger)?;
        }
        Ok(None)
    }

    fn send_sentinels(
        &mut self,
        topology: &Topology,
        from: Place,
        shots: &[Shot],
        base: u64,
        first: usize,
    ) -> Result<(), LabError> {
        let tagged = shots.iter().enumerate().map(|(offset, shot)| {
            let number = base + u64::try_from(first + offset).expect("counted in 64 bits");
            let Content::Fixed(packet) = &shot.content else { return shot.clone() };
            let tag = Tag { run: self.run, number };
            let packet = Packet { tag, ..*packet };
            Shot { content: Content::Ready(packet.ip(), tag), ..shot.clone() }
        });
        let tagged: Vec<Shot> = tagged.collect();
        let mut unused = Ledger::new(self.run, u64::MAX, &[]);
        self.send(topology, from, &tagged, 0, &mut unused)
    }
}

/// A table that sees what the ruleset let through to the box, tells us, and drops it before the box's own stack can
/// answer. What comes over the loopback interface is told as well: a refusal of the box's own packet.
/// The table that sees what reaches the box.
pub const OBSERVER_TABLE: &str = "segwall_lab";

fn observer() -> String {
    format!(
        "flush ruleset\n\
         table inet {OBSERVER_TABLE} {{\n\
         \tchain input {{\n\
         \t\ttype filter hook input priority 300; policy drop;\n\
         \t\tlog group {OBSERVER_GROUP}\n\
         \t}}\n\
         }}\n"
    )
}

const WATCHER_TABLE: &str = "segwall_lab_watch";

/// A table right behind the chains that translate (priorities -100 and 100).
fn watcher() -> String {
    format!(
        "table inet {WATCHER_TABLE} {{\n\
         \tchain sent {{\n\
         \t\ttype filter hook prerouting priority -99;\n\
         \t\tlog group {WATCHER_GROUP}\n\
         \t}}\n\
         \tchain left {{\n\
         \t\ttype filter hook postrouting priority 101;\n\
         \t\tlog group {WATCHER_GROUP}\n\
         \t}}\n\
         }}\n"
    )
}

fn destination_mac(dst: IpAddr, gateway: Mac) -> Mac {
    match dst {
        IpAddr::V4(Ipv4Addr::BROADCAST) => [0xff; 6],
        IpAddr::V4(v4) if v4.is_multicast() => {
            let [_, b, c, d] = v4.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(v6) if v6.is_multicast() => {
            let octets = v6.octets();
            [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
        }
        IpAddr::V4(_) | IpAddr::V6(_) => gateway,
    }
}

/// Packets the kernel threw away because too many waited to be handled, on any CPU.
fn lost_by_the_backlog() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/softnet_stat").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter_map(|dropped| u64::from_str_radix(dropped, 16).ok())
        .sum()
}

/// What was sent and what is known of it.
struct Ledger {
    run: u64,
    base: u64,
    seen: Vec<Seen>,
    /// Source address and port of what was sent, for answers that quote no tag.
    by_source: HashMap<(u8, IpAddr, u16), usize>,
    /// Tags of packets that were ready-made.
    by_tag: HashMap<u64, usize>,
    awaited: HashMap<u64, usize>,
    lost: bool,
}

impl Ledger {
    fn new(run: u64, base: u64, shots: &[Shot]) -> Self {
        let by_tag = shots.iter().enumerate().filter_map(|(at, shot)| match &shot.content {
            Content::Ready(_, tag) => Some((tag.number, at)),
            Content::Crafted(_) | Content::Fixed(_) => None,
        });
        Self {
            run,
            base,
            seen: vec![Seen::default(); shots.len()],
            by_source: HashMap::new(),
            by_tag: by_tag.collect(),
            awaited: HashMap::new(),
            lost: false,
        }
    }

    /// The packet of a shot, with its own tag, source port or echo identifier.
    fn craft(&mut self, at: usize, shot: &Shot) -> (IpAddr, Vec<u8>) {
        let number = self.base.wrapping_add(u64::try_from(at).expect("counted in 64 bits"));
        let tag = Tag { run: self.run, number };
        let packet = match &shot.content {
            Content::Crafted(packet) => packet,
            Content::Fixed(packet) => {
                if let Transport::Ports { sport, .. } = packet.transport {
                    self.by_source.insert((packet.proto, packet.src, sport), at);
                }
                return (packet.dst, Packet { tag, ..*packet }.ip());
            }
            Content::Ready(ip, _) => {
                if let Some(Captured::Probe { headers, .. }) = read_ip(ip) {
                    self.by_source.insert((headers.proto, headers.src, headers.words.0), at);
                }
                return (destination(ip), ip.clone());
            }
        };
        let own = SOURCE_PORTS.0 + u16::try_from(at % usize::from(SOURCE_PORTS.1)).expect("below 60,000");
        let transport = match packet.transport {
            Transport::Ports { dport, flags, acknowledges, .. } => {
                self.by_source.insert((packet.proto, packet.src, own), at);
                Transport::Ports { sport: own, dport, flags, acknowledges }
            }
            Transport::Icmp { kind, code, .. } => Transport::Icmp { kind, code, id: own },
            Transport::Other => Transport::Other,
        };
        let crafted = Packet { transport, tag, ..*packet };
        (packet.dst, crafted.ip())
    }

    fn expect_sentinels(&mut self, base: u64, sentinels: &[Sentinel]) {
        let number = |at: usize| base + u64::try_from(at).expect("counted in 64 bits");
        self.awaited = (0..sentinels.len()).map(|at| (number(at), at)).collect();
    }

    fn index(&self, tag: Tag) -> Option<usize> {
        if tag.run != self.run {
            return None;
        }
        let offset = usize::try_from(tag.number.wrapping_sub(self.base)).ok();
        offset.filter(|at| *at < self.seen.len()).or_else(|| self.by_tag.get(&tag.number).copied())
    }

    fn note(&mut self, place: Place, captured: Captured<'_>) {
        match captured {
            Captured::Probe { tag, headers, ip } => {
                if tag.run == self.run && self.awaited.remove(&tag.number).is_some() {
                    return;
                }
                let Some(at) = self.index(tag) else { return };
                let seen = &mut self.seen[at];
                match &seen.arrived {
                    None => seen.arrived = Some(Arrival { place, headers, ip: ip.to_vec() }),
                    Some(before) if before.place != place => seen.also_at = Some(place),
                    Some(_) => {}
                }
            }
            Captured::Error { tag, kind, dst, about } => {
                let by_source = || self.by_source.get(&(about.proto, about.src, about.words.0)).copied();
                let Some(at) = tag.and_then(|tag| self.index(tag)).or_else(by_source) else { return };
                // An error about a packet goes to its sender; one that goes elsewhere is a probe itself.
                if dst == about.src {
                    self.seen[at].refused = Some(Refusal::Icmp(kind.0, kind.1));
                } else if let Some(tag) = tag {
                    let headers = Headers { src: about.src, dst, proto: about.proto, words: about.words };
                    self.note(place, Captured::Probe { tag, headers, ip: &[] });
                }
            }
            Captured::Reset { headers } => {
                if let Some(at) = self.by_source.get(&(headers.proto, headers.dst, headers.words.1)) {
                    self.seen[*at].refused = Some(Refusal::Reset);
                }
            }
        }
    }

    fn unsent(&mut self, at: usize, error: &io::Error) {
        // What a rule drops on its way out is told to the sender as "not permitted"; that is a drop.
        const EPERM: i32 = 1;
        if error.raw_os_error() != Some(EPERM)
            && let Some(seen) = self.seen.get_mut(at)
        {
            seen.unsent = Some(error.raw_os_error().unwrap_or(0));
        }
    }
}

fn destination(ip: &[u8]) -> IpAddr {
    let v6 = ip.get(24..40).and_then(|octets| <[u8; 16]>::try_from(octets).ok()).map(IpAddr::from);
    let v4 = ip.get(16..20).and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(IpAddr::from);
    let first = ip.first().map_or(0, |byte| byte >> 4);
    if first == 6 { v6 } else { v4 }.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// A packet of a known connection, which must arrive behind the probes that went the same way.
struct Sentinel {
    from: Place,
    via: Place,
    tuple: Tuple,
}

impl Sentinel {
    fn shot(&self) -> Shot {
        let Key::Ports { src: sport, dst: dport } = self.tuple.key else { unreachable!("sentinels are UDP") };
        let transport = Transport::Ports { sport, dport, flags: TcpFlags(0), acknowledges: 0 };
        let packet = Packet {
            src: self.tuple.src,
            dst: self.tuple.dst,
            proto: proto::UDP,
            transport,
            tag: Tag { run: 0, number: 0 },
            broken: false,
        };
        Shot { from: self.from, via: self.via, content: Content::Fixed(packet) }
    }
}

/// One for each way that a shot goes; where no packet can go that way at all, one to the box itself.
fn sentinels(topology: &Topology, shots: &[Shot]) -> Vec<Sentinel> {
    let ways: BTreeSet<(Place, Place)> = shots.iter().map(|shot| (shot.from, shot.via)).collect();
    let mut sentinels: Vec<Sentinel> = Vec::with_capacity(ways.len());
    let mut done = BTreeSet::new();
    for (from, via) in ways {
        let found = way(topology, from, via).or_else(|| match from {
            Place::Interface(id) => way(topology, from, Place::Gateway).or_else(|| {
                topology
                    .ids()
                    .filter(|other| *other != id)
                    .find_map(|other| way(topology, from, Place::Interface(other)))
            }),
            Place::Gateway | Place::Elsewhere => {
                topology.ids().find_map(|id| way(topology, Place::Gateway, Place::Interface(id)))
            }
        });
        if let Some(sentinel) = found
            && done.insert((sentinel.from, sentinel.via))
        {
            sentinels.push(sentinel);
        }
    }
    sentinels
}

fn way(topology: &Topology, from: Place, via: Place) -> Option<Sentinel> {
    let ends = |family: Family| match (from, via) {
        (Place::Interface(a), Place::Interface(b)) if a != b => {
            // Only a family that both carry: the packet has to pass anti-spoofing and to be routed.
            let (a, b) = (topology.host(a), topology.host(b));
            a.gateway_address(family).and(b.gateway_address(family))?;
            Some((a.address(family)?, b.address(family)?))
        }
        (Place::Interface(a), Place::Gateway) => {
            let host = topology.host(a);
            Some((host.address(family)?, host.gateway_address(family)?))
        }
        (Place::Gateway, Place::Interface(b)) => {
            let host = topology.host(b);
            Some((host.gateway_address(family)?, host.address(family)?))
        }
        _ => None,
    };
    let (src, dst) = Family::BOTH.into_iter().find_map(ends)?;
    let key = Key::Ports { src: SENTINEL_PORTS.0, dst: SENTINEL_PORTS.1 };
    Some(Sentinel { from, via, tuple: Tuple { proto: proto::UDP, src, dst, key } })
}
