//! Putting messages into the spool.

use std::fs::File;
use std::io::{self, Write};

use super::{
    RECORD_LEN_MAX, SEGMENT_LEN_MAX, SEGMENTS_MIN, Segment, Spool, SpoolError, files, on_disk, record, to_u64,
};

/// Bytes that are handed to the kernel at once.
const BATCH_LEN_MAX: usize = 64 * 1024;

/// The segment that is written to.
#[derive(Debug)]
pub struct Writer {
    number: u64,
    file: File,
    is_synced: bool,
    is_name_synced: bool,
}

impl Spool {
    /// Adds messages, in their order. Those that do not get to the disk are counted as lost; those behind them are tried
    /// again, for there may be room by then.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub fn append<'a>(&mut self, messages: impl IntoIterator<Item = &'a [u8]>) -> Result<(), SpoolError> {
        let mut result = Ok(());
        let mut batch = Vec::new();
        let mut ends = Vec::new();
        for message in messages {
            let message = &message[..message.len().min(RECORD_LEN_MAX)];
            if batch.len() + record::len(message.len()) > BATCH_LEN_MAX {
                result = result.and(self.append_batch(&batch, &ends));
                batch.clear();
                ends.clear();
            }
            record::push(&mut batch, message);
            ends.push(batch.len());
        }
        if !ends.is_empty() {
            result = result.and(self.append_batch(&batch, &ends));
        }
        result
    }

    /// One write of records that end at these places.
    fn append_batch(&mut self, batch: &[u8], ends: &[usize]) -> Result<(), SpoolError> {
        self.make_room(to_u64(batch.len()));
        let (written, error) = match self.writer_for(to_u64(batch.len())) {
            Ok(writer) => write_some(&mut writer.file, batch),
            Err(error) => (0, Some(error)),
        };
        let whole = ends.partition_point(|end| *end <= written);
        let kept_len = whole.checked_sub(1).map_or(0, |last| ends[last]);
        self.lost.unwritten += to_u64(ends.len() - whole);
        if let Some(writer) = &mut self.writer {
            writer.is_synced = false;
            let segment = self.segments.entry(writer.number).or_default();
            segment.len += to_u64(kept_len);
            segment.messages += to_u64(whole);
            // Nothing may stand behind half a record, and a full disk may have room again once this segment is delivered.
            if error.is_some() {
                let _ = writer.file.set_len(segment.len);
                self.finish_writer();
            }
        }
        error.map_or(Ok(()), |source| Err(SpoolError::Write { path: self.dir.clone(), source }))
    }

    /// The segment to write so much to.
    fn writer_for(&mut self, len: u64) -> io::Result<&mut Writer> {
        let limit = self.segment_len_max();
        let is_full =
            |writer: &Writer| self.segments.get(&writer.number).is_some_and(|segment| segment.len + len > limit);
        if self.writer.as_ref().is_some_and(is_full) {
            self.finish_writer();
        }
        if self.writer.is_none() {
            let file = match files::create(&self.dir, self.next_number) {
                // Somebody took the folder away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    files::make_folder(&self.dir).map_err(|_| error)?;
                    files::create(&self.dir, self.next_number)?
                }
                made => made?,
            };
            self.segments.insert(self.next_number, Segment::default());
            self.writer = Some(Writer { number: self.next_number, file, is_synced: true, is_name_synced: false });
            self.next_number += 1;
        }
        Ok(self.writer.as_mut().expect("made above"))
    }

    fn segment_len_max(&self) -> u64 {
        // A batch always fits.
        (self.len_max / SEGMENTS_MIN).clamp(to_u64(BATCH_LEN_MAX), SEGMENT_LEN_MAX)
    }

    fn finish_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            if self.segments.get(&writer.number).is_none_or(|segment| segment.messages == 0) {
                // Made on a full disk: the next try makes its own.
                self.remove(writer.number);
            } else if !writer.is_synced {
                self.unsynced.insert(writer.number, writer.file);
            }
            self.take_away_delivered();
        }
    }

    pub(super) fn is_written(&self, number: u64) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.number == number)
    }

    /// Drops the oldest segments until so many bytes fit.
    pub(super) fn make_room(&mut self, len: u64) {
        while self.bytes_on_disk() + on_disk(len) > self.len_max {
            let Some((&oldest, segment)) = self.segments.first_key_value() else { return };
            self.lost.dropped += segment.waiting();
            if self.is_written(oldest) {
                self.writer = None;
            }
            self.remove(oldest);
        }
    }

    /// Forces what was written to the disk. Nothing is done where everything is delivered anyway.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        if self.waiting() == 0 {
            return Ok(());
        }
        let mut result = Ok(());
        // One try each: what the kernel could not write once it forgets, and says so once.
        for (_, file) in std::mem::take(&mut self.unsynced) {
            result = result.and(file.sync_data());
        }
        if let Some(writer) = &mut self.writer {
            if !writer.is_synced {
                writer.is_synced = true;
                result = result.and(writer.file.sync_data());
            }
            if !writer.is_name_synced {
                writer.is_name_synced = true;
                result = result.and(files::sync_names(&self.dir));
            }
        }
        result.map_err(|source| SpoolError::Write { path: self.dir.clone(), source })
    }
}

/// How much was written, and what stopped it.
fn write_some(file: &mut File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(len) => written += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}
