//! Taking messages out of the spool, in order.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Position, Record, SEGMENT_LEN_MAX, Spool, files, record, to_u64};

/// The bytes of the segment that is read.
#[derive(Debug)]
pub struct Loaded {
    pub(super) segment: u64,
    bytes: Vec<u8>,
}

impl Spool {
    /// Messages from a position on, `len_max` bytes at most but one message at least. None: everything is read.
    ///
    /// A position in a segment that was dropped leads to the first that is there.
    pub fn read(&mut self, from: Position, len_max: usize) -> Vec<Record> {
        let mut at = from.max(self.first);
        let mut records = Vec::new();
        let mut len = 0;
        loop {
            let Some((&number, segment)) = self.segments.range(at.segment..).next() else { return records };
            if number != at.segment {
                at = Position { segment: number, offset: 0 };
            }
            let end = segment.len;
            if self.load(number, end).is_err() {
                // Counted when the position has gone past it. Where somebody took away the file that is written to, the
                // next message begins another.
                if self.is_written(number) {
                    self.writer = None;
                }
                at = Position { segment: number + 1, offset: 0 };
                continue;
            }
            let bytes = self.loaded.as_ref().map_or(&[][..], |loaded| &loaded.bytes);
            while let Some(found) = usize::try_from(at.offset).ok().and_then(|at| record::next(bytes, at)) {
                if !records.is_empty() && len + found.message.len() > len_max {
                    return records;
                }
                len += found.message.len();
                at.offset = to_u64(found.end);
                records.push(Record { end: at, message: found.message.to_vec() });
            }
            at = Position { segment: number + 1, offset: 0 };
        }
    }

    /// Brings the bytes of a segment into memory, at most [`SEGMENT_LEN_MAX`]; those that are there stay.
    fn load(&mut self, number: u64, end: u64) -> io::Result<()> {
        if self.loaded.as_ref().is_none_or(|loaded| loaded.segment != number) {
            self.loaded = Some(Loaded { segment: number, bytes: Vec::new() });
        }
        let bytes = &mut self.loaded.as_mut().expect("set above").bytes;
        let have = to_u64(bytes.len());
        if have < end.min(SEGMENT_LEN_MAX) {
            let mut file = files::open(&self.dir, number)?;
            file.seek(SeekFrom::Start(have))?;
            file.take(end.min(SEGMENT_LEN_MAX) - have).read_to_end(bytes)?;
        }
        Ok(())
    }
}
