//! Events of the box under us, straight from the kernel: dropped and logged packets (NFLOG), connections as they begin and
//! end (conntrack), the exact drop counters (nf_tables), interfaces and neighbours (rtnetlink).
//!
//! One thread, one poll. Every source has a bounded buffer in the kernel; what did not fit becomes [`Event::Lost`], and
//! what can be looked up again is: a full buffer ends in a new reading, never in silence.

mod convert;
mod counters;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use segwall_core::emit::nft::{ACCEPT_LOG_GROUP, DROP_LOG_GROUP};
use segwall_host::conntrack::{self, Conntrack, ConntrackError, Events, Heard};
use segwall_host::nf_tables::{Changes, NfTables, NfTablesError};
use segwall_host::nflog::NflogError;
use segwall_host::rtnl_dump::{self, AddressFacts};
use segwall_host::watch::{Losses, PacketLog, Surrounding, Surroundings, SurroundingsError, fill};
use thiserror::Error;

use crate::event::{At, Connection, Event, Iface, Reason, Source};
use crate::klog::Prefixes;
use crate::network::Network;

/// How often counters are read and the box is looked at.
const ROUND: Duration = Duration::from_secs(1);
/// Reads of one source before the others have their turn; some 250 packets each.
const READS_MAX: usize = 64;
/// How often the table of connections is listed: what is still open is not counted later than this.
const LIST: Duration = Duration::from_secs(10);
/// While somebody looks on.
const LIST_SEEN: Duration = Duration::from_secs(2);
/// After a loss it is listed at once, but not again before this.
const LIST_PAUSE: Duration = Duration::from_secs(30);
/// A listing that took long is not made again before so many times as long: at most 5 % of a core.
const LIST_SHARE: u32 = 20;
/// Somebody who changes rules all the time does not keep us reading counters.
const ROUND_MIN: Duration = Duration::from_millis(200);
/// Interfaces whose names are remembered.
const LINKS_MAX: usize = 65_536;

