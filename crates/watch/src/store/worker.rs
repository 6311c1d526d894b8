//! The thread that writes. It opens the database when it can, writes what waits, has files written, throws away; whatever
//! fails is said once, counted, and tried again.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use super::checkpoint::Checkpoints;
use super::export::{self, Done, Exporter};
use super::retain::{self, Trust};
use super::rollup::Rollups;
use super::schema::{self, DATABASE, FLOWS, StoreError};
use super::write::{Batch, Database};
use super::{Item, Options, Shared};
use crate::event::At;
use crate::live::now;

/// After a failure to open it is tried again so often.
const REOPEN: Duration = Duration::from_secs(5);
/// After a failure to write a file it is tried again so often.
const AGAIN: Duration = Duration::from_secs(30);
/// How often what is old is looked for, and sizes are measured.
const TIDY: Duration = Duration::from_secs(60);
/// Connections on their way when an hour ends still get into its file.
const SETTLE_S: i64 = 5;
/// Alerts and events that wait while the disk takes none.
const RECORDS_MAX: usize = 4_096;

/// What may fail by itself while the rest goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// The database takes what waits.
    Write,
    /// Files are written.
    Files,
    /// What is old goes.
    Tidy,
}

/// Flows that may be in the database where files cannot be written; more are lost.
const PENDING_MAX: u64 = 2_097_152;

struct Open {
    database: Database,
    exporter: Option<Exporter>,
    written: Option<(Done, Instant)>,
    not_before: Instant,
    tidied: Option<Instant>,
    checkpoints: Checkpoints,
    _lock: Flock<File>,
}

struct Worker {
    options: Options,
    shared: Arc<Shared>,
    batch: Batch,
    rollups: Rollups,
    /// For sums while there is no database.
    early: Vec<super::Named>,
    open: Option<Open>,
    tried: Option<Instant>,
    trust: Trust,
    begun: Instant,
    told_lost: u64,
    is_full: bool,
}

