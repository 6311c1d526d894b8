//! Lines of a kernel log that tell of packets: `IN=… OUT=… SRC=… DST=… PROTO=…`, as nf_log_syslog.c of Linux prints them.
//!
//! Only what the kernel said counts. A line of another program that holds such words (a user name of an SSH login, say) is
//! skipped: otherwise anybody could accuse anybody.

mod fields;
mod head;
mod prefix;
mod split;
mod stamp;

use jiff::tz::TimeZone;

use crate::event::{At, Packet};

pub use prefix::{Prefixes, Words};
pub use split::Splitter;

/// Longest line that is looked at, in bytes; syslog daemons cut at 8 KiB.
pub const LINE_BYTES_MAX: usize = 8_192;

/// How to read.
#[derive(Debug, Clone)]
pub struct Style {
    /// Year of the first line that does not say its own (RFC 3164).
    pub year: i16,
    /// Time zone of times that do not say theirs.
    pub timezone: TimeZone,
    /// What log prefixes mean.
    pub words: Words,
}

/// What was read, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines in all.
    pub lines: u64,
    /// Lines that told of a packet.
    pub packets: u64,
    /// Lines that told of no packet.
    pub other: u64,
    /// Lines that looked like one and were broken, or longer than [`LINE_BYTES_MAX`].
    pub broken: u64,
    /// Lines of other programs that hold the words of a packet.
    pub not_kernel: u64,
    /// Packets whose prefix does not say what became of them; taken as refused.
    pub unsaid: u64,
    /// Packets whose line has no time that could be read; taken as of the line before.
    pub untimed: u64,
}

/// Reads line by line. The only state is the year, the last time, and prefixes seen.
#[derive(Debug)]
pub struct Reader {
    stamps: stamp::Stamps,
    prefixes: prefix::Prefixes,
    finder: memchr::memmem::Finder<'static>,
    last: At,
    tally: Tally,
}

impl Reader {
    /// A reader of this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self {
            stamps: stamp::Stamps::new(style.year, style.timezone),
            prefixes: prefix::Prefixes::new(style.words),
            finder: memchr::memmem::Finder::new(b"IN="),
            last: At::default(),
            tally: Tally::default(),
        }
    }

    /// What was read so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// A line without its end. `None`: it tells of no packet, which is counted.
    pub fn line(&mut self, line: &[u8]) -> Option<(At, Packet)> {
        self.tally.lines += 1;
        if line.len() > LINE_BYTES_MAX {
            self.tally.broken += 1;
            return None;
        }
        let Some(begin) = self.begin(line) else {
            self.tally.other += 1;
            return None;
        };
        let head = match head::read(&line[..begin], &mut self.stamps) {
            Ok(head) => head,
            Err(head::NotKernel) => {
                self.tally.not_kernel += 1;
                return None;
            }
        };
        let (verdict, said) = self.prefixes.verdict(head.prefix);
        let Some(packet) = fields::read(&line[begin..], verdict) else {
            self.tally.broken += 1;
            return None;
        };
        self.tally.packets += 1;
        self.tally.unsaid += u64::from(!said);
        match head.at {
            Some(at) => self.last = at,
            None => self.tally.untimed += 1,
        }
        Some((self.last, packet))
    }

    /// Where `IN=NAME OUT=` begins.
    fn begin(&self, line: &[u8]) -> Option<usize> {
        for at in self.finder.find_iter(line) {
            let rest = &line[at + 3..];
            // `PHYSIN=` names a bridge's port; a prefix may stand right before the word.
            if line[..at].ends_with(b"PHYS") {
                continue;
            }
            if let Some(space) = memchr::memchr(b' ', &rest[..rest.len().min(64)])
                && rest[space + 1..].starts_with(b"OUT=")
            {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
