//! The daemon's loop: events in, alerts out, everything written down and counted. It waits for nobody but the kernel.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use segwall_core::policy::{LogTls, RemoteLog};
use serde_json::Value;
use thiserror::Error;

use crate::alert::{Alert, Silence};
use crate::complaints::Complaints;
use crate::event::{At, Event};
use crate::forward::StartError;
use crate::journal::{self, Limits, LogFile};
use crate::live::{Live, LiveError, now};
use crate::metrics::{Info, Pages, Server, Snapshot, Told, page};
use crate::network::Network;
use crate::notify::{Notice, Receiver, Runs, Worker};
use crate::remote::Remote;
use crate::state::{Options, State};
use crate::store::{self, AlertRow, Store};
use crate::totals::Totals;
use crate::traffic::Traffic;
use crate::view::{self, Board, Seen};

/// How often logs reach the disk and metrics are made anew: a `kill -9` costs at most this much.
const FLUSH: Duration = Duration::from_secs(1);
/// How often old logs are looked for.
const TIDY: Duration = Duration::from_secs(600);
/// All that is left to do when it is stopped is done within this.
const STOP: Duration = Duration::from_secs(4);

/// How packets are written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// JSON, an object a line.
    #[default]
    Json,
    /// As the kernel's own log has them.
    Classic,
}

/// What is watched, and where it is written down.
#[derive(Debug)]
pub struct Setup {
    /// What is told of the policy.
    pub watched: Watched,
    /// Where logs go; `None`: nowhere.
    pub logs: Option<PathBuf>,
    /// How packets are written down.
    pub style: Style,
    /// Where what waits to be told is kept.
    pub outboxes: Option<PathBuf>,
    /// Where flows, sums, alerts and events are stored; `None`: nowhere.
    pub store: Option<store::Options>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where views are handed out.
    pub view: Option<PathBuf>,
    /// Who starts the commands that are to be told of alerts.
    pub runs: Arc<dyn Runs>,
    /// An alert as JSON.
    pub shape: fn(&Alert) -> Value,
}

/// What a policy says of watching.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Who is where.
    pub network: Network,
    /// When to tell.
    pub options: Options,
    /// Whom.
    pub receivers: Vec<Receiver>,
    /// Where a copy of what is written down goes.
    pub remote: Option<RemoteLog>,
    /// With what TLS to it is set up.
    pub tls: LogTls,
    /// Of what nobody is told.
    pub silences: Vec<Silence>,
    /// Of which policy.
    pub policy: String,
    /// Whoever in a segment scans is to be quarantined for so many seconds: who watches from outside does it.
    pub quarantine_s: Option<u32>,
}