/// Runs until the other end of the queue is gone.
pub fn run(options: Options, inlet: &Receiver<Item>, shared: Arc<Shared>) {
    let mut worker = Worker {
        options,
        shared,
        batch: Batch::default(),
        rollups: Rollups::default(),
        early: Vec::new(),
        open: None,
        tried: None,
        trust: Trust::default(),
        begun: Instant::now(),
        told_lost: 0,
        is_full: false,
    };
    worker.reopen();
    let mut next = Instant::now() + worker.options.every;
    loop {
        let now = Instant::now();
        if now >= next {
            worker.second();
            next = now + worker.options.every;
        }
        match inlet.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(item) => worker.take(item),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    worker.write();
    if let Some(mut open) = worker.open.take() {
        if let Some(exporter) = open.exporter {
            exporter.abandon();
        }
        open.checkpoints.end();
        // A last checkpoint: the next start, and readers, find one file.
        let _ = open.database.connection.close();
    }
}

impl Worker {
    fn take(&mut self, item: Item) {
        let lost = match item {
            Item::Flow(_) if self.is_full => 1,
            Item::Flow(flow) => put(&mut self.batch.flows, *flow, self.options.waiting_max),
            Item::Alert(alert) => put(&mut self.batch.alerts, *alert, RECORDS_MAX),
            Item::Note(note) => put(&mut self.batch.notes, *note, RECORDS_MAX),
            Item::Traffic(list) => match &mut self.open {
                Some(open) => {
                    list.iter().for_each(|named| open.database.zones.add(&mut self.rollups, named));
                    0
                }
                None => list.into_iter().map(|named| put(&mut self.early, named, self.options.waiting_max)).sum(),
            },
        };
        self.shared.lose(lost);
        self.shared.waiting.store(self.batch.flows.len() as u64, Ordering::Relaxed);
        // A burst does not wait for its second.
        if self.batch.flows.len() == self.options.waiting_max / 2 && self.shared.ill_at(Doing::Write).is_none() {
            self.write();
        }
    }

    /// What is due about once a second.
    fn second(&mut self) {
        if self.open.is_none() {
            self.reopen();
        }
        self.write();
        self.files();
        self.tidy();
    }

    fn reopen(&mut self) {
        if self.tried.is_some_and(|tried| tried.elapsed() < REOPEN) {
            return;
        }
        self.tried = Some(Instant::now());
        match self.opened() {
            Ok(open) => {
                let open = self.open.insert(open);
                for named in self.early.drain(..) {
                    open.database.zones.add(&mut self.rollups, &named);
                }
            }
            Err(error) => self.failed(Doing::Write, &error),
        }
    }

    fn opened(&mut self) -> Result<Open, StoreError> {
        let dir = &self.options.dir;
        let flows = dir.join(FLOWS);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&flows)
            .map_err(|source| StoreError::Directory(flows.clone(), source))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(|source| StoreError::Io { doing: "make", path, source })?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|_| StoreError::Locked(dir.clone()))?;
        let (connection, said) = schema::open(dir, now())?;
        said.into_iter().for_each(|sentence| self.shared.say(sentence));
        let mut database = Database::new(connection, dir.join(DATABASE))?;
        export::settle(&mut database, dir)?.into_iter().for_each(|sentence| self.shared.say(sentence));
        let newest = retain::newest(&mut database)?;
        self.trust.may_drop(now(), self.begun.elapsed(), newest);
        let not_before = Instant::now();
        Ok(Open {
            database,
            exporter: None,
            written: None,
            not_before,
            tidied: None,
            checkpoints: Checkpoints::new(),
            _lock: lock,
        })
    }

    fn write(&mut self) {
        let Some(open) = &mut self.open else { return };
        let flows = self.batch.flows.len() as u64;
        match open.database.write(&mut self.batch, &mut self.rollups) {
            Ok(()) => {
                open.checkpoints.wrote(&open.database.path, flows);
                self.shared.flows.fetch_add(flows, Ordering::Relaxed);
                self.shared.waiting.store(0, Ordering::Relaxed);
                self.is_full = open.database.pending_rows() >= PENDING_MAX;
                self.shared.well(Doing::Write);
            }
            Err(error) => self.failed(Doing::Write, &error),
        }
        self.shared.lose(self.rollups.lost - self.told_lost);
        self.told_lost = self.rollups.lost;
    }

    /// One file at a time: noted, written by a thread of its own, its rows taken out.
    fn files(&mut self) {
        let Some(open) = &mut self.open else { return };
        let mut end = Ok(());
        if open.exporter.as_ref().is_some_and(Exporter::has_ended)
            && let Some(exporter) = open.exporter.take()
        {
            let job = exporter.job.clone();
            match exporter.end() {
                Ok(done) => open.written = Some((done, Instant::now())),
                Err(error) => {
                    let _ = export::forget(&mut open.database, &job);
                    open.not_before = Instant::now() + AGAIN;
                    end = Err(error);
                }
            }
        }
        if let Some((done, at)) = &open.written {
            if at.elapsed() < self.options.linger {
                return;
            }
            match export::finish(&mut open.database, done) {
                Ok(()) => {
                    open.written = None;
                    self.shared.well(Doing::Files);
                }
                Err(error) => end = Err(error),
            }
        }
        let is_free = open.exporter.is_none() && open.written.is_none() && Instant::now() >= open.not_before;
        if end.is_ok()
            && is_free
            && let Some(hour) = export::due(&open.database, now(), self.options.pending_max, SETTLE_S)
        {
            let dir = &self.options.dir;
            end = export::begin(&mut open.database, dir, hour)
                .and_then(|job| Exporter::start(&open.database.path, dir, job))
                .map(|exporter| open.exporter = Some(exporter));
            if end.is_err() {
                open.not_before = Instant::now() + AGAIN;
            }
        }
        if let Err(error) = end {
            self.failed(Doing::Files, &error);
        }
    }

    fn tidy(&mut self) {
        let Some(open) = &mut self.open else { return };
        if open.tidied.is_some_and(|tidied| tidied.elapsed() < TIDY) {
            return;
        }
        open.tidied = Some(Instant::now());
        let at: At = now();
        let may_drop = self.trust.may_drop(at, self.begun.elapsed(), None);
        let end = retain::tidy(&mut open.database, &self.options.dir, &self.options.keep, at, may_drop)
            .and_then(|()| retain::size(&mut open.database));
        match end {
            Ok(size) => {
                self.shared.bytes.store(size.bytes, Ordering::Relaxed);
                self.shared.files.store(size.files, Ordering::Relaxed);
                self.shared.well(Doing::Tidy);
            }
            Err(error) => self.failed(Doing::Tidy, &error),
        }
    }

    fn failed(&mut self, doing: Doing, error: &StoreError) {
        self.shared.failed(doing, segwall_host::error::chain(error));
        if error.is_damage() {
            // The next turn moves it aside.
            if let Some(mut open) = self.open.take() {
                open.checkpoints.end();
                open.exporter.into_iter().for_each(Exporter::abandon);
            }
            self.rollups.begin_anew();
            self.tried = None;
        }
    }
}

/// Keeps a thing where there is room; how many are lost.
fn put<T>(list: &mut Vec<T>, thing: T, most: usize) -> u64 {
    if list.len() >= most {
        return 1;
    }
    list.push(thing);
    0
}
