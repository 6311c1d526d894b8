//! The database: opened, made, or moved aside where it cannot be used. It is never deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use crate::event::At;

/// The database's name in the store's directory.
pub const DATABASE: &str = "store.db";
/// Where files of flows are, below the store's directory.
pub const FLOWS: &str = "flows";
/// Which shape the tables have.
pub const VERSION: i64 = 1;
/// A reader holds a lock for an instant at most.
const BUSY: Duration = Duration::from_secs(2);
/// What the write-ahead log is cut to after a checkpoint.
const WAL_BYTES: i64 = 4 << 20;

/// `flows` are those that no file has yet. `sums` has a row for each key of each bucket; `sort` is 0 for pairs of zones,
/// 1 for addresses, 2 for ports. A file is `done` once its rows are out of `flows`.
const TABLES: &str = "
CREATE TABLE flows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ended INTEGER NOT NULL, began INTEGER,
    from_zone TEXT NOT NULL, to_zone TEXT NOT NULL,
    proto INTEGER NOT NULL, src BLOB NOT NULL, dst BLOB NOT NULL,
    kind INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
    server BLOB, server_port INTEGER,
    sent_packets INTEGER NOT NULL, sent_bytes INTEGER NOT NULL,
    received_packets INTEGER NOT NULL, received_bytes INTEGER NOT NULL,
    answer INTEGER NOT NULL
);
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE, done INTEGER NOT NULL,
    first INTEGER, last INTEGER, rows INTEGER, bytes INTEGER
);
CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE sums (
    step INTEGER NOT NULL, sort INTEGER NOT NULL, begin INTEGER NOT NULL, a INTEGER NOT NULL, b BLOB NOT NULL,
    flows INTEGER NOT NULL,
    sent_packets INTEGER NOT NULL, sent_bytes INTEGER NOT NULL,
    received_packets INTEGER NOT NULL, received_bytes INTEGER NOT NULL,
    PRIMARY KEY (step, sort, begin, a, b)
) WITHOUT ROWID;
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, number INTEGER NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, severity TEXT NOT NULL, source TEXT NOT NULL, summary TEXT NOT NULL,
    json TEXT NOT NULL
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
    kind TEXT NOT NULL, subject TEXT NOT NULL, count INTEGER NOT NULL
);
";

/// The store cannot be written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory.
    #[error("cannot make the directory {}", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// Somebody else writes it.
    #[error("another `segwall watch` writes to {}", .0.display())]
    Locked(PathBuf),
    /// SQLite.
    #[error("cannot {doing} {}", path.display())]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file of flows.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was said.
        source: super::columns::ColumnsError,
    },
    /// A file of the file system.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What was said.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the database is broken, or none: waiting does not mend that.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// Opens the database of a directory, or makes it. Says where a broken one was put.
///
/// # Errors
/// When there is no room, no right, or no way to move a broken one aside.
pub fn open(dir: &Path, now: At) -> Result<(Connection, Option<String>), StoreError> {
    let path = dir.join(DATABASE);
    match usable(&path) {
        Ok(connection) => Ok((connection, None)),
        Err(Unusable::Other(error)) => Err(error),
        Err(Unusable::Damaged(why)) => {
            let aside = aside(&path, now)?;
            let said = format!("{}: {why}; it is now {}, and a new one begins", path.display(), aside.display());
            match usable(&path) {
                Ok(connection) => Ok((connection, Some(said))),
                Err(Unusable::Other(error)) => Err(error),
                Err(Unusable::Damaged(_)) => {
                    let source = io::Error::other("a new database is damaged at once");
                    Err(StoreError::Io { doing: "use", path, source })
                }
            }
        }
    }
}

enum Unusable {
    Damaged(String),
    Other(StoreError),
}

fn usable(path: &Path) -> Result<Connection, Unusable> {
    let fault = |doing| {
        move |source: rusqlite::Error| {
            let error = StoreError::Database { doing, path: path.to_owned(), source };
            if error.is_damage() { Unusable::Damaged("it is damaged".to_owned()) } else { Unusable::Other(error) }
        }
    };
    let connection = Connection::open(path).map_err(fault("open"))?;
    connection.busy_timeout(BUSY).map_err(fault("open"))?;
    let version: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault("read the version of"))?;
    if version > VERSION {
        return Err(Unusable::Damaged(format!(
            "a newer Segwall made it (version {version}, this one knows {VERSION})"
        )));
    }
    // With NORMAL a crash of the box may cost the last moments, and never the database.
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {WAL_BYTES};
             PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096;"
        ))
        .map_err(fault("open"))?;
    if version == 0 {
        let make = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
        if let Err(error) = connection.execute_batch(&make) {
            let _ = connection.execute_batch("ROLLBACK");
            return Err(fault("make the tables of")(error));
        }
        return Ok(connection);
    }
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fault("check"))?;
    if check != "ok" {
        return Err(Unusable::Damaged("it is damaged".to_owned()));
    }
    Ok(connection)
}

/// Puts a database and what belongs to it under another name.
fn aside(path: &Path, now: At) -> Result<PathBuf, StoreError> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mark = (0..1_000)
        .map(|number| format!(".aside-{}-{number}", now.second()))
        .find(|mark| !with(mark).exists())
        .unwrap_or_else(|| ".aside".to_owned());
    for end in ["-wal", "-shm", ""] {
        let from = with(end);
        // SQLite finds the log of a database by its name.
        let to = with(&format!("{mark}{end}"));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Io { doing: "move aside", path: from, source: error });
            }
            _ => {}
        }
    }
    Ok(with(&mark))
}

/// Opens the database for reading, while the daemon writes or after it ended.
///
/// # Errors
/// As SQLite says.
pub fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: At = At(1_795_000_000_000_000);

    #[test]
    fn a_database_is_made_once_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (first, said) = open(dir.path(), NOW).unwrap();
        assert_eq!(said, None);
        first.execute("INSERT INTO zones VALUES (1, 'guest')", []).unwrap();
        drop(first);
        let (again, said) = open(dir.path(), NOW).unwrap();
        assert_eq!(said, None);
        let name: String = again.query_row("SELECT name FROM zones", [], |row| row.get(0)).unwrap();
        assert_eq!(name, "guest");
    }

    #[test]
    fn what_is_damaged_or_newer_is_moved_aside_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        fs::write(&path, "this is no database, but long enough to be one".repeat(100)).unwrap();
        let (connection, said) = open(dir.path(), NOW).unwrap();
        let said = said.unwrap();
        assert!(said.contains("it is damaged; it is now ") && said.ends_with("and a new one begins"), "{said}");
        assert!(fs::read_to_string(dir.path().join("store.db.aside-1795000000-0")).unwrap().starts_with("this is no"));
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        drop(connection);
        let (_, said) = open(dir.path(), NOW).unwrap();
        assert!(said.unwrap().contains("a newer Segwall made it (version 99, this one knows 1)"));
        assert!(dir.path().join("store.db.aside-1795000000-1").exists());
    }

    #[test]
    fn damage_in_the_middle_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        let (connection, _) = open(dir.path(), NOW).unwrap();
        for number in 0..5_000 {
            connection.execute("INSERT INTO events VALUES (?1, 1, 'x', 'y', 1)", [number]).unwrap();
        }
        drop(connection);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8_192].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        assert!(open(dir.path(), NOW).unwrap().1.unwrap().contains("damaged"));
    }
}
