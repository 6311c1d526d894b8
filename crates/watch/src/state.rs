//! The fold: an event in, alerts out.

use crate::alert::{Alert, Book, Evidence, Kind, Silence};
use crate::detect::{
    Around, Devices, Dhcp, Health, Management, NewPairs, Peers, Scans, Spikes, Threshold, UplinkSpoofs,
};
use crate::event::{Answer, At, Connection, Event, Iface, Packet, Reason, Source, Verdict};
use crate::network::{Network, Zone, is_nobody};

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When refused packets are a spike.
    pub drops: Threshold,
    /// Whether scans are looked for.
    pub scans: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { drops: Threshold::default(), scans: true }
    }
}

/// What was lost at limits. Zero everywhere: what was told is all there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Sources and hosts of scans that were forgotten.
    pub scans: u64,
    /// Connections that were forgotten.
    pub peers: u64,
    /// Rates of refused packets, and counters, that were forgotten.
    pub rates: u64,
    /// Tries to manage that were forgotten.
    pub management: u64,
    /// Cards that were forgotten.
    pub cards: u64,
    /// Pairs that were not learnt.
    pub pairs: u64,
    /// Alerts that were not raised because too many of their kind were open.
    pub alerts: u64,
    /// Records that sources lost before they came here.
    pub records: u64,
}

/// Everything that is known.
#[derive(Debug, Clone)]
pub struct State {
    network: Network,
    options: Options,
    began: Option<At>,
    now: At,
    ticked_s: i64,
    book: Book,
    peers: Peers,
    scans: Scans,
    spikes: Spikes,
    pairs: NewPairs,
    management: Management,
    devices: Devices,
    spoofs: UplinkSpoofs,
    records: u64,
    skew: u64,
}

/// Instants further back than this are not believed, in seconds: logs are a little out of order, no more.
const BACK_MAX_S: i64 = 3_600;

impl State {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(network: Network, options: Options) -> Self {
        Self {
            network,
            options,
            began: None,
            now: At::default(),
            ticked_s: i64::MIN,
            book: Book::default(),
            peers: Peers::default(),
            scans: Scans::default(),
            spikes: Spikes::new(options.drops),
            pairs: NewPairs::default(),
            management: Management::default(),
            devices: Devices::default(),
            spoofs: UplinkSpoofs::default(),
            records: 0,
            skew: 0,
        }
    }

    /// Something happened at an instant. Gives what is to be told.
    ///
    /// Instants may be a little out of order; the state's own clock never goes back.
    pub fn step(&mut self, at: At, event: &Event) -> Vec<Alert> {
        let mut told = Vec::new();
        if self.began.is_none() {
            (self.began, self.now) = (Some(at), at);
        }
        let is_back = self.now.since_s(at) > BACK_MAX_S;
        if is_back && matches!(event, Event::Tick) {
            // The box's own clock was set back: what was timed by the wrong one means nothing, and would hold for ever.
            self.begin_anew(at);
        }
        self.skew += u64::from(is_back);
        self.now = self.now.max(at);
        self.tick(&mut told);
        match event {
            Event::Packet(packet) => self.packet(packet, &mut told),
            // One whose beginning was lost is seen here, and one that is old is not forgotten.
            Event::Began(connection) | Event::Standing(connection) | Event::Going(connection) => {
                self.began(connection, &mut told);
            }
            Event::Ended(connection) => self.ended(connection, &mut told),
            Event::Counters(readings) => {
                let mut around = Around { network: &self.network, at: self.now, book: &mut self.book, told: &mut told };
                self.spikes.read(&mut around, readings);
            }
            Event::Neighbour { iface, mac, addr: _ } => {
                let began = self.began.unwrap_or(self.now);
                self.devices.seen(&self.network, self.now, began, *iface, *mac);
            }
            Event::Lease { mac, addr: _ } => self.devices.leased(*mac),
            Event::OwnAddress { iface, addr } => self.network.add_own(*iface, *addr),
            Event::Link { .. }
            | Event::Conntrack { .. }
            | Event::Table { .. }
            | Event::Drift { .. }
            | Event::Lost { .. }
            | Event::DhcpServer { .. } => self.box_event(event, &mut told),
            Event::Listed | Event::Tick => {}
        }
        told
    }

    fn begin_anew(&mut self, at: At) {
        let mut fresh = Self::new(self.network.clone(), self.options);
        (fresh.began, fresh.now, fresh.records, fresh.skew) = (Some(at), at, self.records, self.skew);
        *self = fresh;
    }

    /// Another policy holds from now on. What was learnt of the traffic stays.
    pub fn watch_from_now(&mut self, mut network: Network, options: Options) {
        for (iface, addr) in self.network.own_addresses() {
            network.add_own(iface, addr);
        }
        network.hold_from(self.now);
        (self.network, self.options) = (network, options);
        self.spikes.expect(options.drops);
    }

    fn around<'a>(&'a mut self, told: &'a mut Vec<Alert>) -> Around<'a> {
        Around { network: &self.network, at: self.now, book: &mut self.book, told }
    }

    /// Once a second of the events' own time.
    fn tick(&mut self, told: &mut Vec<Alert>) {
        if self.now.second() <= self.ticked_s {
            return;
        }
        self.ticked_s = self.now.second();
        for (kind, subject) in self.book.tick(&self.network, self.now, told) {
            self.scans.closed(kind, subject);
        }
        let mut around = Around { network: &self.network, at: self.now, book: &mut self.book, told };
        self.devices.tick(&mut around);
    }