/// It cannot watch.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// A source failed.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The address is not to be had.
    #[error("cannot serve metrics at {addr}; is it another program's?")]
    Metrics {
        /// Which.
        addr: SocketAddr,
        /// What was said.
        source: std::io::Error,
    },
    /// The socket is not to be had.
    #[error("cannot show anything to `segwall top` at {path}")]
    View {
        /// Which.
        path: PathBuf,
        /// What was said.
        source: std::io::Error,
    },
    /// No thread.
    #[error("cannot start a thread that tells of alerts")]
    Thread(#[source] std::io::Error),
    /// No store.
    #[error("cannot start a thread that stores flows")]
    Store(#[source] std::io::Error),
    /// No forwarding.
    #[error("cannot send a copy of the log to a collector")]
    Remote(#[source] StartError),
}

/// What somebody outside wants of it.
pub trait Outside {
    /// An alert begins, grows or ends.
    fn told(&mut self, alert: &Alert);
    /// Asked after every turn: whether to stop.
    fn stops(&mut self) -> bool;
    /// Asked once a second: a policy that is to be watched from now on.
    fn reloaded(&mut self) -> Option<Watched>;
    /// Asked once a second: in how many places the box differs from what holds, where it was looked at anew.
    fn differences(&mut self) -> Option<u32>;
    /// Once a second: it lives.
    fn alive(&mut self);
    /// Something is to be said to whoever runs it, once.
    fn said(&mut self, sentence: &str);
}

struct Daemon<'a> {
    setup: Setup,
    state: State,
    totals: Totals,
    traffic: Traffic,
    board: Board,
    views: Option<view::Server>,
    workers: Vec<Worker>,
    remote: Option<Remote>,
    store: Option<Store>,
    packets: Option<LogFile>,
    alerts: Option<LogFile>,
    complaints: Complaints,
    outside: &'a mut dyn Outside,
}

/// Watches until it is stopped.
///
/// # Errors
/// See [`DaemonError`]. Full disks, receivers that do not answer and lost records are no errors.
pub fn watch(mut setup: Setup, live: &mut Live, outside: &mut dyn Outside) -> Result<(), DaemonError> {
    let pages = Arc::new(Pages::default());
    let server = setup
        .metrics
        .map(|addr| Server::start(addr, Arc::clone(&pages)).map_err(|source| DaemonError::Metrics { addr, source }));
    let _server = server.transpose()?;
    let log = |name: &str| setup.logs.as_ref().map(|dir| LogFile::new(dir.join(name), Limits::default()));
    let (packets, alerts) = match setup.style {
        Style::Json => (log("drops.jsonl"), log("alerts.jsonl")),
        Style::Classic => (log("drops.log"), log("alerts.jsonl")),
    };
    let mut state = State::new(std::mem::take(&mut setup.watched.network), setup.watched.options);
    state.silence(setup.watched.silences.clone());
    let (workers, remote) = (workers(&setup)?, remote(&setup)?);
    let store = setup.store.clone().map(Store::start).transpose().map_err(DaemonError::Store)?;
    let show =
        |path: &PathBuf| view::Server::start(path).map_err(|source| DaemonError::View { path: path.clone(), source });
    let views = setup.view.as_ref().map(show).transpose()?;
    let mut daemon = Daemon {
        state,
        totals: Totals::default(),
        traffic: Traffic::default(),
        board: Board::default(),
        views,
        workers,
        remote,
        store,
        packets,
        alerts,
        complaints: Complaints::default(),
        outside,
        setup,
    };
    live.begin(&mut |at, event| daemon.event(at, &event))?;
    let (mut flushed, mut tidied) = (Instant::now(), Instant::now());
    while !daemon.outside.stops() {
        live.read(FLUSH, &mut |at, event| daemon.event(at, &event))?;
        if flushed.elapsed() >= FLUSH {
            flushed = Instant::now();
            daemon.second(&pages)?;
            live.seen(daemon.show());
        }
        if tidied.elapsed() >= TIDY {
            tidied = Instant::now();
            let now = SystemTime::now();
            [&mut daemon.packets, &mut daemon.alerts].into_iter().flatten().for_each(|log| log.tidy(now));
        }
    }
    daemon.flush();
    let begun = Instant::now();
    if let Some(store) = daemon.store.take() {
        store.stop(STOP / 2);
    }
    if let Some(remote) = daemon.remote.take() {
        remote.stop(STOP / 2);
    }
    for worker in daemon.workers.drain(..) {
        worker.stop(STOP.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

fn workers(setup: &Setup) -> Result<Vec<Worker>, DaemonError> {
    let start = |receiver: &Receiver| {
        // By whom it is for: what waits for one never goes to another.
        let outbox = setup.outboxes.as_ref().map(|dir| dir.join(format!("outbox-{}.jsonl", receiver.mark())));
        Worker::start(receiver.clone(), outbox, Arc::clone(&setup.runs)).map_err(DaemonError::Thread)
    };
    setup.watched.receivers.iter().map(start).collect()
}

/// A collector, where the policy names one and there is a place to keep what waits for it.
fn remote(setup: &Setup) -> Result<Option<Remote>, DaemonError> {
    let (Some(log), Some(dir)) = (&setup.watched.remote, &setup.outboxes) else { return Ok(None) };
    Remote::start(log, &setup.watched.tls, dir).map(Some).map_err(DaemonError::Remote)
}

impl Daemon<'_> {
    fn event(&mut self, at: At, event: &Event) {
        self.totals.event(self.state.network(), event);
        self.traffic.event(self.state.network(), event);
        self.board.event(at, event, &self.traffic);
        if let (Event::Packet(packet), Some(log)) = (event, &mut self.packets) {
            log.line(&match self.setup.style {
                Style::Json => journal::json(self.state.network(), at, packet),
                Style::Classic => journal::classic(at, packet),
            });
        }
        if let (Event::Packet(packet), Some(remote)) = (event, &self.remote) {
            remote.packet(self.state.network(), at, packet);
        }
        if let Some(store) = &self.store {
            store.event(self.state.network(), at, event);
        }
        for alert in self.state.step(at, event) {
            self.tell(&alert);
        }
    }

    fn tell(&mut self, alert: &Alert) {
        self.totals.alert(alert);
        self.board.told(alert);
        let json = (self.setup.shape)(alert);
        if let Some(log) = &mut self.alerts {
            log.line(&json.to_string());
            // Alerts are few, and worth more than a second.
            log.flush();
        }
        if let Some(remote) = &self.remote {
            remote.alert(alert);
        }
        if let Some(store) = &self.store {
            store.alert(AlertRow::of(alert, json.to_string()));
        }
        let notice = Notice::of(alert, json);
        self.workers.iter().for_each(|worker| worker.tell(notice.clone()));
        self.outside.told(alert);
    }

    fn flush(&mut self) {
        [&mut self.packets, &mut self.alerts].into_iter().flatten().for_each(LogFile::flush);
        let went = self.traffic.drain();
        let Some(store) = &self.store else { return went.for_each(drop) };
        store.traffic(self.state.network(), now(), went);
        store.sentences().iter().for_each(|sentence| self.outside.said(sentence));
    }

    /// Once a second.
    fn second(&mut self, pages: &Pages) -> Result<(), DaemonError> {
        self.flush();
        self.outside.alive();
        if let Some(differences) = self.outside.differences() {
            self.event(now(), &Event::Drift { differences });
        }
        self.complain();
        if let Some(mut watched) = self.outside.reloaded() {
            let before = self.state.network().clone();
            self.state.watch_from_now(std::mem::take(&mut watched.network), watched.options);
            self.state.silence(watched.silences.clone());
            self.totals.renamed(&before, self.state.network());
            self.traffic.renamed(&before, self.state.network());
            self.board.renamed();
            let same = watched.receivers == self.setup.watched.receivers;
            let old = &self.setup.watched;
            let same_remote = (&watched.remote, &watched.tls) == (&old.remote, &old.tls);
            self.setup.watched = watched;
            if !same_remote {
                if let Some(remote) = self.remote.take() {
                    remote.stop(Duration::from_secs(1));
                }
                self.remote = remote(&self.setup)?;
            }
            if !same {
                // What waits for those who stay is read again by their successors.
                self.workers.drain(..).for_each(|worker| worker.stop(Duration::from_secs(1)));
                self.workers = workers(&self.setup)?;
            }
        }
        if self.setup.metrics.is_none() {
            return Ok(());
        }
        if let Ok(mut metrics) = pages.metrics.lock() {
            *metrics = page(&self.snapshot());
        }
        if let Ok(mut written) = pages.written.lock() {
            *written = Some(Instant::now());
        }
        if let Ok(mut ill) = pages.ill.lock() {
            let logs = [&self.packets, &self.alerts].into_iter().flatten();
            let gone = (self.totals.table == Some(false)).then(|| "Segwall's table is not in the kernel".to_owned());
            let stored = || self.store.as_ref().and_then(Store::ill);
            *ill = gone.or_else(|| logs.filter_map(LogFile::error).next().map(str::to_owned)).or_else(stored);
        }
        Ok(())
    }

    /// Of receivers that take nothing. Two of one name are told apart by nobody.
    fn complain(&mut self) {
        let mut receivers: BTreeMap<String, (Option<String>, u64)> = BTreeMap::new();
        let collector = self.remote.iter().map(|remote| (remote.name(), remote.standing()));
        let told = self.workers.iter().map(|worker| (worker.name().to_owned(), worker.counts().standing()));
        for (name, (why, sent)) in collector.chain(told) {
            let known = receivers.entry(name).or_default();
            *known = (known.0.take().or(why), known.1 + sent);
        }
        self.complaints.keep(|who| receivers.contains_key(who));
        for (who, (why, sent)) in &receivers {
            if let Some(sentence) = self.complaints.hear(who, why.as_deref(), *sent, Instant::now()) {
                self.outside.said(&sentence);
            }
        }
    }

    /// A view, where somebody looks on. Whether anybody does.
    fn show(&mut self) -> bool {
        let Some(views) = &self.views else { return false };
        let is_seen = views.is_seen();
        self.board.seen(is_seen);
        if is_seen {
            // A kernel that does not tell of its interfaces keeps nobody from seeing the rest.
            let links = segwall_host::rtnl_dump::link_counts().unwrap_or_default();
            let Self { state, totals, traffic, setup, .. } = self;
            let policy = &setup.watched.policy;
            views.show(self.board.view(Seen { at: now(), state, totals, traffic, links: &links, policy }));
        }
        is_seen
    }

    fn snapshot(&self) -> Snapshot {
        let mut open = BTreeMap::new();
        for kind in self.state.open_kinds() {
            *open.entry(kind).or_default() += 1;
        }
        let told = |worker: &Worker| {
            let counts = worker.counts();
            let told = Told {
                sent: counts.sent.load(Ordering::Relaxed),
                failed: counts.failed.load(Ordering::Relaxed),
                lost: counts.lost.load(Ordering::Relaxed),
                waiting: counts.waiting.load(Ordering::Relaxed),
            };
            (worker.name().to_owned(), told)
        };
        Snapshot {
            info: Info { version: env!("CARGO_PKG_VERSION").to_owned(), policy: self.setup.watched.policy.clone() },
            totals: self.totals.clone(),
            carried: self.traffic.pairs().clone(),
            uncounted: self.traffic.lost(),
            open,
            silenced: self.state.silenced(),
            lost: self.state.lost(),
            lines_lost: [&self.packets, &self.alerts].into_iter().flatten().map(LogFile::lost).sum(),
            told: self.workers.iter().map(told).collect(),
            remote: self.remote.as_ref().map(Remote::numbers),
            store: self.store.as_ref().map(Store::numbers),
            network: self.state.network().clone(),
        }
    }
}
