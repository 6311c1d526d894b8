//! Messages that wait for the collector, in files, so that they survive a restart.
//!
//! A folder of segments, each with whole records one behind the other, read in the order of their numbers, and the position
//! up to which they are delivered. Every opening begins a segment of its own, so nothing is ever written behind a torn end,
//! and no position means two things. Segments go away whole: when they are delivered, or the oldest when the folder would
//! grow beyond its limit.
//!
//! The files are input like any other: what is in them never stops the spool, and what cannot be read is counted.

mod files;
mod position;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use thiserror::Error;

pub use position::Position;

use super::message;
use read::Loaded;
use write::Writer;

/// Octets of the longest message.
const RECORD_LEN_MAX: usize = message::LEN_MAX;
/// Bytes of a segment: what is dropped at once at the limit, and what is read into memory.
const SEGMENT_LEN_MAX: u64 = 1024 * 1024;
/// A small spool has smaller segments, so that a full one loses little at once.
const SEGMENTS_MIN: u64 = 16;
/// A segment that is written to is done with at this length, when it is all delivered.
const DONE_LEN_MIN: u64 = 64 * 1024;
/// Beyond it a name is somebody else's, and left alone; so there is always a next number.
const SEGMENT_NUMBER_MAX: u64 = u64::MAX / 2;
/// What a file takes on the disk at least, and is counted as: blocks of this many bytes.
const BLOCK_LEN: u64 = 4096;
/// The smallest limit that can be asked for.
pub const LEN_MIN: u64 = 256 * 1024;

/// The spool cannot be used now.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The folder or a file in it.
    #[error("cannot use the spool {}: {source}; it must be a folder that the daemon may write to", path.display())]
    Folder {
        /// What was tried.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Two daemons would send everything twice.
    #[error("another process uses the spool {}; give each daemon a folder of its own", path.display())]
    Used {
        /// The folder.
        path: PathBuf,
    },
    /// Messages did not get to the disk.
    #[error("cannot write to the spool {}: {source}; messages are lost until there is room", path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What was lost, since the spool was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Messages in the oldest segments, dropped at the limit. Those that were on their way may have arrived.
    pub dropped: u64,
    /// Messages that did not get to the disk.
    pub unwritten: u64,
    /// Messages that were in the spool and cannot be read any more.
    pub unreadable: u64,
    /// Bytes that were found in the files and are no whole message.
    pub damaged_bytes: u64,
    /// Bytes that were cut from ends: messages that were being written when a process or the power went away.
    pub torn_bytes: u64,
    /// Files with nothing in them that can be read; the last one is kept beside the others as `put-aside`.
    pub files: u64,
}

/// A segment that is not all delivered yet, or still written to.
#[derive(Debug, Default)]
struct Segment {
    /// Bytes of it that count.
    len: u64,
    /// Messages in it that were not delivered when the spool was opened, or came later.
    messages: u64,
    /// How many of them are delivered.
    delivered: u64,
}

impl Segment {
    fn waiting(&self) -> u64 {
        self.messages.saturating_sub(self.delivered)
    }
}

/// Messages on the disk, oldest first.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    len_max: u64,
    segments: BTreeMap<u64, Segment>,
    /// Up to here everything is delivered.
    first: Position,
    /// What the file says.
    kept: Option<Position>,
    writer: Option<Writer>,
    /// Segments that are full, and not all on the disk yet.
    unsynced: BTreeMap<u64, File>,
    next_number: u64,
    loaded: Option<Loaded>,
    lost: Lost,
    /// Held as long as the spool is used.
    _lock: Flock<File>,
}

/// A message, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Behind the message.
    pub end: Position,
    /// The message.
    pub message: Vec<u8>,
}

impl Spool {
    /// Opens a folder, makes it where it is missing (mode 0700), reads everything in it once, and cuts torn ends.
    /// `len_max` bytes are used at most, at least [`LEN_MIN`].
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub fn open(dir: &Path, len_max: u64) -> Result<Self, SpoolError> {
        files::make_folder(dir)?;
        let lock = files::lock(dir)?;
        let kept = position::read(dir);
        let mut spool = Self {
            dir: dir.to_owned(),
            len_max: len_max.max(LEN_MIN),
            segments: BTreeMap::new(),
            first: kept.unwrap_or_default(),
            kept,
            writer: None,
            unsynced: BTreeMap::new(),
            next_number: 0,
            loaded: None,
            lost: Lost::default(),
            _lock: lock,
        };
        spool.take_stock()?;
        spool.make_room(0);
        Ok(spool)
    }

