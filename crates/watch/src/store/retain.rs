//! What is old, or too much, goes: files whole, sums by their age. A clock that jumps takes nothing with it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::params;

use super::export::wal;
use super::rollup::Step;
use super::schema::{FLOWS, StoreError};
use super::write::Database;
use crate::event::At;

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Flows, by the end of the last one in a file.
    pub flows: Duration,
    /// Bytes of everything; then the oldest files of flows go.
    pub bytes_max: u64,
    /// Sums per minute.
    pub minutes: Duration,
    /// Sums per hour.
    pub hours: Duration,
    /// Sums per day, alerts and events.
    pub days: Duration,
    /// Alerts, and events; more go from the oldest on.
    pub records_max: u64,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Keep {
    fn default() -> Self {
        Self {
            flows: 30 * DAY,
            bytes_max: 512 << 20,
            minutes: DAY,
            hours: 30 * DAY,
            days: 5 * 365 * DAY,
            records_max: 100_000,
        }
    }
}

/// A jump of the clock larger than this is one.
const JUMP: Duration = Duration::from_secs(3_600);
/// After it nothing goes by age for so long: a wrong clock is mostly set right within minutes.
const DOUBT: Duration = Duration::from_secs(3_600);
/// Days pass while a box is off; a month does rarely.
const OFF_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Whether the calendar may be believed as far as throwing away goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust {
    last: Option<(At, Duration)>,
    doubt_until: Duration,
}

impl Trust {
    /// The calendar's time and that of a clock that never jumps; `newest` is the latest instant that the store has.
    pub fn may_drop(&mut self, now: At, steady: Duration, newest: Option<At>) -> bool {
        let ahead = |now: At, then: At| Duration::from_micros(u64::try_from(now.0.saturating_sub(then.0)).unwrap_or(0));
        let jumped = match self.last {
            None => newest.is_some_and(|newest| ahead(now, newest) > OFF_MAX || newest > now),
            Some((then, steady_then)) => {
                ahead(now, then).abs_diff(steady.saturating_sub(steady_then)) > JUMP || ahead(then, now) > JUMP
            }
        };
        if jumped {
            self.doubt_until = steady + DOUBT;
        }
        self.last = Some((now, steady));
        steady >= self.doubt_until
    }
}

fn before(now: At, age: Duration) -> i64 {
    now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

/// The latest instant in the database.
///
/// # Errors
/// As SQLite says.
pub fn newest(database: &mut Database) -> Result<Option<At>, StoreError> {
    database.transact("read", |transaction| {
        let of = |query| transaction.query_row(query, [], |row| row.get::<_, Option<i64>>(0));
        Ok(of("SELECT max(last) FROM files")?.max(of("SELECT max(ended) FROM flows")?).map(At))
    })
}

/// What the store takes: files of flows and the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of all.
    pub bytes: u64,
    /// Files of flows.
    pub files: u64,
    /// Flows in them.
    pub rows: u64,
}

/// Measures.
///
/// # Errors
/// As SQLite says.
pub fn size(database: &mut Database) -> Result<Size, StoreError> {
    let of = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
    let own = of(&database.path) + of(&wal(&database.path));
    database.transact("read", |transaction| {
        transaction.query_row(
            "SELECT ifnull(sum(bytes), 0), count(*), ifnull(sum(rows), 0) FROM files WHERE done",
            [],
            |row| Ok(Size { bytes: own + row.get::<_, u64>(0)?, files: row.get(1)?, rows: row.get(2)? }),
        )
    })
}

/// Throws away what is too old (unless the clock is in doubt), and the oldest files while all is too large.
///
/// # Errors
/// When a file cannot be removed, or the database cannot be written.
pub fn tidy(database: &mut Database, dir: &Path, keep: &Keep, now: At, may_drop: bool) -> Result<(), StoreError> {
    if may_drop {
        let old: Vec<(i64, String)> = database.transact("read", |transaction| {
            let mut statement = transaction.prepare("SELECT id, name FROM files WHERE done AND last < ?1")?;
            statement.query_map([before(now, keep.flows)], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        for (id, name) in old {
            remove(database, dir, id, &name)?;
        }
        database.transact("write to", |transaction| {
            for (step, age) in [(Step::Minute, keep.minutes), (Step::Hour, keep.hours), (Step::Day, keep.days)] {
                let begin = before(now, age).div_euclid(1_000_000);
                for sort in 0..3 {
                    transaction.execute(
                        "DELETE FROM sums WHERE step = ?1 AND sort = ?2 AND begin < ?3",
                        params![step.seconds(), sort, begin],
                    )?;
                }
            }
            for table in ["alerts", "events"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE at < ?1"), [before(now, keep.days)])?;
                transaction.execute(
                    &format!("DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?1"),
                    [keep.records_max],
                )?;
            }
            Ok(())
        })?;
    }
    while size(database)?.bytes > keep.bytes_max {
        let oldest = database.transact("read", |transaction| {
            let mut statement = transaction.prepare("SELECT id, name FROM files WHERE done ORDER BY id LIMIT 1")?;
            let mut rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.next().transpose()
        })?;
        let Some((id, name)) = oldest else { break };
        let name: String = name;
        remove(database, dir, id, &name)?;
    }
    Ok(())
}

/// The file first: one without a row would be taken in again.
fn remove(database: &mut Database, dir: &Path, id: i64, name: &str) -> Result<(), StoreError> {
    let path = dir.join(FLOWS).join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::Io { doing: "remove", path, source: error });
        }
        _ => {}
    }
    database.transact("write to", |transaction| transaction.execute("DELETE FROM files WHERE id = ?1", [id]).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_is_not_believed_for_an_hour() {
        let (day, second) = (86_400, Duration::from_secs);
        let mut trust = Trust::default();
        assert!(trust.may_drop(At::of_s(100 * day), second(0), Some(At::of_s(99 * day))));
        assert!(trust.may_drop(At::of_s(100 * day + 60), second(60), None));
        // Ten years ahead, and back again.
        assert!(!trust.may_drop(At::of_s(3_750 * day), second(120), None));
        assert!(!trust.may_drop(At::of_s(100 * day + 180), second(180), None));
        assert!(!trust.may_drop(At::of_s(100 * day + 3_600), second(3_600), None));
        assert!(trust.may_drop(At::of_s(100 * day + 3_790), second(3_790), None));
    }

    #[test]
    fn a_start_long_after_the_last_flow_or_before_it_is_in_doubt() {
        let first = |now: i64, newest: i64| {
            Trust::default().may_drop(At::of_s(now * 86_400), Duration::ZERO, Some(At::of_s(newest * 86_400)))
        };
        assert!(first(100, 94));
        assert!(!first(100, 90));
        assert!(!first(100, 101));
    }
}
