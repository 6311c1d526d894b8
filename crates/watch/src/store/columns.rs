//! Files of flows: Apache Parquet, so that DuckDB, ClickHouse, pandas and Spark read them as they are. Columns are written
//! and read one by one, without arrow.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};
use segwall_packetset::{Header, proto};
use thiserror::Error;

use super::flow::{Flow, Server, answer_of, answer_word};
use crate::event::{At, Volume};

/// Flows that are in memory at once, and skipped at once by their times.
pub const GROUP_ROWS: usize = 32_768;

/// docs/flows.md says what each column is.
const SCHEMA: &str = "
message flow {
  required int64 ended (TIMESTAMP(MICROS, true));
  optional int64 began (TIMESTAMP(MICROS, true));
  required binary from_zone (STRING);
  required binary to_zone (STRING);
  required binary proto (STRING);
  required binary src (STRING);
  optional int32 sport (INTEGER(16, false));
  required binary dst (STRING);
  optional int32 dport (INTEGER(16, false));
  optional int32 icmp_type (INTEGER(8, false));
  optional int32 icmp_code (INTEGER(8, false));
  optional binary server (STRING);
  optional int32 server_port (INTEGER(16, false));
  required int64 sent_packets;
  required int64 sent_bytes;
  required int64 received_packets;
  required int64 received_bytes;
  required binary answer (STRING);
}";

/// A file of flows cannot be written or read.
#[derive(Debug, Error)]
pub enum ColumnsError {
    /// Its format.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// The disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Another program's.
    #[error("it is not one of Segwall's: its columns are others")]
    Foreign,
    /// The database it comes from.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

fn schema() -> Arc<Type> {
    Arc::new(parse_message_type(SCHEMA).expect("a constant that tests parse"))
}

fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by(concat!("segwall ", env!("CARGO_PKG_VERSION")).to_owned());
    // Times grow, and ports of clients never repeat: a dictionary of them is as long as they are.
    for column in ["ended", "began", "sport"] {
        let path = ColumnPath::from(column);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// A file that is being written.
pub struct Writer<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(file: W) -> Result<Self, ColumnsError> {
        Ok(Self { writer: SerializedFileWriter::new(file, schema(), Arc::new(properties()))? })
    }

    /// Writes flows, at most [`GROUP_ROWS`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn group(&mut self, flows: &[Flow]) -> Result<(), ColumnsError> {
        let mut put = Put { group: self.writer.next_row_group()? };
        put.required::<Int64Type>(flows.iter().map(|flow| flow.ended.0))?;
        put.optional::<Int64Type>(flows.iter().map(|flow| flow.began.map(|began| began.0)))?;
        put.required::<ByteArrayType>(flows.iter().map(|flow| ByteArray::from(flow.from.as_str())))?;
        put.required::<ByteArrayType>(flows.iter().map(|flow| ByteArray::from(flow.to.as_str())))?;
        put.required::<ByteArrayType>(flows.iter().map(|flow| protocol(flow.proto)))?;
        put.required::<ByteArrayType>(flows.iter().map(|flow| text(flow.src)))?;
        put.optional::<Int32Type>(flows.iter().map(|flow| flow.sport().map(i32::from)))?;
        put.required::<ByteArrayType>(flows.iter().map(|flow| text(flow.dst)))?;
        put.optional::<Int32Type>(flows.iter().map(|flow| flow.dport().map(i32::from)))?;
        put.optional::<Int32Type>(flows.iter().map(|flow| icmp(flow).map(|(kind, _)| i32::from(kind))))?;
        put.optional::<Int32Type>(flows.iter().map(|flow| icmp(flow).map(|(_, code)| i32::from(code))))?;
        put.optional::<ByteArrayType>(flows.iter().map(|flow| flow.server.map(|server| text(server.addr))))?;
        put.optional::<Int32Type>(flows.iter().map(|flow| flow.server.map(|server| i32::from(server.port))))?;
        put.required::<Int64Type>(flows.iter().map(|flow| signed(flow.sent.packets)))?;
        put.required::<Int64Type>(flows.iter().map(|flow| signed(flow.sent.bytes)))?;
        put.required::<Int64Type>(flows.iter().map(|flow| signed(flow.received.packets)))?;
        put.required::<Int64Type>(flows.iter().map(|flow| signed(flow.received.bytes)))?;
        put.required::<ByteArrayType>(flows.iter().map(|flow| ByteArray::from(answer_word(flow.answer))))?;
        put.group.close()?;
        Ok(())
    }

