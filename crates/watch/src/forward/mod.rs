//! A copy of what the daemon writes down, to a collector: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587, octet counting) or
//! TLS (RFC 5425).
//!
//! ```text
//! hand_over → intake (memory, bounded) → spool (disk, bounded) → connection → delivered
//! ```
//!
//! A line is handed over without waiting; a thread of its own does the rest. It puts every line into the [spool](spool)
//! first and sends what stands there, so order and survival have one place. A message is delivered over TCP and TLS when
//! the collector's TCP has acknowledged every byte of it; what was not is sent again over the next connection: at least
//! once, in order. UDP has no such thing. What is promised and what is not: `docs/forwarding.md`.

mod backoff;
mod connection;
mod dial;
mod flight;
mod intake;
mod link;
pub mod message;
mod numbers;
mod once;
pub mod spool;
pub mod tls;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use segwall_core::policy::RemoteLog;
use thiserror::Error;

use dial::Dialer;
use intake::{Bell, Intake};
use message::Line;
pub use numbers::{Connection, Failure, Lost, Numbers};
pub use once::once;
use tls::TlsOptions;
use worker::Worker;

/// Bytes of the spool, where nothing else is asked for: a day of 4 drops a second.
pub const SPOOL_LEN_MAX: u64 = 64 * 1024 * 1024;

/// What is given to a stop beyond its own time, for a disk that is slow.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// RFC 5426.
    Udp,
    /// RFC 6587, octet counting.
    Tcp,
    /// RFC 5425.
    Tls,
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// An address or a name.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// When things are given up. The [default](Timing::default) is meant for the field, shorter ones for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For a connection, and again for a handshake.
    pub connect: Duration,
    /// How long a collector is believed that acknowledges nothing.
    pub silence: Duration,
    /// The shortest wait between two tries.
    pub retry_min: Duration,
    /// The longest.
    pub retry_max: Duration,
    /// How long a connection must live on after an acknowledgement, before it counts.
    pub settle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            settle: Duration::from_secs(1),
        }
    }
}

/// How it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The spool's folder, for this daemon alone.
    pub spool: PathBuf,
    /// Bytes of it at most.
    pub spool_len_max: u64,
    /// What TLS needs.
    pub tls: TlsOptions,
    /// When things are given up.
    pub timing: Timing,
}

impl Options {
    /// What is usual, with this folder.
    #[must_use]
    pub fn new(spool: impl Into<PathBuf>) -> Self {
        Self {
            spool: spool.into(),
            spool_len_max: SPOOL_LEN_MAX,
            tls: TlsOptions::default(),
            timing: Timing::default(),
        }
    }
}

/// Forwarding cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The policy names another way.
    #[error("`{0}` is no way to a collector; it is udp, tcp or tls")]
    Scheme(String),
    /// The kernel has no thread or socket to give.
    #[error("cannot start the thread that forwards: {0}; are there too many processes?")]
    Thread(#[source] io::Error),
}

impl TryFrom<&RemoteLog> for Target {
    type Error = StartError;

    fn try_from(remote: &RemoteLog) -> Result<Self, StartError> {
        let transport = match remote.scheme.as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            other => return Err(StartError::Scheme(other.to_owned())),
        };
        Ok(Self { transport, host: remote.host.clone(), port: remote.port })
    }
}

/// Forwards what is handed over. Dropped without [`Forwarder::stop`], it asks the thread to end and waits for nothing.
#[derive(Debug)]
pub struct Forwarder {
    intake: Arc<Intake>,
    numbers: Arc<Mutex<Numbers>>,
    thread: JoinHandle<()>,
    ended: Receiver<()>,
}

impl Forwarder {
    /// Starts two threads in the namespace of the caller: one connects, one does everything else. A spool or a collector
    /// that cannot be used now is tried again, and [`Numbers::last_failure`] says why.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn start(target: Target, options: &Options) -> Result<Self, StartError> {
        let bell = Arc::new(Bell::new().map_err(StartError::Thread)?);
        let intake = Arc::new(Intake::new(Arc::clone(&bell)));
        let dialer = Dialer::start(target.clone(), options, Arc::clone(&bell)).map_err(StartError::Thread)?;
        let mut worker = Worker::new(target, options, Arc::clone(&intake), bell, dialer);
        let numbers = worker.numbers();
        let (end, ended) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("forward".to_owned())
            .spawn(move || {
                worker.run();
                // Whoever waits for the end may open the spool.
                drop(worker);
                let _ = end.send(());
            })
            .map_err(StartError::Thread)?;
        Ok(Self { intake, numbers, thread, ended })
    }

    /// Takes a line. Never waits: `false` when it is lost, because lines came faster than the disk takes them; it is
    /// counted.
    pub fn hand_over(&self, line: Line) -> bool {
        self.intake.hand_over(line)
    }

    /// What was done so far.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        numbers.queued += self.intake.waiting();
        numbers.lost.queue = self.intake.lost();
        numbers.is_running = !self.thread.is_finished();
        numbers
    }

    /// Sends what can be sent within this time, where the collector is there, and ends. What is left stays in the spool.
    /// Returns what was done, at most a second later than asked for, whatever the disk does.
    #[must_use]
    pub fn stop(self, within: Duration) -> Numbers {
        self.intake.stop_by(Instant::now() + within);
        // Also when the thread has gone by a fault of ours.
        let _ = self.ended.recv_timeout(within + STOP_GRACE);
        self.numbers()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.intake.stop_by(Instant::now());
    }
}
