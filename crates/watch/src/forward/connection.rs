//! Messages from the spool over one connection, and what is known of their arrival.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::flight::{Batch, Flight};
use super::link::{Link, LinkError, MAY_BE_AWAY};
use super::message;
use super::spool::{Position, Spool};

/// Bytes of messages that are read from the spool and written at once; also a whole TLS record.
const BATCH_LEN: usize = 16 * 1024;
/// Batches in one go, so that lines which are handed over meanwhile are written down.
const BATCHES: usize = 16;
/// Datagrams in one go, and the pause behind: 3,200 a second, for nothing tells us when a receiver's buffer is full.
const DATAGRAMS: usize = 64;
const DATAGRAMS_PAUSE: Duration = Duration::from_millis(20);
/// A connection that has been up for so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// How often the kernel is asked what was acknowledged.
const ACKNOWLEDGED_EVERY: Duration = Duration::from_millis(20);

/// A connection that is up.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    host: String,
    /// What comes next.
    next: Position,
    flight: Flight,
    /// What was given to the socket, but not all taken by it.
    unsent: Option<Batch>,
    up_at: Instant,
    has_finished: bool,
    pub delivered: u64,
}

/// What a round came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Round {
    /// More can be sent at once.
    Again,
    /// Until then, unless the socket or a line wakes us.
    Wait(Option<Instant>),
}

impl Connection {
    pub fn new(host: &str, link: Link, first: Position, now: Instant) -> Self {
        Self {
            link,
            host: host.to_owned(),
            next: first,
            flight: Flight::new(now),
            unsent: None,
            up_at: now,
            has_finished: false,
            delivered: 0,
        }
    }

    /// Whether it is worth anything: it delivered, or has been up for a while. A datagram that was sent proves nothing.
    pub fn is_good(&self, now: Instant) -> bool {
        let has_delivered = matches!(self.link, Link::Stream(_)) && self.delivered > 0;
        has_delivered || now.saturating_duration_since(self.up_at) > GOOD_AFTER
    }

    /// Whether room in the socket is waited for.
    pub fn wants_write(&self) -> bool {
        self.unsent.is_some()
    }

    /// Whether everything that is in the spool is sent, and acknowledged as far as one can know.
    fn is_done(&self, spool: &mut Spool) -> bool {
        self.unsent.is_none() && self.flight.is_acknowledged() && spool.read(self.next, 1).is_empty()
    }

    /// Sends, and learns what has arrived. What has is told to the spool.
    pub fn round(&mut self, spool: &mut Spool, silence: Duration, settle: Duration) -> Result<Round, LinkError> {
        match &mut self.link {
            Link::Udp(_) => self.datagrams(spool),
            Link::Stream(_) => self.stream(spool, silence, settle),
        }
    }

    fn datagrams(&mut self, spool: &mut Spool) -> Result<Round, LinkError> {
        let Link::Udp(socket) = &self.link else { return Ok(Round::Wait(None)) };
        let broken = |source| LinkError::Broken { host: self.host.clone(), hint: MAY_BE_AWAY, source };
        // Nobody answers but a kernel, which says that nobody listens; what waits would wake us again and again.
        for _ in 0..DATAGRAMS {
            match socket.recv(&mut [0; 1]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(broken(error)),
                Ok(_) | Err(_) => {}
            }
        }
        let records = spool.read(self.next, BATCH_LEN);
        for record in records.into_iter().take(DATAGRAMS) {
            match socket.send(message::cut_for_datagram(&record.message)) {
                Ok(_) => {
                    self.next = record.end;
                    self.delivered += 1;
                    spool.delivered(record.end, 1);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => break,
                Err(error) => return Err(broken(error)),
            }
        }
        let has_rest = !spool.read(self.next, 1).is_empty();
        Ok(Round::Wait(has_rest.then(|| Instant::now() + DATAGRAMS_PAUSE)))
    }

    fn stream(&mut self, spool: &mut Spool, silence: Duration, settle: Duration) -> Result<Round, LinkError> {
        let Link::Stream(stream) = &mut self.link else { return Ok(Round::Wait(None)) };
        if self.has_finished {
            return Ok(Round::Wait(self.flight.settles_at(settle)));
        }
        stream.receive()?;
        let mut is_more = true;
        for _ in 0..BATCHES {
            if !stream.flush()? {
                is_more = false;
                break;
            }
            if let Some(batch) = self.unsent.take() {
                self.flight.push(batch, stream.written());
            }
            let records = if self.flight.is_full() { Vec::new() } else { spool.read(self.next, BATCH_LEN) };
            let Some(last) = records.last() else {
                is_more = false;
                break;
            };
            let mut frames = Vec::new();
            for record in &records {
                // RFC 6587, 3.4.1; RFC 5425, 4.3.
                frames.extend_from_slice(format!("{} ", record.message.len()).as_bytes());
                frames.extend_from_slice(&record.message);
            }
            self.next = last.end;
            self.unsent = Some(Batch { position: last.end, messages: records.len() as u64 });
            stream.queue(&frames)?;
        }
        let now = Instant::now();
        self.flight.acknowledge(stream.acknowledged()?, now);
        self.settle(spool, settle, now);
        if self.flight.stalled(self.unsent.is_some(), now) > silence {
            return Err(LinkError::Silent { host: self.host.clone(), silence_s: silence.as_secs() });
        }
        if is_more {
            return Ok(Round::Again);
        }
        let acknowledged = (!self.flight.is_acknowledged() || self.unsent.is_some()).then(|| now + ACKNOWLEDGED_EVERY);
        Ok(Round::Wait([acknowledged, self.flight.settles_at(settle)].into_iter().flatten().min()))
    }

    /// Ends the connection once everything is sent and acknowledged: true when nothing is left to wait for. A collector
    /// that closes its side as well has read everything before, and so everything is delivered; one that stays has as
    /// much time as any other time.
    pub fn finish(&mut self, spool: &mut Spool, settle: Duration) -> bool {
        if !self.has_finished && !self.is_done(spool) {
            return false;
        }
        let Link::Stream(stream) = &mut self.link else { return true };
        if !self.has_finished {
            self.has_finished = true;
            if stream.finish().is_err() {
                return true;
            }
        }
        let settle = match stream.receive() {
            Ok(()) => settle,
            Err(LinkError::Closed { .. }) => Duration::ZERO,
            Err(_) => return true,
        };
        self.settle(spool, settle, Instant::now());
        self.flight.is_empty()
    }

    fn settle(&mut self, spool: &mut Spool, settle: Duration, now: Instant) {
        if let Some(settled) = self.flight.take_settled(settle, now) {
            self.delivered += settled.messages;
            spool.delivered(settled.position, settled.messages);
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}
