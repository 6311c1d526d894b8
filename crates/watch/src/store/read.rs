//! Asking the store, while the daemon writes or after it ended. What is asked sees one moment: a flow is in the database or
//! in a file, never in both.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use thiserror::Error;

use super::columns::{self, ColumnsError};
use super::flow::Flow;
use super::rollup::{Key, Sort, Step, Sums, ZoneId};
use super::rows::{self, Range};
use super::schema::{DATABASE, FLOWS, VERSION, open_for_reading};
use super::write::sums_of;
use crate::event::At;

/// The store cannot be asked.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing was stored.
    #[error("there is no {}: nothing was stored yet; `segwall watch` does, as the service segwall-watch", .0.display())]
    Missing(PathBuf),
    /// Another version.
    #[error("{} is of another Segwall (version {found}, this one knows {VERSION}); use that one", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Which version.
        found: i64,
    },
    /// SQLite.
    #[error("cannot read {}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file of flows.
    #[error("cannot read {}; move it away to go on without it", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was said.
        source: ColumnsError,
    },
}

/// A store that is asked.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    dir: PathBuf,
}

/// What stands in a list of the largest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Connections from a zone to a zone.
    Pair {
        /// Who opened them.
        from: String,
        /// Who answered.
        to: String,
    },
    /// An address.
    Talker {
        /// Where it is.
        zone: String,
        /// Which.
        addr: IpAddr,
    },
    /// A port.
    Port {
        /// IP protocol number.
        proto: u8,
        /// Which.
        port: u16,
    },
    /// Those that were not told apart.
    Others,
}

/// A period: from an instant on, before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From then on.
    pub since: At,
    /// Before then.
    pub until: At,
}

impl Reader {
    /// Opens the store of a directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let path = dir.join(DATABASE);
        if !path.exists() {
            return Err(ReadError::Missing(path));
        }
        let fault = |source| ReadError::Database { path: path.clone(), source };
        let connection = open_for_reading(&path).map_err(fault)?;
        let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
        match found {
            VERSION => Ok(Self { connection, dir: dir.to_owned() }),
            // Made at this moment.
            0 => Err(ReadError::Missing(path)),
            found => Err(ReadError::Version { path, found }),
        }
    }

    fn fault(&self, source: rusqlite::Error) -> ReadError {
        ReadError::Database { path: self.dir.join(DATABASE), source }
    }

    /// Hands over the flows that ended within a period, the newest files first; `goes_on` is asked before each file, with
    /// the last instant in it. Gives the number of the last pending row, where those that follow begin.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn flows(
        &self,
        period: Period,
        mut goes_on: impl FnMut(At) -> bool,
        mut each: impl FnMut(Flow),
    ) -> Result<i64, ReadError> {
        let Period { since, until } = period;
        // One moment: rows and the list of files are read in one transaction.
        let moment = self.connection.unchecked_transaction().map_err(|error| self.fault(error))?;
        let mut look = || {
            let last = moment.query_row("SELECT ifnull(max(id), 0) FROM flows", [], |row| row.get(0))?;
            let ever: i64 = moment.query_row(
                "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'flows'",
                [],
                |row| row.get(0),
            )?;
            let range = Range { after: 0, up_to: last, since, until, rows_max: usize::MAX };
            rows::read(&moment, range, |_, flow| each(flow))?;
            let mut statement = moment.prepare(
                "SELECT name, last FROM files WHERE done AND last >= ?1 AND first < ?2 ORDER BY last DESC, id DESC",
            )?;
            let files = statement.query_map(params![since.0, until.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((last.max(ever), files.collect::<rusqlite::Result<Vec<(String, i64)>>>()?))
        };
        let (last, files) = look().map_err(|error| self.fault(error))?;
        drop(moment);
        for (name, ends) in files {
            if !goes_on(At(ends)) {
                break;
            }
            let path = self.dir.join(FLOWS).join(name);
            let read = match File::open(&path) {
                Ok(file) => columns::Reader::new(file).and_then(|reader| {
                    reader.each(since, until, |flow| {
                        if flow.ended >= since && flow.ended < until {
                            each(flow);
                        }
                    })
                }),
                // Too old since the moment we look at.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error.into()),
            };
            read.map_err(|source| ReadError::File { path, source })?;
        }
        Ok(last)
    }

    /// Hands over pending flows behind a row; gives the last one's number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn follow(&self, after: i64, mut each: impl FnMut(Flow)) -> Result<i64, ReadError> {
        let mut last = after;
        let range =
            Range { after, up_to: i64::MAX, since: At(i64::MIN), until: At(i64::MAX), rows_max: FOLLOW_ROWS_MAX };
        let read = rows::read(&self.connection, range, |id, flow| {
            last = id;
            each(flow);
        });
        read.map_err(|error| self.fault(error))?;
        Ok(last)
    }

    /// Sums of a period, the largest first, all others last. Whole hours and days are taken as such where the period has them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn top(&self, sort: Sort, period: Period) -> Result<Vec<(Subject, Sums)>, ReadError> {
        let mut found: BTreeMap<Key, Sums> = BTreeMap::new();
        let look = |found: &mut BTreeMap<Key, Sums>| {
            // Hours stand in for minutes that are gone, days for hours.
            let kept = |step: Step| -> rusqlite::Result<i64> {
                self.connection
                    .query_row("SELECT min(begin) FROM sums WHERE step = ?1 AND sort = 0", [step.seconds()], |row| {
                        row.get::<_, Option<i64>>(0)
                    })
                    .map(|begin| begin.unwrap_or(i64::MAX))
            };
            let (minutes, hours) = (kept(Step::Minute)?, kept(Step::Hour)?);
            let mut statement = self.connection.prepare(
                "SELECT a, b, sum(flows), sum(sent_packets), sum(sent_bytes), sum(received_packets), sum(received_bytes)
                 FROM sums WHERE step = ?1 AND sort = ?2 AND begin >= ?3 AND begin < ?4 GROUP BY a, b",
            )?;
            for (step, since, until) in pieces(period.since.second(), period.until.second(), minutes, hours) {
                let mut rows = statement.query(params![step.seconds(), sort.number(), since, until])?;
                while let Some(row) = rows.next()? {
                    let b: Vec<u8> = row.get(1)?;
                    if let Some(key) = Key::of_columns(sort, row.get(0)?, &b) {
                        found.entry(key).or_default().add(&sums_of(row, 2)?);
                    }
                }
            }
            let mut statement = self.connection.prepare("SELECT id, name FROM zones")?;
            let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            names.collect::<rusqlite::Result<BTreeMap<ZoneId, String>>>()
        };
        let names = look(&mut found).map_err(|error| self.fault(error))?;
        let name = |zone: ZoneId| names.get(&zone).cloned().unwrap_or_else(|| "unknown".to_owned());
        let subject = |key: Key| match key {
            Key::Pair(from, to) => Subject::Pair { from: name(from), to: name(to) },
            Key::Talker(zone, addr) => Subject::Talker { zone: name(zone), addr },
            Key::Port(proto, port) => Subject::Port { proto, port },
            Key::OtherPairs | Key::OtherTalkers | Key::OtherPorts => Subject::Others,
        };
        let mut list: Vec<(Subject, Sums)> = found.into_iter().map(|(key, sums)| (subject(key), sums)).collect();
        // Others are no one's place, however much they are together.
        list.sort_by_key(|(subject, sums)| {
            (*subject == Subject::Others, std::cmp::Reverse(sums.weight()), subject.clone())
        });
        Ok(list)
    }
}