    /// Ends it, and gives back what it was written to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<W, ColumnsError> {
        Ok(self.writer.into_inner()?)
    }
}

struct Put<'a, W: Write + Send> {
    group: SerializedRowGroupWriter<'a, W>,
}

impl<W: Write + Send> Put<'_, W> {
    fn required<T: DataType>(&mut self, values: impl Iterator<Item = T::T>) -> Result<(), ColumnsError> {
        self.column::<T>(&values.collect::<Vec<_>>(), None)
    }

    fn optional<T: DataType>(&mut self, values: impl Iterator<Item = Option<T::T>>) -> Result<(), ColumnsError> {
        let mut there = Vec::new();
        let values: Vec<T::T> = values.inspect(|value| there.push(i16::from(value.is_some()))).flatten().collect();
        self.column::<T>(&values, Some(&there))
    }

    fn column<T: DataType>(&mut self, values: &[T::T], there: Option<&[i16]>) -> Result<(), ColumnsError> {
        let mut column = self.group.next_column()?.ok_or(ColumnsError::Foreign)?;
        column.typed::<T>().write_batch(values, there, None)?;
        column.close()?;
        Ok(())
    }
}

fn text(addr: IpAddr) -> ByteArray {
    ByteArray::from(addr.to_string().into_bytes())
}

fn protocol(number: u8) -> ByteArray {
    match proto::name(number) {
        Some(name) => ByteArray::from(name),
        None => ByteArray::from(number.to_string().into_bytes()),
    }
}

fn icmp(flow: &Flow) -> Option<(u8, u8)> {
    match flow.header {
        Header::Icmp { kind, code } => Some((kind, code)),
        Header::Ports { .. } | Header::Other => None,
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A file that is read.
pub struct Reader<R: ChunkReader + 'static> {
    reader: SerializedFileReader<R>,
}

impl<R: ChunkReader + 'static> Reader<R> {
    /// Opens it.
    ///
    /// # Errors
    /// When it is none of Segwall's files, or broken.
    pub fn new(file: R) -> Result<Self, ColumnsError> {
        let reader = SerializedFileReader::new(file)?;
        let ours = schema();
        let found = reader.metadata().file_metadata().schema();
        let names = |schema: &Type| {
            schema.get_fields().iter().map(|one| (one.name().to_owned(), one.is_optional())).collect::<Vec<_>>()
        };
        if names(found) != names(&ours) {
            return Err(ColumnsError::Foreign);
        }
        Ok(Self { reader })
    }

    /// Rows, and the first and last end of a connection.
    #[must_use]
    pub fn extent(&self) -> (u64, Option<(At, At)>) {
        let groups = self.reader.metadata().num_row_groups();
        let rows = u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        let all = (0..groups).filter_map(|group| self.times(group));
        (rows, all.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))))
    }

    fn times(&self, group: usize) -> Option<(At, At)> {
        match self.reader.metadata().row_group(group).column(0).statistics()? {
            Statistics::Int64(found) => Some((At(*found.min_opt()?), At(*found.max_opt()?))),
            _ => None,
        }
    }

    /// Hands over the flows of groups in which one may have ended between two instants, the last groups first.
    ///
    /// # Errors
    /// When it is broken.
    pub fn each(&self, since: At, until: At, mut each: impl FnMut(Flow)) -> Result<(), ColumnsError> {
        for group in (0..self.reader.metadata().num_row_groups()).rev() {
            if self.times(group).is_none_or(|(first, last)| last >= since && first < until) {
                flows(&*self.reader.get_row_group(group)?)?.for_each(&mut each);
            }
        }
        Ok(())
    }
}

struct Take<'a> {
    group: &'a dyn RowGroupReader,
    rows: usize,
    next: usize,
}