    fn packet(&mut self, packet: &Packet, told: &mut Vec<Alert>) {
        let ends = self.network.ends(packet);
        // Only the box itself sends what came in nowhere; nobody else can make such a line.
        if packet.input.is_none() && !packet.output.is_none() && !is_nobody(packet.src) {
            self.network.add_own(Iface::NONE, packet.src);
        }
        let began = self.began.unwrap_or(self.now);
        let mut around = Around { network: &self.network, at: self.now, book: &mut self.book, told };
        Dhcp.packet(&mut around, packet);
        match packet.verdict {
            Verdict::Accepted => {
                self.peers.accepted(packet);
                self.pairs.accepted(&mut around, began, ends, |around| Some(Evidence::of(around.at, *packet)));
            }
            Verdict::Noted | Verdict::Refused(Reason::Broadcast) => {}
            // What everybody on the link was sent counts for nothing, also where rules have no word for it.
            Verdict::Refused(_) if is_to_many(&self.network, packet) => {}
            Verdict::Refused(reason) => {
                if self.options.scans && self.scans.refused(&mut around, &self.peers, ends, packet) {
                    return;
                }
                self.management.refused(&mut around, ends, packet, reason);
                self.spoofs.refused(&mut around, ends, packet, reason);
                self.spikes.refused(&mut around, ends, packet, reason);
            }
        }
    }

    fn began(&mut self, connection: &Connection, told: &mut Vec<Alert>) {
        let ends = self.network.ends_of(connection);
        self.peers.saw(connection);
        let began = self.began.unwrap_or(self.now);
        let mut around = Around { network: &self.network, at: self.now, book: &mut self.book, told };
        let evidence = |around: &Around<'_>| Evidence::opening(around.at, around.network, connection);
        self.pairs.accepted(&mut around, began, ends, evidence);
    }

    fn ended(&mut self, connection: &Connection, told: &mut Vec<Alert>) {
        let ends = self.network.ends_of(connection);
        let mut around = Around { network: &self.network, at: self.now, book: &mut self.book, told };
        if self.options.scans && ends.to != Zone::Unknown {
            self.scans.ended(&mut around, &self.peers, ends, connection);
        }
        if connection.answer == Answer::Answered {
            self.peers.saw(connection);
        }
    }

    fn box_event(&mut self, event: &Event, told: &mut Vec<Alert>) {
        if let Event::Lost { count, .. } = event {
            self.records = self.records.saturating_add(*count);
        }
        let mut around = self.around(told);
        match event {
            Event::Link { iface, up } => Health.link(&mut around, *iface, *up),
            Event::Conntrack { count, max } => Health.conntrack(&mut around, *count, *max),
            Event::Table { there } => Health.table(&mut around, *there),
            Event::Drift { differences } => Health.drift(&mut around, *differences),
            // A log that is read again has gaps that say nothing of this box.
            Event::Lost { source: Source::Log, .. } => {}
            Event::Lost { source: Source::Packets | Source::Connections | Source::Links, count } => {
                Health.lost(&mut around, *count);
            }
            Event::DhcpServer { iface, addr, mac: _ } => Dhcp.server(&mut around, *iface, *addr, None),
            Event::Packet(_)
            | Event::Began(_)
            | Event::Standing(_)
            | Event::Going(_)
            | Event::Listed
            | Event::Ended(_)
            | Event::Counters(_)
            | Event::Neighbour { .. }
            | Event::Lease { .. }
            | Event::OwnAddress { .. }
            | Event::Tick => {}
        }
    }

    /// Of this nobody is told from now on, nor is it acted on.
    pub fn silence(&mut self, silences: Vec<Silence>) {
        self.book.silence(silences);
    }

    /// Episodes that a silence kept from being told.
    #[must_use]
    pub fn silenced(&self) -> u64 {
        self.book.silenced
    }

    /// Every open episode as it stands.
    #[must_use]
    pub fn standing(&self) -> Vec<Alert> {
        self.book.standing(&self.network, self.now)
    }

    /// Of what kinds those are, each as often as it is open.
    pub fn open_kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.book.kinds()
    }

    /// Whether a source has an open scan.
    #[must_use]
    pub fn is_scanning(&self, source: std::net::IpAddr) -> bool {
        self.scans.is_scanning(source)
    }

    /// Whether an episode of this kind is open about anything.
    #[must_use]
    pub fn has_open(&self, kind: Kind) -> bool {
        self.book.kinds().any(|open| open == kind)
    }

    /// The latest instant of any event.
    #[must_use]
    pub fn now(&self) -> At {
        self.now
    }

    /// Who is where.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What was lost at limits.
    #[must_use]
    pub fn lost(&self) -> Lost {
        Lost {
            scans: self.scans.lost(),
            peers: self.peers.lost(),
            rates: self.spikes.lost(),
            management: self.management.lost(),
            cards: self.devices.lost(),
            pairs: self.pairs.lost,
            alerts: self.book.overflowed,
            records: self.records,
        }
    }

    /// Events that came more than an hour late; their own time is not believed.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.skew
    }

    /// Rows of the tables of scans and rates: sources, their contacts, rates.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        let (sources, contacts) = self.scans.size();
        (sources, contacts, self.spikes.size())
    }
}

fn is_to_many(network: &Network, packet: &Packet) -> bool {
    packet.to_all || packet.dst.is_multicast() || network.is_broadcast(packet.dst)
}