/// The box cannot be watched.
#[derive(Debug, Error)]
pub enum LiveError {
    /// Packets.
    #[error(transparent)]
    Packets(#[from] NflogError),
    /// Connections.
    #[error(transparent)]
    Connections(#[from] ConntrackError),
    /// Counters.
    #[error(transparent)]
    Counters(#[from] NfTablesError),
    /// Interfaces and neighbours.
    #[error(transparent)]
    Surroundings(#[from] SurroundingsError),
    /// Interfaces.
    #[error("cannot list interfaces and neighbours")]
    Links(#[source] segwall_host::netlink::NetlinkError),
}

/// The sources of one box.
#[derive(Debug)]
pub struct Live {
    packets: PacketLog,
    told: Losses,
    connections: Events,
    table: Conntrack,
    counters: NfTables,
    sets: Vec<(String, Reason)>,
    changes: Changes,
    surroundings: Surroundings,
    names: BTreeMap<u32, Iface>,
    up: BTreeMap<u32, bool>,
    prefixes: Prefixes,
    has_table: Option<bool>,
    next_round: Instant,
    /// Whether somebody looks on.
    is_seen: bool,
    /// When the table of connections was listed after a loss.
    recovered: Option<Instant>,
    /// When it was listed last, and how long that took.
    listed: (Instant, Duration),
}

/// By the calendar.
#[must_use]
pub fn now() -> At {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    At(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

/// The connections that are open now, as far as the kernel's table tells; the box's own addresses are added to the network.
///
/// # Errors
/// When the kernel does not tell.
pub fn open_now(network: &mut Network) -> Result<Vec<Connection>, LiveError> {
    for address in rtnl_dump::addresses().map_err(LiveError::Links)? {
        network.add_own(Iface::NONE, address.addr);
    }
    let mut found = Vec::new();
    Conntrack::open()?.each(|entry| found.push(convert::connection(&entry)))?;
    Ok(found)
}

impl Live {
    /// Opens every source in the current namespace.
    ///
    /// # Errors
    /// When the kernel has one of them not, or another program reads Segwall's packet log.
    pub fn open() -> Result<Self, LiveError> {
        Ok(Self {
            packets: PacketLog::open(&[DROP_LOG_GROUP, ACCEPT_LOG_GROUP])?,
            told: Losses::default(),
            connections: Events::listen()?,
            table: Conntrack::open()?,
            counters: NfTables::open()?,
            sets: counters::sets(),
            changes: Changes::listen()?,
            surroundings: Surroundings::listen()?,
            names: BTreeMap::new(),
            up: BTreeMap::new(),
            prefixes: Prefixes::default(),
            has_table: None,
            next_round: Instant::now(),
            is_seen: false,
            recovered: None,
            listed: (Instant::now(), Duration::ZERO),
        })
    }

    /// What is there already: interfaces, addresses, neighbours, open connections.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn begin(&mut self, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        self.links(each)?;
        self.open_connections(Event::Standing, each)
    }

    /// Whether somebody looks on, for whom open connections are counted more often.
    pub fn seen(&mut self, is_seen: bool) {
        self.is_seen = is_seen;
    }

    fn address(&self, address: &AddressFacts, each: &mut dyn FnMut(At, Event)) {
        let iface = self.names.get(&address.link).copied().unwrap_or(Iface::NONE);
        each(now(), Event::OwnAddress { iface, addr: address.addr });
    }

    fn links(&mut self, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        let links = rtnl_dump::links().map_err(LiveError::Links)?;
        for (index, link) in links.iter().take(LINKS_MAX) {
            self.link(*index, &link.name, link.up && link.carrier, each);
        }
        for address in rtnl_dump::addresses().map_err(LiveError::Links)? {
            self.address(&address, each);
        }
        for neighbour in rtnl_dump::neighbours().map_err(LiveError::Links)? {
            self.neighbour(neighbour, each);
        }
        Ok(())
    }

    fn link(&mut self, index: u32, name: &str, up: bool, each: &mut dyn FnMut(At, Event)) {
        if !self.names.contains_key(&index) && self.names.len() >= LINKS_MAX {
            return;
        }
        let iface = Iface::new(name.as_bytes());
        self.names.insert(index, iface);
        // One that was never up is not one that went down.
        if self.up.insert(index, up).unwrap_or(up) != up {
            each(now(), Event::Link { iface, up });
        }
    }

    fn neighbour(&self, neighbour: rtnl_dump::Neighbour, each: &mut dyn FnMut(At, Event)) {
        if let (Some(mac), Some(iface)) = (neighbour.mac, self.names.get(&neighbour.link)) {
            each(now(), Event::Neighbour { iface: *iface, addr: neighbour.addr, mac });
        }
    }

    fn open_connections(
        &mut self,
        event: fn(Connection) -> Event,
        each: &mut dyn FnMut(At, Event),
    ) -> Result<(), LiveError> {
        let begun = Instant::now();
        self.table.each(|entry| each(now(), event(convert::connection(&entry))))?;
        each(now(), Event::Listed);
        self.listed = (Instant::now(), begun.elapsed());
        Ok(())
    }

    /// Waits until something happens, at most this long, and hands it over.
    ///
    /// # Errors
    /// When a source fails for good. Full buffers are no failure.
    pub fn read(&mut self, longest: Duration, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        let pause = self.next_round.saturating_duration_since(Instant::now()).min(longest);
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX);
        let mut fds = [
            PollFd::new(self.packets.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.connections.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.surroundings.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.changes.as_fd(), PollFlags::POLLIN),
        ];
        // A signal ends the wait; whoever caught it knows why.
        let _ = poll(&mut fds, timeout);
        // First: packets of an interface that has just come have its name.
        self.surrounded(each)?;
        self.logged(each)?;
        self.connected(each)?;
        let is_changed = self.changes.any();
        if is_changed {
            self.next_round = self.next_round.min(Instant::now() + ROUND_MIN);
        }
        if Instant::now() >= self.next_round {
            self.next_round = Instant::now() + ROUND;
            self.round(each)?;
        }
        Ok(())
    }

    fn logged(&mut self, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        let Self { packets, names, prefixes, .. } = self;
        let mut unknown = false;
        packets.receive(READS_MAX, |logged| {
            let name = |index: Option<u32>| match index {
                None => Some(Iface::NONE),
                Some(index) => names.get(&index).copied(),
            };
            let (input, output) = (name(logged.input), name(logged.output));
            unknown |= input.is_none() || output.is_none();
            // Not the box itself: somebody who came before their interface's name.
            let ends = (input.unwrap_or_else(Iface::unknown), output.unwrap_or_else(Iface::unknown));
            if let Some(packet) = convert::packet(logged, ends, prefixes) {
                each(now(), Event::Packet(packet));
            }
        })?;
        let losses = self.packets.losses();
        let more = losses.packets.saturating_sub(self.told.packets);
        // A full buffer is known before the numbers of what did not fit are.
        if more > 0 || losses.overruns > self.told.overruns {
            each(now(), Event::Lost { source: Source::Packets, count: more.max(1) });
        }
        self.told = losses;
        if unknown {
            self.links(each)?;
        }
        Ok(())
    }

    fn connected(&mut self, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        let heard = self.connections.receive(READS_MAX * 64, |event| {
            let event = match event {
                conntrack::Event::New(entry) => Event::Began(convert::connection(&entry)),
                conntrack::Event::Ended(entry) => Event::Ended(convert::connection(&entry)),
            };
            each(now(), event);
        })?;
        if heard == Heard::Lost {
            each(now(), Event::Lost { source: Source::Connections, count: 1 });
            // A flood of connections must not keep us reading the whole table.
            if self.recovered.is_none_or(|recovered| recovered.elapsed() >= LIST_PAUSE) {
                self.recovered = Some(Instant::now());
                self.open_connections(Event::Going, each)?;
            }
        }
        Ok(())
    }

    fn surrounded(&mut self, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        let mut changes = Vec::new();
        let heard = self.surroundings.receive(READS_MAX, |change| changes.push(change))?;
        for change in changes {
            match change {
                Surrounding::Link(link) => self.link(link.index, &link.name, link.up && link.carrier, each),
                Surrounding::LinkGone(link) => {
                    self.link(link.index, &link.name, false, each);
                    self.names.remove(&link.index);
                    self.up.remove(&link.index);
                }
                Surrounding::Address(address) => self.address(&address, each),
                Surrounding::Neighbour(neighbour) => self.neighbour(neighbour, each),
                Surrounding::NeighbourGone(_) => {}
            }
        }
        if heard == Heard::Lost {
            each(now(), Event::Lost { source: Source::Links, count: 1 });
            self.links(each)?;
        }
        Ok(())
    }

    /// What is looked at once a second, and whenever somebody changes rules.
    fn round(&mut self, each: &mut dyn FnMut(At, Event)) -> Result<(), LiveError> {
        let readings = counters::read(&mut self.counters, &self.sets)?;
        let there = readings.is_some();
        if self.has_table != Some(there) {
            self.has_table = Some(there);
            each(now(), Event::Table { there });
        }
        if let Some(readings) = readings {
            each(now(), Event::Counters(readings));
        }
        if let Some(fill) = fill() {
            each(now(), Event::Conntrack { count: fill.count, max: fill.max });
        }
        let (listed, took) = self.listed;
        let pause = if self.is_seen { LIST_SEEN } else { LIST };
        if listed.elapsed() >= pause.max(took.saturating_mul(LIST_SHARE)) {
            // A kernel short of memory tells another time; what was not told is said, and the daemon goes on.
            if self.open_connections(Event::Going, each).is_err() {
                self.listed.0 = Instant::now();
                each(now(), Event::Lost { source: Source::Connections, count: 1 });
            }
        }
        each(now(), Event::Tick);
        Ok(())
    }
}
