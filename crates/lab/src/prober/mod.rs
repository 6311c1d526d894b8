//! Sends packets into the lab and says what became of each. A negative is decided by a sentinel that arrives behind it.

mod ledger;
mod sending;
mod sentinel;
mod shot;
mod tables;

use std::fs;
use std::time::{Duration, Instant};

use segwall_host::conntrack::{Conntrack, Tuple};
use segwall_host::netns::Netns;
use segwall_host::nflog::{Nflog, NflogError};
use segwall_host::nft::{LISTING, Nft};
use segwall_host::packet::PacketSocket;
use segwall_host::rawip::RawIp;
use segwall_packetset::{InterfaceId, Place};

use self::ledger::Ledger;
use self::sentinel::{Sentinel, sentinels};
pub use self::shot::{Arrival, Content, Refusal, Seen, Shot};
pub use self::tables::OBSERVER_TABLE;
use self::tables::{OBSERVER_GROUP, WATCHER_GROUP, WATCHER_TABLE, observer, watcher};
use crate::build::{self, Network, Purpose};
use crate::capture::{Captured, Headers, read_frame, read_headers, read_ip};
use crate::error::LabError;
use crate::frame::Tag;
use crate::settings;
use crate::topology::Topology;

/// Frames that wait to be read at one host at most; a batch is smaller.
const RING_FRAMES: usize = 512;
/// Packets that are sent before what arrived is read.
const BATCH_MAX: usize = 128;
/// A group is sent again when packets of it were lost on the way; a sentinel that has not arrived by then is lost.
const PATIENCE: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3)];

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
        ledger.expect_sentinels(base, sentinels.len());
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
}

/// Packets the kernel threw away because too many waited to be handled, on any CPU.
fn lost_by_the_backlog() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/softnet_stat").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter_map(|dropped| u64::from_str_radix(dropped, 16).ok())
        .sum()
}
