//! The thread: lines into the spool, the spool over the connection, and a connection where there is none.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::backoff::Backoff;
use super::connection::{Connection, Round};
use super::dial::Dialer;
use super::intake::{Bell, Intake};
use super::message::Line;
use super::numbers::{self, Failure, Lost, Numbers};
use super::spool::{Spool, SpoolError};
use super::{Options, Target};

/// How often files are forced to the disk and the position is kept, at most.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// The longest sleep.
const IDLE: Duration = Duration::from_secs(1);
/// The shortest wait before a spool that cannot be opened is tried again; it grows as that of connections does.
const SPOOL_RETRY_MIN: Duration = Duration::from_secs(1);
/// After this it is said that connecting takes long: a resolver's patience is not ours to bound, so it is shown.
const DIAL_LATE: Duration = Duration::from_secs(15);

/// Where the way to the collector stands.
#[derive(Debug)]
enum Way {
    /// Not before this instant.
    Waiting(Instant),
    /// The dialer is at work, and whether it was said that it takes long.
    Dialing { since: Instant, is_said: bool },
    /// There is a connection.
    Up(Box<Connection>),
}

/// Everything the thread has.
#[derive(Debug)]
pub struct Worker {
    host: String,
    options: Options,
    intake: Arc<Intake>,
    bell: Arc<Bell>,
    dialer: Dialer,
    spool: Option<Spool>,
    spool_backoff: Backoff,
    spool_retry_at: Instant,
    way: Way,
    backoff: Backoff,
    kept_at: Instant,
    /// Lines that were left when there was no spool to the end.
    unspooled: u64,
    /// Messages delivered over connections that are gone.
    sent: u64,
    connections: u64,
    connection: numbers::Connection,
    last_failure: Option<Failure>,
    numbers: Arc<Mutex<Numbers>>,
}

impl Worker {
    pub fn new(target: Target, options: &Options, intake: Arc<Intake>, bell: Arc<Bell>, dialer: Dialer) -> Self {
        let now = Instant::now();
        let timing = options.timing;
        let connection = numbers::Connection::Down { since: Timestamp::now() };
        let numbers = Numbers {
            queued: 0,
            sent: 0,
            lost: Lost::default(),
            spool_bytes: 0,
            connections: 0,
            connection,
            last_failure: None,
            is_running: true,
        };
        Self {
            host: target.host,
            options: options.clone(),
            intake,
            bell,
            dialer,
            spool: None,
            spool_backoff: Backoff::new(SPOOL_RETRY_MIN, timing.retry_max),
            spool_retry_at: now,
            way: Way::Waiting(now),
            backoff: Backoff::new(timing.retry_min, timing.retry_max),
            kept_at: now,
            unspooled: 0,
            sent: 0,
            connections: 0,
            connection,
            last_failure: None,
            numbers: Arc::new(Mutex::new(numbers)),
        }
    }

    pub fn numbers(&self) -> Arc<Mutex<Numbers>> {
        Arc::clone(&self.numbers)
    }

    pub fn run(&mut self) {
        loop {
            let stop_by = self.intake.must_stop_by();
            self.open_spool();
            if self.spool.is_some() {
                // Without a spool lines wait in memory; perhaps another daemon is just ending.
                let lines = self.intake.take();
                self.write_down(&lines);
            }
            let wake_at = self.drive();
            self.keep(false);
            self.publish();
            if stop_by.is_some_and(|deadline| self.has_ended(deadline)) {
                // Lines that came meanwhile.
                let lines = self.intake.take();
                self.write_down(&lines);
                self.keep(true);
                self.publish();
                return;
            }
            self.sleep(wake_at, stop_by);
        }
    }

    fn fail(&mut self, text: String) {
        self.last_failure = Some(Failure { at: Timestamp::now(), text });
    }

    fn open_spool(&mut self) {
        let now = Instant::now();
        if self.spool.is_some() || now < self.spool_retry_at {
            return;
        }
        match Spool::open(&self.options.spool, self.options.spool_len_max) {
            Ok(spool) => self.spool = Some(spool),
            Err(error) => {
                self.fail(error.to_string());
                self.spool_retry_at = now + self.spool_backoff.wait();
            }
        }
    }

    fn write_down(&mut self, lines: &[Line]) {
        match &mut self.spool {
            Some(spool) => {
                if let Err(error) = spool.append(lines.iter().map(AsRef::as_ref)) {
                    self.fail(error.to_string());
                }
            }
            None => self.unspooled += lines.len() as u64,
        }
    }