/// Rows that are followed at once.
const FOLLOW_ROWS_MAX: usize = 10_000;

/// A period in seconds as pieces, each of buckets that begin in it: days and hours where they are whole or nothing finer
/// is left, else minutes.
fn pieces(since: i64, until: i64, minutes_from: i64, hours_from: i64) -> Vec<(Step, i64, i64)> {
    let mut pieces: Vec<(Step, i64, i64)> = Vec::new();
    let mut at = since;
    while at < until {
        let whole = |step: Step| step.begin(at) == at && at.saturating_add(step.seconds()) <= until;
        let step = if whole(Step::Day) || at < hours_from.min(minutes_from) {
            Step::Day
        } else if whole(Step::Hour) || at < minutes_from {
            Step::Hour
        } else {
            Step::Minute
        };
        let begin = step.begin(at);
        let end = begin.saturating_add(step.seconds());
        match pieces.last_mut() {
            Some((last, _, until)) if *last == step && *until == begin => *until = end,
            _ => pieces.push((step, begin, end)),
        }
        at = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_cut_into_the_largest_buckets_that_fit() {
        let day = 86_400;
        let cut = |since, until| pieces(since, until, 0, 0);
        assert_eq!(cut(3_600, 7_200), [(Step::Hour, 3_600, 7_200)]);
        assert_eq!(
            cut(3_540, 7_260),
            [(Step::Minute, 3_540, 3_600), (Step::Hour, 3_600, 7_200), (Step::Minute, 7_200, 7_260)]
        );
        assert_eq!(cut(0, 2 * day + 3_600), [(Step::Day, 0, 2 * day), (Step::Hour, 2 * day, 2 * day + 3_600)]);
        // The minute that is begun counts whole.
        assert_eq!(cut(30, 90), [(Step::Minute, 0, 120)]);
        // Where minutes are gone, hours; where hours are, days.
        assert_eq!(pieces(day + 60, day + 7_200, day + 7_200, day), [(Step::Hour, day, day + 7_200)]);
        assert_eq!(pieces(60, day, 5 * day, 4 * day), [(Step::Day, 0, day)]);
    }
}
