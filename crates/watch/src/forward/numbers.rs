//! What the forwarder did, for metrics and screens.

use jiff::Timestamp;

use super::spool;

/// Whether the collector is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Connected; with TLS the collector has proved who it is. With UDP: the kernel knows a way, no more.
    Up {
        /// Since when.
        since: Timestamp,
    },
    /// Not connected.
    Down {
        /// Since when.
        since: Timestamp,
    },
}

/// What went wrong last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// A sentence: what, where, what to do.
    pub text: String,
}

/// Lines that never arrive, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Handed over faster than they were written down.
    pub queue: u64,
    /// In the spool, and why.
    pub spool: spool::Lost,
}

impl Lost {
    /// All that are known; what was in unreadable files cannot be counted in messages.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.queue + self.spool.dropped + self.spool.unwritten + self.spool.unreadable
    }
}

/// What the forwarder did since it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// Messages that wait or are on their way.
    pub queued: u64,
    /// Messages that are delivered: over TCP and TLS acknowledged, over UDP sent.
    pub sent: u64,
    /// Messages that are lost.
    pub lost: Lost,
    /// Bytes of the spool on the disk.
    pub spool_bytes: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Whether the collector is there.
    pub connection: Connection,
    /// What went wrong last; it stays after things went well again.
    pub last_failure: Option<Failure>,
    /// Whether the thread is there. It ends by [`Forwarder::stop`](super::Forwarder::stop) only, or by a fault of ours.
    pub is_running: bool,
}
