//! Pending flows become files. A file is noted in the database, for sure, before it has its name; its rows go in the same
//! transaction that says it is done. Whatever happens in between: a file that is not done is taken away, and its rows are
//! still there.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::{OptionalExtension, params};

use super::columns::{self, ColumnsError, GROUP_ROWS};
use super::rows::{self, Range};
use super::schema::{FLOWS, StoreError, open_for_reading};
use super::write::{Database, HOUR, hour, number};
use crate::event::At;

/// The end of a name before its file is whole.
const HALF: &str = "parquet-new";
/// The end of a file's name.
const WHOLE: &str = "parquet";

/// Which rows become a file.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number in the database.
    pub file: i64,
    /// Its name.
    pub name: String,
    /// The hour in which they ended.
    pub hour: i64,
    /// Up to this row.
    pub up_to: i64,
}

/// A file that is whole.
#[derive(Debug, Clone)]
pub struct Done {
    /// What was asked for.
    pub job: Job,
    rows: u64,
    bytes: u64,
    first: At,
    last: At,
}

/// The thread that writes one file.
#[derive(Debug)]
pub struct Exporter {
    /// What it writes.
    pub job: Job,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Done, StoreError>>,
}

/// Notes a file for the rows of an hour.
///
/// # Errors
/// As SQLite says.
pub fn begin(database: &mut Database, dir: &Path, of: i64) -> Result<Job, StoreError> {
    database.transact("write to", |transaction| {
        let stem = jiff::Timestamp::from_microsecond(of.saturating_mul(HOUR))
            .map_or_else(|_| format!("hour{of}"), |at| at.strftime("%Y-%m-%dT%H").to_string());
        let mut part = 0_u64;
        let name = loop {
            let name = format!("{stem}-{part}.{WHOLE}");
            let known: Option<i64> =
                transaction.query_row("SELECT id FROM files WHERE name = ?1", [&name], |row| row.get(0)).optional()?;
            if known.is_none() && !dir.join(FLOWS).join(&name).exists() {
                break name;
            }
            part += 1;
        };
        let up_to = transaction.query_row("SELECT ifnull(max(id), 0) FROM flows", [], |row| row.get(0))?;
        transaction.execute("INSERT INTO files (name, done) VALUES (?1, 0)", [&name])?;
        Ok(Job { file: transaction.last_insert_rowid(), name, hour: of, up_to })
    })
}

/// A file that will not be: its note goes.
///
/// # Errors
/// As SQLite says; then the next start does it.
pub fn forget(database: &mut Database, job: &Job) -> Result<(), StoreError> {
    database.transact("write to", |transaction| {
        transaction.execute("DELETE FROM files WHERE id = ?1 AND done = 0", [job.file]).map(drop)
    })
}

/// A file is whole: its rows go.
///
/// # Errors
/// As SQLite says; it may be tried again.
pub fn finish(database: &mut Database, done: &Done) -> Result<(), StoreError> {
    let since = done.job.hour.saturating_mul(HOUR);
    database.transact("write to", |transaction| {
        transaction.execute(
            "DELETE FROM flows WHERE id <= ?1 AND ended >= ?2 AND ended < ?3",
            params![done.job.up_to, since, since.saturating_add(HOUR)],
        )?;
        transaction.execute(
            "UPDATE files SET done = 1, first = ?2, last = ?3, rows = ?4, bytes = ?5 WHERE id = ?1",
            params![done.job.file, done.first.0, done.last.0, number(done.rows), number(done.bytes)],
        )
    })?;
    let left = database.pending.remove(&done.job.hour).unwrap_or(0).saturating_sub(done.rows);
    if left > 0 {
        database.pending.insert(done.job.hour, left);
    }
    Ok(())
}