impl Take<'_> {
    fn column(&mut self) -> Result<ColumnReader, ColumnsError> {
        self.next += 1;
        Ok(self.group.get_column_reader(self.next - 1)?)
    }

    fn longs(&mut self) -> Result<Vec<Option<i64>>, ColumnsError> {
        let ColumnReader::Int64ColumnReader(mut column) = self.column()? else { return Err(ColumnsError::Foreign) };
        let (mut there, mut values) = (Vec::new(), Vec::new());
        column.read_records(self.rows, Some(&mut there), None, &mut values)?;
        spread(self.rows, &there, values)
    }

    fn ints(&mut self) -> Result<Vec<Option<i32>>, ColumnsError> {
        let ColumnReader::Int32ColumnReader(mut column) = self.column()? else { return Err(ColumnsError::Foreign) };
        let (mut there, mut values) = (Vec::new(), Vec::new());
        column.read_records(self.rows, Some(&mut there), None, &mut values)?;
        spread(self.rows, &there, values)
    }

    fn texts(&mut self) -> Result<Vec<Option<ByteArray>>, ColumnsError> {
        let ColumnReader::ByteArrayColumnReader(mut column) = self.column()? else { return Err(ColumnsError::Foreign) };
        let (mut there, mut values) = (Vec::new(), Vec::new());
        column.read_records(self.rows, Some(&mut there), None, &mut values)?;
        spread(self.rows, &there, values)
    }
}

/// Values at their rows. A required column has no levels.
fn spread<T>(rows: usize, there: &[i16], values: Vec<T>) -> Result<Vec<Option<T>>, ColumnsError> {
    let mut values = values.into_iter();
    let spread: Vec<Option<T>> = match there {
        [] => values.map(Some).collect(),
        there => there.iter().map(|level| if *level > 0 { values.next() } else { None }).collect(),
    };
    if spread.len() == rows { Ok(spread) } else { Err(ColumnsError::Foreign) }
}

/// All flows of a group. What makes no sense in a row of a broken file is left out.
fn flows(group: &dyn RowGroupReader) -> Result<impl Iterator<Item = Flow>, ColumnsError> {
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
    let mut take = Take { group, rows, next: 0 };
    let (ended, began) = (take.longs()?, take.longs()?);
    let (from, to, proto) = (take.texts()?, take.texts()?, take.texts()?);
    let (src, sport, dst, dport) = (take.texts()?, take.ints()?, take.texts()?, take.ints()?);
    let (icmp_type, icmp_code, server, server_port) = (take.ints()?, take.ints()?, take.texts()?, take.ints()?);
    let (sent_packets, sent_bytes) = (take.longs()?, take.longs()?);
    let (received_packets, received_bytes, answer) = (take.longs()?, take.longs()?, take.texts()?);
    let row = move |at: usize| {
        let port = |column: &[Option<i32>]| column[at].and_then(|value| u16::try_from(value).ok());
        let byte = |column: &[Option<i32>]| column[at].and_then(|value| u8::try_from(value).ok());
        let count = |column: &[Option<i64>]| column[at].and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
        let header = match (port(&sport), port(&dport), byte(&icmp_type)) {
            (Some(sport), Some(dport), _) => Header::Ports { sport, dport },
            (_, _, Some(kind)) => Header::Icmp { kind, code: byte(&icmp_code).unwrap_or(0) },
            _ => Header::Other,
        };
        let server = addr(&server[at]).map(|addr| Server { addr, port: port(&server_port).unwrap_or(0) });
        let named = word(&proto[at])?;
        Some(Flow {
            ended: At(ended[at]?),
            began: began[at].map(At),
            from: word(&from[at])?.to_owned(),
            to: word(&to[at])?.to_owned(),
            proto: proto::number(named).or_else(|| named.parse().ok())?,
            src: addr(&src[at])?,
            dst: addr(&dst[at])?,
            header,
            server,
            sent: Volume { packets: count(&sent_packets), bytes: count(&sent_bytes) },
            received: Volume { packets: count(&received_packets), bytes: count(&received_bytes) },
            answer: answer_of(word(&answer[at])?),
        })
    };
    Ok((0..rows).filter_map(row))
}

fn word(value: &Option<ByteArray>) -> Option<&str> {
    value.as_ref().and_then(|value| value.as_utf8().ok())
}

fn addr(value: &Option<ByteArray>) -> Option<IpAddr> {
    word(value).and_then(|text| text.parse().ok())
}
