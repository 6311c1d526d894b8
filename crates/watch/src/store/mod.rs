//! What lasts: ended connections, sums of traffic, alerts and events, kept on the disk and found again.
//!
//! The daemon hands things over and never waits: a thread writes them down once a second, as one transaction. The database
//! (SQLite) has sums, alerts, events and the flows of the present hour; older flows are files, one an hour, in a format
//! that other programs read as it is (Apache Parquet). What did not fit anywhere is counted.

mod checkpoint;
pub mod columns;
mod export;
pub mod flow;
pub mod read;
mod retain;
pub mod rollup;
mod rows;
pub mod schema;
#[cfg(test)]
mod tests;
mod worker;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use flow::{AlertRow, Flow, Increment, Named, Note};
pub use retain::Keep;

use worker::Doing;

use crate::event::{At, Connection, Event};
use crate::network::Network;
use crate::traffic::{Between, Carried};

/// Things between the daemon and the thread; more are lost, and counted.
const QUEUE_MAX: usize = 16_384;
/// Sentences that wait to be said.
const SENTENCES_MAX: usize = 16;

/// Where and how much is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's directory.
    pub dir: PathBuf,
    /// How long what is kept.
    pub keep: Keep,
    /// How often what waits is written. A crash costs at most this and the time it takes.
    pub every: Duration,
    /// Flows in the database that become a file before their hour is over.
    pub pending_max: u64,
    /// Rows of a file stay in the database for so long, for those who follow it.
    pub linger: Duration,
    /// Flows in memory while the disk takes none; more are lost, and counted.
    pub waiting_max: usize,
}

impl Options {
    /// As the field has it.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            keep: Keep::default(),
            every: Duration::from_millis(500),
            pending_max: 262_144,
            linger: Duration::from_secs(2),
            waiting_max: 65_536,
        }
    }
}

/// What became of things so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Flows that reached the disk.
    pub flows: u64,
    /// Flows, alerts, events and sums that did not, and never will.
    pub lost: u64,
    /// Flows that wait in memory.
    pub waiting: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files of flows.
    pub files: u64,
    /// Things that could not be done.
    pub errors: u64,
}

#[derive(Debug, Default)]
struct Shared {
    flows: AtomicU64,
    lost: AtomicU64,
    waiting: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
    errors: AtomicU64,
    ill: Mutex<[Option<String>; 3]>,
    sentences: Mutex<Vec<String>>,
}

impl Shared {
    fn say(&self, sentence: String) {
        if let Ok(mut sentences) = self.sentences.lock()
            && sentences.len() < SENTENCES_MAX
        {
            sentences.push(sentence);
        }
    }

    fn ill_at(&self, doing: Doing) -> Option<String> {
        self.ill.lock().map_or(None, |ill| ill[doing as usize].clone())
    }

    /// Something cannot be done: said when that begins.
    fn failed(&self, doing: Doing, why: String) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let Ok(mut ill) = self.ill.lock() else { return };
        if ill[doing as usize].replace(why.clone()).is_none() {
            let then = match doing {
                Doing::Write => "flows are kept in memory as far as they fit; make room, it is tried again each second",
                Doing::Files => "flows stay in the database as far as they fit; it is tried again",
                Doing::Tidy => "it is tried again",
            };
            self.say(format!("{why}; {then}"));
        }
    }

    /// It can be done: said where it could not.
    fn well(&self, doing: Doing) {
        let was = self.ill.lock().map_or(None, |mut ill| ill[doing as usize].take());
        if was.is_some() {
            let lost = self.lost.load(Ordering::Relaxed);
            let what = match doing {
                Doing::Write => "flows can be stored again",
                Doing::Files => "files of flows can be written again",
                Doing::Tidy => "old flows can be removed again",
            };
            self.say(format!("{what}; {lost} records were lost since the start"));
        }
    }

    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }
}

enum Item {
    Flow(Box<Flow>),
    Traffic(Vec<Named>),
    Alert(Box<AlertRow>),
    Note(Box<Note>),
}

/// The store and its thread.
#[derive(Debug)]
pub struct Store {
    queue: Option<SyncSender<Item>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Starts it. A disk that is full or not there is no error here: it is said, and tried again.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(options: Options) -> io::Result<Self> {
        let (queue, inlet) = mpsc::sync_channel(QUEUE_MAX);
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("store".to_owned()).spawn(move || worker::run(options, &inlet, own))?;
        Ok(Self { queue: Some(queue), shared, thread: Some(thread) })
    }

    /// Something happened: ended connections and rare events are kept.
    pub fn event(&self, network: &Network, at: At, event: &Event) {
        if let Event::Ended(connection) = event {
            self.connection(network, at, connection);
        } else if let Some(note) = Note::of(at, event) {
            self.hand_over(Item::Note(Box::new(note)), 1);
        }
    }

    /// A connection ended.
    pub fn connection(&self, network: &Network, at: At, connection: &Connection) {
        self.flow(Flow::of(network, at, connection));
    }

    /// A connection ended, with its names.
    pub fn flow(&self, flow: Flow) {
        self.hand_over(Item::Flow(Box::new(flow)), 1);
    }

    /// What went since the last time, to be summed up.
    pub fn traffic(&self, network: &Network, at: At, went: impl Iterator<Item = (Between, Carried)>) {
        let name = |(between, carried): (Between, Carried)| Named {
            from: network.name(between.from),
            to: network.name(between.to),
            increment: Increment { at, between, carried },
        };
        let list: Vec<Named> = went.map(name).collect();
        if !list.is_empty() {
            let count = list.len() as u64;
            self.hand_over(Item::Traffic(list), count);
        }
    }

    /// An alert was told.
    pub fn alert(&self, alert: AlertRow) {
        self.hand_over(Item::Alert(Box::new(alert)), 1);
    }

    fn hand_over(&self, item: Item, count: u64) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(item) {
            self.shared.lose(count);
        }
    }

    /// What became of things so far.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Numbers {
            flows: of(&self.shared.flows),
            lost: of(&self.shared.lost),
            waiting: of(&self.shared.waiting),
            bytes: of(&self.shared.bytes),
            files: of(&self.shared.files),
            errors: of(&self.shared.errors),
        }
    }

    /// Why nothing can be written down; `None`: it can.
    #[must_use]
    pub fn ill(&self) -> Option<String> {
        let broken = || Some("the thread that stores flows broke; restart segwall watch".to_owned());
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            return broken();
        }
        self.shared.ill.lock().map_or_else(|_| broken(), |ill| ill.iter().flatten().next().cloned())
    }

    /// What is to be said since the last time: that it is ill, that it is well again, what was moved aside.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        self.shared.sentences.lock().map_or_else(|_| Vec::new(), |mut sentences| std::mem::take(&mut *sentences))
    }

    /// Writes what waits, and ends. Within this time, or the process ends it.
    pub fn stop(mut self, within: Duration) -> Numbers {
        self.queue = None;
        let begun = Instant::now();
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && begun.elapsed() < within {
                thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
        self.numbers()
    }
}