    /// Forces lines and position to the disk, once a second at most unless it is the last time.
    fn keep(&mut self, is_last: bool) {
        if !is_last && self.kept_at.elapsed() < KEEP_EVERY {
            return;
        }
        self.kept_at = Instant::now();
        let Some(spool) = &mut self.spool else { return };
        let kept: Result<(), SpoolError> = spool.keep_position().and(spool.sync());
        if let Err(error) = kept {
            self.fail(error.to_string());
        }
    }

    /// One step on the way to the collector: when to take the next, at the latest.
    fn drive(&mut self) -> Option<Instant> {
        let Some(spool) = &mut self.spool else { return Some(self.spool_retry_at) };
        let now = Instant::now();
        let timing = self.options.timing;
        match &mut self.way {
            Way::Waiting(until) => {
                if now < *until {
                    return Some(*until);
                }
                self.dialer.ask();
                self.way = Way::Dialing { since: now, is_said: false };
                None
            }
            Way::Dialing { since, is_said } => {
                match self.dialer.answer() {
                    None => {
                        if !*is_said && now.saturating_duration_since(*since) > DIAL_LATE {
                            *is_said = true;
                            let host = &self.host;
                            self.fail(format!(
                                "still trying to reach {host}; is the box's DNS slow, or does nobody answer?"
                            ));
                        }
                        return None;
                    }
                    Some(Ok(link)) => {
                        let connection = Connection::new(&self.host, link, spool.first(), now);
                        self.way = Way::Up(Box::new(connection));
                        self.connections += 1;
                        self.connection = numbers::Connection::Up { since: Timestamp::now() };
                    }
                    Some(Err(error)) => {
                        self.fail(error.to_string());
                        self.way = Way::Waiting(now + self.backoff.wait());
                    }
                }
                Some(now)
            }
            Way::Up(connection) => {
                let round = connection.round(spool, timing.silence, timing.settle);
                if connection.is_good(now) {
                    self.backoff.reset();
                }
                match round {
                    Ok(Round::Again) => Some(now),
                    Ok(Round::Wait(until)) => until,
                    Err(error) => {
                        self.hang_up(error.to_string());
                        Some(now)
                    }
                }
            }
        }
    }

    fn hang_up(&mut self, why: String) {
        if let Way::Up(connection) = &self.way {
            self.sent += connection.delivered;
        }
        self.way = Way::Waiting(Instant::now() + self.backoff.wait());
        self.connection = numbers::Connection::Down { since: Timestamp::now() };
        self.fail(why);
    }

    /// Whether there is nothing left that could be done before the deadline.
    fn has_ended(&mut self, deadline: Instant) -> bool {
        let Some(spool) = &mut self.spool else { return true };
        if Instant::now() >= deadline {
            return true;
        }
        match &mut self.way {
            // The collector was away a moment ago.
            Way::Waiting(_) => true,
            Way::Dialing { .. } => spool.waiting() == 0,
            Way::Up(connection) => connection.finish(spool, self.options.timing.settle),
        }
    }

    fn sleep(&self, wake_at: Option<Instant>, stop_by: Option<Instant>) {
        let idle = Instant::now() + IDLE;
        let until = [wake_at, stop_by].into_iter().flatten().fold(idle, Instant::min);
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up, so that it is not too early again and again.
        let millis = if left.is_zero() { 0 } else { left.as_millis() + 1 };
        let timeout = PollTimeout::try_from(u32::try_from(millis).unwrap_or(1)).unwrap_or(PollTimeout::ZERO);
        let mut waits = vec![PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
        if let Way::Up(connection) = &self.way {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, connection.wants_write());
            waits.push(PollFd::new(connection.as_fd(), flags));
        }
        // A signal wakes as well.
        let _ = poll(&mut waits, timeout);
        self.bell.reset();
    }

    fn publish(&self) {
        let mut lost = Lost::default();
        let (mut queued, mut spool_bytes) = (0, 0);
        if let Some(spool) = &self.spool {
            lost.spool = spool.lost();
            (queued, spool_bytes) = (spool.waiting(), spool.bytes_on_disk());
        }
        lost.spool.unwritten += self.unspooled;
        let over_this = if let Way::Up(connection) = &self.way { connection.delivered } else { 0 };
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        *numbers = Numbers {
            queued,
            sent: self.sent + over_this,
            lost,
            spool_bytes,
            connections: self.connections,
            connection: self.connection,
            last_failure: self.last_failure.clone(),
            is_running: true,
        };
    }
}
