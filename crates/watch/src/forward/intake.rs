//! Where lines are handed over. It never waits: a line is taken into memory or lost, and counted.

use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::message::Line;

/// Bytes of lines that wait for the forwarder's thread: more than it takes a busy disk to write them.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a line takes in memory beside its text.
const LINE_OVERHEAD: usize = 64;

/// Wakes a thread that waits in `poll`. Both ends live as long as anybody may ring.
#[derive(Debug)]
pub struct Bell {
    near: UnixStream,
    far: UnixStream,
}

impl Bell {
    pub fn new() -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self { near, far })
    }

    pub fn ring(&self) {
        // A full socket wakes as well.
        let _ = (&self.near).write(&[1]);
    }

    /// Not readable any more.
    pub fn reset(&self) {
        let mut bytes = [0; 64];
        while (&self.far).read(&mut bytes).is_ok_and(|len| len == bytes.len()) {}
    }
}

impl AsFd for Bell {
    /// What is readable once it was rung.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.far.as_fd()
    }
}

/// Lines on their way to the thread.
#[derive(Debug)]
pub struct Intake {
    queue: Mutex<Queue>,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<Line>,
    bytes: usize,
    lost: u64,
    stop_by: Option<Instant>,
}

impl Intake {
    pub fn new(bell: Arc<Bell>) -> Self {
        Self { queue: Mutex::default(), bell }
    }

    /// The lock is held for the length of a push or a swap, never while anything is written.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room.
    pub fn hand_over(&self, line: Line) -> bool {
        let mut queue = self.queue();
        let len = line.as_str().len() + LINE_OVERHEAD;
        if queue.bytes + len > BYTES_MAX {
            queue.lost += 1;
            return false;
        }
        queue.bytes += len;
        let was_empty = queue.lines.is_empty();
        queue.lines.push(line);
        drop(queue);
        if was_empty {
            self.bell.ring();
        }
        true
    }

    /// Everything that waits.
    pub fn take(&self) -> Vec<Line> {
        let mut queue = self.queue();
        queue.bytes = 0;
        mem::take(&mut queue.lines)
    }

    pub fn waiting(&self) -> u64 {
        self.queue().lines.len() as u64
    }

    pub fn lost(&self) -> u64 {
        self.queue().lost
    }

    /// Asks the thread to end.
    pub fn stop_by(&self, deadline: Instant) {
        self.queue().stop_by = Some(deadline);
        self.bell.ring();
    }

    pub fn must_stop_by(&self) -> Option<Instant> {
        self.queue().stop_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::message::{Facility, Message, Severity};

    #[test]
    fn what_does_not_fit_is_counted_and_nothing_waits() {
        let bell = Arc::new(Bell::new().expect("sockets"));
        let intake = Intake::new(Arc::clone(&bell));
        let line = Message {
            facility: Facility::Local0,
            severity: Severity::Info,
            at: jiff::Timestamp::UNIX_EPOCH,
            is_clock_set: None,
            hostname: "gw",
            process: 1,
            kind: "TEST",
            data: &[],
            text: &"x".repeat(1000),
        }
        .line();
        let taken = (0..10_000).filter(|_| intake.hand_over(line.clone())).count();
        assert!(taken > 3000 && taken < BYTES_MAX / 1000, "{taken}");
        assert_eq!(intake.lost(), 10_000 - taken as u64);
        bell.reset();
        assert_eq!(intake.take().len(), taken);
        assert!(intake.hand_over(line), "there is room again");
        assert_eq!((&bell.far).read(&mut [0; 8]).expect("it was woken"), 1);
    }
}
