//! Messages that are sent and not yet known to have arrived.
//!
//! The peer's TCP has acknowledged them when as many bytes are acknowledged as were written up to their end. They are
//! believed a moment later: whoever took bytes and dies with them answers what comes next with a reset.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::spool::Position;

/// Batches that are remembered; when more are on their way nothing is sent until the first have arrived.
const BATCHES_MAX: usize = 4096;

/// Messages that were written to the socket together.
#[derive(Debug)]
pub struct Batch {
    /// Behind the last one in the spool.
    pub position: Position,
    /// How many.
    pub messages: u64,
}

#[derive(Debug)]
struct Sent {
    batch: Batch,
    /// Bytes written to the connection up to the end of it.
    end: u64,
    acknowledged_at: Option<Instant>,
}

/// What is on its way over one connection, in order.
#[derive(Debug)]
pub struct Flight {
    sent: VecDeque<Sent>,
    acknowledged: u64,
    /// When there last was progress, or nothing to wait for.
    moved_at: Instant,
}

impl Flight {
    pub fn new(now: Instant) -> Self {
        Self { sent: VecDeque::new(), acknowledged: 0, moved_at: now }
    }

    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.sent.len() >= BATCHES_MAX
    }

    /// A batch whose last byte is the connection's byte number `end`.
    pub fn push(&mut self, batch: Batch, end: u64) {
        self.sent.push_back(Sent { batch, end, acknowledged_at: None });
    }

    /// So many bytes of the connection are acknowledged by now.
    pub fn acknowledge(&mut self, bytes: u64, now: Instant) {
        if bytes > self.acknowledged {
            self.acknowledged = bytes;
            self.moved_at = now;
        }
        for sent in self.sent.iter_mut().filter(|sent| sent.end <= self.acknowledged) {
            sent.acknowledged_at.get_or_insert(now);
        }
    }

    /// How long nothing has moved that should.
    pub fn stalled(&mut self, has_unsent: bool, now: Instant) -> Duration {
        if !has_unsent && self.is_acknowledged() {
            self.moved_at = now;
        }
        now.saturating_duration_since(self.moved_at)
    }

    /// Whether the peer has everything.
    pub fn is_acknowledged(&self) -> bool {
        self.sent.back().is_none_or(|last| last.acknowledged_at.is_some())
    }

    /// When the next batch will be believed to have arrived.
    pub fn settles_at(&self, settle: Duration) -> Option<Instant> {
        self.sent.front()?.acknowledged_at.map(|at| at + settle)
    }

    /// Takes away what was acknowledged `settle` ago: up to where, and how many messages.
    pub fn take_settled(&mut self, settle: Duration, now: Instant) -> Option<Batch> {
        let is_settled =
            |sent: &Sent| sent.acknowledged_at.is_some_and(|at| now.saturating_duration_since(at) >= settle);
        let mut settled: Option<Batch> = None;
        while self.sent.front().is_some_and(is_settled) {
            let batch = self.sent.pop_front().expect("looked at above").batch;
            let before = settled.map_or(0, |settled| settled.messages);
            settled = Some(Batch { messages: before + batch.messages, ..batch });
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(1);

    fn at(offset: u64) -> Position {
        Position { segment: 1, offset }
    }

    #[test]
    fn only_what_is_acknowledged_whole_and_settled_has_arrived() {
        let begun = Instant::now();
        let mut flight = Flight::new(begun);
        flight.push(Batch { position: at(10), messages: 2 }, 100);
        flight.push(Batch { position: at(20), messages: 3 }, 200);
        flight.push(Batch { position: at(30), messages: 4 }, 300);
        flight.acknowledge(299, begun);
        assert!(flight.take_settled(SETTLE, begun).is_none() && !flight.is_acknowledged());
        assert_eq!(flight.settles_at(SETTLE), Some(begun + SETTLE));
        let later = begun + SETTLE;
        // A count that goes backwards is not believed.
        flight.acknowledge(0, later);
        let settled = flight.take_settled(SETTLE, later).expect("two batches");
        assert_eq!((settled.position, settled.messages), (at(20), 5));
        assert_eq!(flight.settles_at(SETTLE), None);
        flight.acknowledge(300, later);
        assert!(flight.is_acknowledged() && flight.take_settled(SETTLE, later).is_none());
        assert_eq!(flight.take_settled(Duration::ZERO, later).expect("the last").messages, 4);
    }

    #[test]
    fn a_stall_is_counted_from_the_last_progress() {
        let begun = Instant::now();
        let mut flight = Flight::new(begun);
        let second = |n: u64| begun + Duration::from_secs(n);
        assert_eq!(flight.stalled(false, second(9)), Duration::ZERO, "idle is no stall");
        flight.push(Batch { position: at(10), messages: 1 }, 100);
        assert_eq!(flight.stalled(false, second(12)), Duration::from_secs(3));
        flight.acknowledge(50, second(13));
        assert_eq!(flight.stalled(false, second(14)), Duration::from_secs(1));
        flight.acknowledge(100, second(15));
        assert_eq!(flight.stalled(true, second(20)), Duration::from_secs(5));
    }
}
