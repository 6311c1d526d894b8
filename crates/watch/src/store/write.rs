//! What reaches the database: one transaction a second.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params};
use segwall_packetset::Header;

use super::flow::{AlertRow, Flow, Named, Note};
use super::rollup::{Bucket, Key, Rollups, Sort, Sums, ZoneId, octets};
use super::schema::StoreError;
use crate::event::{Answer, Volume};

/// Zones with a number of their own; those that come later are "unknown".
const ZONES_MAX: usize = 4_096;
/// The name of what has no number.
const NO_ZONE: &str = "unknown";

/// What waits for the next transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Ended connections.
    pub flows: Vec<Flow>,
    /// Alerts.
    pub alerts: Vec<AlertRow>,
    /// Rare events.
    pub notes: Vec<Note>,
}

/// Zones' numbers.
#[derive(Debug, Default)]
pub struct Zones {
    numbers: HashMap<String, ZoneId>,
    unsaved: Vec<(ZoneId, String)>,
}

impl Zones {
    /// As the database has them.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT name, id FROM zones")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { numbers: rows.collect::<rusqlite::Result<_>>()?, unsaved: Vec::new() })
    }

    fn of(&mut self, name: &str) -> ZoneId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name = if self.numbers.len() >= ZONES_MAX { NO_ZONE } else { name };
        let next = u32::try_from(self.numbers.len()).expect("bounded");
        *self.numbers.entry(name.to_owned()).or_insert_with(|| {
            self.unsaved.push((next, name.to_owned()));
            next
        })
    }

    /// Adds what went, under the numbers of its zones.
    pub fn add(&mut self, rollups: &mut Rollups, named: &Named) {
        let (from, to) = (self.of(&named.from), self.of(&named.to));
        rollups.add(from, to, &named.increment);
    }
}

/// Hour of an instant, counted from 1970.
#[must_use]
pub fn hour(micros: i64) -> i64 {
    micros.div_euclid(HOUR)
}

/// Microseconds of an hour.
pub const HOUR: i64 = 3_600_000_000;

/// The open database.
#[derive(Debug)]
pub struct Database {
    /// SQLite's.
    pub connection: Connection,
    /// Its file.
    pub path: PathBuf,
    /// Flows by the hour in which they ended, that no file has yet.
    pub pending: BTreeMap<i64, u64>,
    /// Numbers of zones.
    pub zones: Zones,
}

impl Database {
    /// Looks at what an opened database has.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn new(connection: Connection, path: PathBuf) -> Result<Self, StoreError> {
        let look = || {
            let zones = Zones::load(&connection)?;
            // Rounded down before 1970 too, as `hour` does.
            let mut statement =
                connection.prepare("SELECT (ended - ((ended % ?1) + ?1) % ?1) / ?1, count(*) FROM flows GROUP BY 1")?;
            let rows = statement.query_map([HOUR], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((zones, rows.collect::<rusqlite::Result<_>>()?))
        };
        match look() {
            Ok((zones, pending)) => Ok(Self { connection, path, pending, zones }),
            Err(source) => Err(StoreError::Database { doing: "read", path, source }),
        }
    }

    /// Flows that no file has yet.
    #[must_use]
    pub fn pending_rows(&self) -> u64 {
        self.pending.values().sum()
    }

