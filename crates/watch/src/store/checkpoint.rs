//! The write-ahead log goes into the database by a thread of its own: that waits for the disk, and the one who writes does
//! not. Whoever writes meanwhile is not kept (a passive checkpoint).

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

/// How often, where little is written.
const EVERY: Duration = Duration::from_secs(30);
/// Flows after which it is time, where much is: some 4 MiB.
const FLOWS: u64 = 20_000;

/// When it was done last.
#[derive(Debug)]
pub struct Checkpoints {
    last: Instant,
    flows: u64,
    running: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { last: Instant::now(), flows: 0, running: None }
    }

    /// So many flows were written; begins where it is time.
    pub fn wrote(&mut self, database: &Path, flows: u64) {
        self.flows += flows;
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        if self.last.elapsed() < EVERY && self.flows < FLOWS {
            return;
        }
        (self.last, self.flows) = (Instant::now(), 0);
        let path = database.to_owned();
        let thread = thread::Builder::new().name("store-log".to_owned()).spawn(move || {
            // What fails here fails for the one who writes too, who says it.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            if let Ok(connection) = Connection::open_with_flags(path, flags) {
                let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
        });
        self.running = thread.ok();
    }

    /// Waits for one that runs.
    pub fn end(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}
