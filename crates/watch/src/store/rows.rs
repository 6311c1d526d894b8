//! Flows as rows of the database.

use std::net::{IpAddr, Ipv4Addr};

use rusqlite::{Connection, Row, params};
use segwall_packetset::Header;

use super::flow::{Flow, Server};
use super::rollup::address;
use crate::event::{Answer, At, Volume};

const COLUMNS: &str = "id, ended, began, from_zone, to_zone, proto, src, dst, kind, a, b, server, server_port,
    sent_packets, sent_bytes, received_packets, received_bytes, answer";

fn flow(row: &Row<'_>) -> rusqlite::Result<Flow> {
    let addr = |index: usize| {
        let bytes: Vec<u8> = row.get(index)?;
        Ok::<IpAddr, rusqlite::Error>(address(&bytes).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    };
    let volume =
        |index: usize| Ok::<Volume, rusqlite::Error>(Volume { packets: row.get(index)?, bytes: row.get(index + 1)? });
    let (a, b): (u16, u16) = (row.get(9)?, row.get(10)?);
    let header = match row.get(8)? {
        1 => Header::Ports { sport: a, dport: b },
        2 => Header::Icmp { kind: a.to_be_bytes()[1], code: b.to_be_bytes()[1] },
        _ => Header::Other,
    };
    let server: Option<Vec<u8>> = row.get(11)?;
    let port: Option<u16> = row.get(12)?;
    Ok(Flow {
        ended: At(row.get(1)?),
        began: row.get::<_, Option<i64>>(2)?.map(At),
        from: row.get(3)?,
        to: row.get(4)?,
        proto: row.get(5)?,
        src: addr(6)?,
        dst: addr(7)?,
        header,
        server: server.and_then(|bytes| address(&bytes)).map(|addr| Server { addr, port: port.unwrap_or(0) }),
        sent: volume(13)?,
        received: volume(15)?,
        answer: match row.get(17)? {
            0 => Answer::None,
            1 => Answer::Refused,
            2 => Answer::Answered,
            _ => Answer::Unknown,
        },
    })
}

/// Which rows.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Those behind this one.
    pub after: i64,
    /// Up to this one.
    pub up_to: i64,
    /// That ended then or later.
    pub since: At,
    /// That ended before.
    pub until: At,
    /// So many at most.
    pub rows_max: usize,
}

/// Rows in their order, with their numbers.
///
/// # Errors
/// As SQLite says.
pub fn read(connection: &Connection, range: Range, mut each: impl FnMut(i64, Flow)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM flows WHERE id > ?1 AND id <= ?2 AND ended >= ?3 AND ended < ?4 ORDER BY id LIMIT ?5"
    ))?;
    let rows_max = i64::try_from(range.rows_max).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![range.after, range.up_to, range.since.0, range.until.0, rows_max])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, flow(row)?);
    }
    Ok(())
}