    /// Runs something as one transaction.
    ///
    /// # Errors
    /// As SQLite says; then nothing of it is in the database.
    pub fn transact<T>(
        &mut self,
        doing: &'static str,
        run: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let end = self.connection.transaction().and_then(|transaction| {
            let value = run(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        end.map_err(|source| StoreError::Database { doing, path: self.path.clone(), source })
    }

    /// Writes everything that waits. On success the batch is empty.
    ///
    /// # Errors
    /// As SQLite says; then everything still waits.
    pub fn write(&mut self, batch: &mut Batch, rollups: &mut Rollups) -> Result<(), StoreError> {
        let zones = std::mem::take(&mut self.zones.unsaved);
        let end = self.transact("write to", |transaction| {
            for (number, name) in &zones {
                transaction.execute("INSERT INTO zones (id, name) VALUES (?1, ?2)", params![number, name])?;
            }
            flows(transaction, &batch.flows)?;
            for alert in &batch.alerts {
                transaction.prepare_cached("INSERT INTO alerts (at, number, kind, state, severity, source, summary, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
                    alert.at.0, number(alert.number), alert.kind, alert.state, alert.severity, alert.source, alert.summary, alert.json
                ])?;
            }
            for note in &batch.notes {
                transaction
                    .prepare_cached("INSERT INTO events (at, kind, subject, count) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![note.at.0, note.kind, note.subject, number(note.count)])?;
            }
            rollups.buckets().try_for_each(|bucket| sums(transaction, bucket))
        });
        if let Err(error) = end {
            self.zones.unsaved = zones;
            return Err(error);
        }
        for flow in &batch.flows {
            *self.pending.entry(hour(flow.ended.0)).or_default() += 1;
        }
        rollups.saved();
        batch.flows.clear();
        batch.alerts.clear();
        batch.notes.clear();
        Ok(())
    }
}

/// SQLite's integers are signed; what is larger than they are has no meaning here.
pub fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The number of an answer in the database.
pub fn answer_number(answer: Answer) -> i64 {
    match answer {
        Answer::None => 0,
        Answer::Refused => 1,
        Answer::Answered => 2,
        Answer::Unknown => 3,
    }
}

fn flows(transaction: &Transaction<'_>, flows: &[Flow]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO flows (ended, began, from_zone, to_zone, proto, src, dst, kind, a, b, server, server_port,
             sent_packets, sent_bytes, received_packets, received_bytes, answer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    for flow in flows {
        let (kind, a, b) = match flow.header {
            Header::Ports { sport, dport } => (1, i64::from(sport), i64::from(dport)),
            Header::Icmp { kind, code } => (2, i64::from(kind), i64::from(code)),
            Header::Other => (0, 0, 0),
        };
        statement.execute(params![
            flow.ended.0,
            flow.began.map(|began| began.0),
            flow.from,
            flow.to,
            flow.proto,
            octets(flow.src),
            octets(flow.dst),
            kind,
            a,
            b,
            flow.server.map(|server| octets(server.addr)),
            flow.server.map(|server| server.port),
            number(flow.sent.packets),
            number(flow.sent.bytes),
            number(flow.received.packets),
            number(flow.received.bytes),
            answer_number(flow.answer),
        ])?;
    }
    Ok(())
}

fn sums(transaction: &Transaction<'_>, bucket: &mut Bucket) -> rusqlite::Result<()> {
    let (step, begin) = (bucket.step.seconds(), bucket.begin);
    if !bucket.is_loaded {
        for (key, sums) in saved(transaction, step, begin)? {
            bucket.load(key, &sums);
        }
        bucket.is_loaded = true;
    }
    bucket.bound();
    let mut delete = transaction
        .prepare_cached("DELETE FROM sums WHERE step = ?1 AND sort = ?2 AND begin = ?3 AND a = ?4 AND b = ?5")?;
    for key in bucket.dropped() {
        let (a, b) = key.columns();
        delete.execute(params![step, key.sort().number(), begin, a, b])?;
    }
    let mut add = transaction.prepare_cached(
        "INSERT INTO sums (step, sort, begin, a, b, flows, sent_packets, sent_bytes, received_packets, received_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET flows = flows + excluded.flows,
             sent_packets = sent_packets + excluded.sent_packets, sent_bytes = sent_bytes + excluded.sent_bytes,
             received_packets = received_packets + excluded.received_packets,
             received_bytes = received_bytes + excluded.received_bytes",
    )?;
    for (key, sums) in bucket.unsaved() {
        let (a, b) = key.columns();
        let Sums { flows, sent, received } = *sums;
        add.execute(params![
            step,
            key.sort().number(),
            begin,
            a,
            b,
            number(flows),
            number(sent.packets),
            number(sent.bytes),
            number(received.packets),
            number(received.bytes),
        ])?;
    }
    Ok(())
}

/// A bucket as the database has it.
fn saved(transaction: &Transaction<'_>, step: i64, begin: i64) -> rusqlite::Result<Vec<(Key, Sums)>> {
    let mut found = Vec::new();
    for sort in [Sort::Pairs, Sort::Talkers, Sort::Ports] {
        let mut statement = transaction.prepare_cached(
            "SELECT a, b, flows, sent_packets, sent_bytes, received_packets, received_bytes FROM sums
             WHERE step = ?1 AND sort = ?2 AND begin = ?3",
        )?;
        let mut rows = statement.query(params![step, sort.number(), begin])?;
        while let Some(row) = rows.next()? {
            let b: Vec<u8> = row.get(1)?;
            if let Some(key) = Key::of_columns(sort, row.get(0)?, &b) {
                found.push((key, sums_of(row, 2)?));
            }
        }
    }
    Ok(found)
}

/// Sums from five columns of a row.
///
/// # Errors
/// As SQLite says.
pub fn sums_of(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Sums> {
    // A sum of many large numbers may have become a real one.
    let count = |index: usize| {
        row.get::<_, Value>(index).map(|value| match value {
            Value::Integer(number) => u64::try_from(number).unwrap_or(0),
            Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => 0,
        })
    };
    let volume =
        |index: usize| Ok::<Volume, rusqlite::Error>(Volume { packets: count(index)?, bytes: count(index + 1)? });
    Ok(Sums { flows: count(at)?, sent: volume(at + 1)?, received: volume(at + 3)? })
}