    /// Every segment that is there, counted; delivered ones are taken away.
    fn take_stock(&mut self) -> Result<(), SpoolError> {
        let numbers = files::numbers(&self.dir)?;
        let last = numbers.last().copied().unwrap_or_default().max(self.first.segment);
        self.next_number = last + 1;
        for number in numbers {
            if number < self.first.segment {
                files::remove(&self.dir, number);
                continue;
            }
            let Ok(bytes) = files::read(&self.dir, number) else {
                files::put_aside(&self.dir, number);
                self.lost.files += 1;
                continue;
            };
            let mut at = if number == self.first.segment { self.first.offset } else { 0 };
            let mut segment = Segment::default();
            while let Some(found) = usize::try_from(at).ok().and_then(|at| record::next(&bytes, at)) {
                self.lost.damaged_bytes += to_u64(found.skipped);
                segment.messages += 1;
                at = to_u64(found.end);
            }
            let torn = files::len(&self.dir, number).saturating_sub(at);
            self.lost.torn_bytes += torn;
            if segment.messages == 0 {
                if torn > 0 {
                    files::put_aside(&self.dir, number);
                    self.lost.files += 1;
                } else {
                    files::remove(&self.dir, number);
                }
                continue;
            }
            // Should the cut not work, what is behind it is not read either.
            segment.len = at;
            files::cut(&self.dir, number, at);
            self.segments.insert(number, segment);
        }
        Ok(())
    }

    /// The first message that is not delivered.
    #[must_use]
    pub fn first(&self) -> Position {
        self.first
    }

    /// Messages that are not delivered.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.segments.values().map(Segment::waiting).sum()
    }

    /// Bytes on the disk, whole blocks.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.segments.values().map(|segment| on_disk(segment.len)).sum()
    }

    /// What was lost.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// So many messages up to here are delivered, and never read again.
    pub fn delivered(&mut self, up_to: Position, messages: u64) {
        if up_to <= self.first {
            return;
        }
        let is_at_end = self.segments.get(&up_to.segment).is_none_or(|segment| up_to.offset >= segment.len);
        let mut messages = messages;
        for (_, segment) in self.segments.range_mut(..=up_to.segment) {
            let taken = segment.waiting().min(messages);
            segment.delivered += taken;
            messages -= taken;
            if is_at_end {
                // Nothing is left before this place: what was not read, could not be.
                self.lost.unreadable += segment.waiting();
                segment.delivered = segment.messages;
            }
        }
        self.first = up_to;
        self.take_away_delivered();
    }

    /// Takes away every segment before the position, and the one it stands at the end of. That one may be written to:
    /// then it goes when it is not small any more, so that what is delivered takes no room, and is seldom written to the
    /// disk at all.
    fn take_away_delivered(&mut self) {
        while let Some((&number, segment)) = self.segments.first_key_value() {
            let is_read = number == self.first.segment && self.first.offset >= segment.len;
            let is_small = segment.len < DONE_LEN_MIN;
            if number >= self.first.segment && !(is_read && !(self.is_written(number) && is_small)) {
                return;
            }
            if self.is_written(number) {
                self.writer = None;
            }
            // Whatever should have been read by now cannot be read.
            self.lost.unreadable += segment.waiting();
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        files::remove(&self.dir, number);
        self.segments.remove(&number);
        self.unsynced.remove(&number);
        if self.loaded.as_ref().is_some_and(|loaded| loaded.segment == number) {
            self.loaded = None;
        }
    }

    /// Writes down how far everything is delivered, where that has changed.
    ///
    /// # Errors
    /// When there is no room; what was delivered since is sent twice after a restart.
    pub fn keep_position(&mut self) -> Result<(), SpoolError> {
        if self.kept == Some(self.first) {
            return Ok(());
        }
        position::write(&self.dir, self.first)
            .map_err(|source| SpoolError::Write { path: self.dir.clone(), source })?;
        self.kept = Some(self.first);
        Ok(())
    }
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).expect("a usize has at most 64 bits")
}

fn on_disk(len: u64) -> u64 {
    len.next_multiple_of(BLOCK_LEN).max(BLOCK_LEN)
}