impl Exporter {
    /// Begins to write.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(database: &Path, dir: &Path, job: Job) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (database, flows) = (database.to_owned(), dir.join(FLOWS));
        let (asked, own) = (job.clone(), Arc::clone(&stop));
        let path = flows.join(&job.name);
        let thread = thread::Builder::new()
            .name("store-file".to_owned())
            .spawn(move || {
                let half = flows.join(&asked.name).with_extension(HALF);
                let end = write(&database, &flows, &half, &asked, &own);
                if end.is_err() {
                    let _ = fs::remove_file(&half);
                }
                end.map_err(|source| StoreError::File { path: flows.join(&asked.name), source })
            })
            .map_err(|source| StoreError::Io { doing: "start a thread that writes", path, source })?;
        Ok(Self { job, stop, thread })
    }

    /// Whether it has ended, well or not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn end(self) -> Result<Done, StoreError> {
        self.thread.join().unwrap_or_else(|_| {
            let source = io::Error::other("the thread that writes it broke");
            Err(StoreError::Io { doing: "write", path: PathBuf::from(&self.job.name), source })
        })
    }

    /// Breaks it off.
    pub fn abandon(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

fn write(database: &Path, flows: &Path, half: &Path, job: &Job, stop: &AtomicBool) -> Result<Done, ColumnsError> {
    let connection = open_for_reading(database)?;
    let since = At(job.hour.saturating_mul(HOUR));
    let until = At(since.0.saturating_add(HOUR));
    let mut writer = columns::Writer::new(BufWriter::new(File::create(half)?))?;
    let (mut after, mut rows, mut first, mut last) = (0, 0, until, since);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the store ends").into());
        }
        let mut group = Vec::with_capacity(GROUP_ROWS);
        let range = Range { after, up_to: job.up_to, since, until, rows_max: GROUP_ROWS };
        rows::read(&connection, range, |id, flow| {
            after = id;
            (first, last) = (first.min(flow.ended), last.max(flow.ended));
            group.push(flow);
        })?;
        if group.is_empty() {
            break;
        }
        rows += group.len() as u64;
        writer.group(&group)?;
        if group.len() < GROUP_ROWS {
            break;
        }
    }
    let file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    // The note first: after a loss of power a file without one would be taken in beside its own rows. Done here, and not by
    // the commit, since a slow disk must not keep the one who writes.
    // Only the log: what was taken from it into the database was synced by SQLite, and a file of the database that is opened
    // and closed here would take SQLite's own locks away (POSIX drops all of a process's).
    match File::open(wal(database)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        file => file?.sync_all()?,
    }
    fs::rename(half, flows.join(&job.name))?;
    File::open(flows)?.sync_all()?;
    Ok(Done { job: job.clone(), rows, bytes, first, last })
}

/// The write-ahead log of a database.
#[must_use]
pub fn wal(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// After a start: what is half goes, whole files that the database does not know are taken in, rows without a file go.
/// Gives what could not be taken in.
///
/// # Errors
/// When the database or the directory cannot be used.
pub fn settle(database: &mut Database, dir: &Path) -> Result<Vec<String>, StoreError> {
    let flows = dir.join(FLOWS);
    let fault = |doing| {
        let path = flows.clone();
        move |source| StoreError::Io { doing, path, source }
    };
    let known: Vec<(i64, String, bool)> = database.transact("read", |transaction| {
        let mut statement = transaction.prepare("SELECT id, name, done FROM files")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    })?;
    let (mut gone, mut strange, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for (id, name, done) in &known {
        let path = flows.join(name);
        if !*done {
            let _ = fs::remove_file(&path);
        }
        if !*done || !path.exists() {
            gone.push(*id);
        }
    }
    for entry in fs::read_dir(&flows).map_err(fault("read"))? {
        let path = entry.map_err(fault("read"))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match path.extension().and_then(|end| end.to_str()) {
            Some(HALF) => drop(fs::remove_file(&path)),
            Some(WHOLE) if known.iter().all(|(_, known, _)| *known != name) => match extent(&path) {
                Ok((rows, times, bytes)) => found.push((name, rows, times, bytes)),
                Err(error) => strange.push(format!("{} is passed over: {error}", path.display())),
            },
            _ => {}
        }
    }
    // In the order of their time: the oldest goes first.
    found.sort_by_key(|(name, _, times, _)| (*times, name.clone()));
    database.transact("write to", |transaction| {
        for id in &gone {
            transaction.execute("DELETE FROM files WHERE id = ?1", [id])?;
        }
        for (name, rows, (first, last), bytes) in &found {
            transaction.execute(
                "INSERT INTO files (name, done, first, last, rows, bytes) VALUES (?1, 1, ?2, ?3, ?4, ?5)",
                params![name, first.0, last.0, number(*rows), number(*bytes)],
            )?;
        }
        Ok(())
    })?;
    Ok(strange)
}

fn extent(path: &Path) -> Result<(u64, (At, At), u64), ColumnsError> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let (rows, times) = columns::Reader::new(file)?.extent();
    Ok((rows, times.unwrap_or_default(), bytes))
}

/// The hour whose rows are due: one that is over, or the fullest when there are too many.
#[must_use]
pub fn due(database: &Database, now: At, rows_max: u64, settle_s: i64) -> Option<i64> {
    let current = hour(now.0);
    // Those that were on their way when the hour ended still belong to it.
    let grace = hour(now.0.saturating_sub(settle_s.saturating_mul(1_000_000)));
    let over = database.pending.keys().find(|of| **of > current || **of < grace).copied();
    over.or_else(|| {
        (database.pending_rows() >= rows_max)
            .then(|| database.pending.iter().max_by_key(|(_, rows)| **rows).map(|(of, _)| *of))
            .flatten()
    })
}
