//! The thread that tells one receiver. Whoever hands something over never waits for it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver as Inlet, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Notice, Outbox, Pace, Receiver, Runs};

/// Notices between the daemon and the thread; more are lost, and counted.
const QUEUE_MAX: usize = 256;
/// Notices that one message tells of.
const TOGETHER_MAX: usize = 100;
/// How long the thread sleeps where nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// What became of notices so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages that were taken.
    pub sent: AtomicU64,
    /// Messages that were not, and are tried again.
    pub failed: AtomicU64,
    /// Notices that were given up: queue or outbox were full.
    pub lost: AtomicU64,
    /// Notices that wait.
    pub waiting: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Counts {
    /// Why the last message was not taken; `None` when it was.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().map_or(None, |error| error.clone())
    }

    /// Why the last message was not taken, and how many were.
    #[must_use]
    pub fn standing(&self) -> (Option<String>, u64) {
        (self.last_error(), self.sent.load(Ordering::Relaxed))
    }

    fn say(&self, error: Option<String>) {
        if let Ok(mut last) = self.last_error.lock() {
            *last = error;
        }
    }
}

/// A receiver and its thread.
#[derive(Debug)]
pub struct Worker {
    name: String,
    queue: Option<SyncSender<Notice>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts it. What waits is kept at this path; with none it is not kept over a restart. Programs are started by `runs`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(receiver: Receiver, outbox: Option<PathBuf>, runs: Arc<dyn Runs>) -> std::io::Result<Self> {
        let (queue, inlet) = mpsc::sync_channel(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let name = receiver.name();
        let own = Arc::clone(&counts);
        let thread = thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || run(&receiver, &inlet, Outbox::open(outbox), &own, &*runs))?;
        Ok(Self { name, queue: Some(queue), counts, thread: Some(thread) })
    }

    /// Whom it tells, without secrets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hands a notice over, at once.
    pub fn tell(&self, notice: Notice) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(notice) {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of notices so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends it. What could not be told within this time stays in the outbox.
    pub fn stop(mut self, within: Duration) {
        self.queue = None;
        let Some(thread) = self.thread.take() else { return };
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < within {
            thread::sleep(Duration::from_millis(10));
        }
        // One that hangs in a request ends with the process; its outbox was saved before it began.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn run(receiver: &Receiver, inlet: &Inlet<Notice>, mut outbox: Outbox, counts: &Counts, runs: &dyn Runs) {
    let begun = Instant::now();
    let now_ms = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut pace = Pace::new(0);
    let (mut lost_told, mut lost_counted) = (0, 0);
    loop {
        let pause = if outbox.is_empty() { IDLE } else { Duration::from_millis(pace.wait_ms(now_ms())) };
        let ends = match inlet.recv_timeout(pause) {
            Ok(notice) => {
                outbox.push(notice);
                inlet.try_iter().take(QUEUE_MAX).for_each(|notice| outbox.push(notice));
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let lost = outbox.lost();
        counts.lost.fetch_add(lost - lost_counted, Ordering::Relaxed);
        lost_counted = lost;
        counts.waiting.store(outbox.len() as u64, Ordering::Relaxed);
        // Before anything that may hang or end with the process. A full disk is the logs' and the store's to tell of.
        let _ = outbox.save();
        if !outbox.is_empty() && pace.wait_ms(now_ms()) == 0 {
            let batch = outbox.oldest(TOGETHER_MAX);
            let count = batch.len();
            match receiver.deliver(batch, lost - lost_told, runs) {
                Ok(()) => {
                    outbox.told(count);
                    pace.sent(now_ms());
                    lost_told = lost;
                    counts.sent.fetch_add(1, Ordering::Relaxed);
                    counts.say(None);
                }
                Err(error) => {
                    pace.failed(now_ms());
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                    counts.say(Some(error.chain()));
                }
            }
            let _ = outbox.save();
        }
        counts.waiting.store(outbox.len() as u64, Ordering::Relaxed);
        if ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::notify::{Itself, NOTICES_MAX, Urgency};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn notice(number: u32) -> Notice {
        let title = format!("alert {number}");
        Notice { urgency: Urgency::Warning, title, text: String::new(), json: json!({ "id": number }) }
    }

    fn until(done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "it did not come");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_is_not_taken_is_kept_over_a_restart_and_told_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (heard, switch) = (dir.path().join("heard"), dir.path().join("on"));
        let script = format!("[ -e {} ] && cat >> {}", switch.display(), heard.display());
        let receiver = || Receiver::Command(["/bin/sh", "-c", &script].map(str::to_owned).to_vec());
        let outbox = Some(dir.path().join("outbox.jsonl"));
        let worker = Worker::start(receiver(), outbox.clone(), Arc::new(Itself)).unwrap();
        worker.tell(notice(1));
        until(|| worker.counts().failed.load(Ordering::Relaxed) > 0);
        assert!(worker.counts().last_error().unwrap().contains("exit code 1"));
        worker.tell(notice(2));
        until(|| worker.counts().waiting.load(Ordering::Relaxed) == 2);
        worker.stop(PATIENCE);
        assert!(!heard.exists());
        fs::write(&switch, "").unwrap();
        let worker = Worker::start(receiver(), outbox, Arc::new(Itself)).unwrap();
        worker.tell(notice(3));
        until(|| worker.counts().sent.load(Ordering::Relaxed) > 0);
        worker.stop(PATIENCE);
        let text = fs::read_to_string(&heard).unwrap();
        assert_eq!(text, "{\"alerts\":[{\"id\":1},{\"id\":2},{\"id\":3}]}\n");
    }

    #[test]
    fn nobody_waits_for_a_receiver_that_hangs() {
        let receiver = Receiver::Command(["/bin/sh", "-c", "sleep 20"].map(str::to_owned).to_vec());
        let worker = Worker::start(receiver, None, Arc::new(Itself)).unwrap();
        let begun = Instant::now();
        for number in 0..10_000 {
            worker.tell(notice(number));
        }
        let kept = (NOTICES_MAX + 2 * QUEUE_MAX) as u64;
        until(|| worker.counts().lost.load(Ordering::Relaxed) >= 10_000 - kept);
        worker.stop(Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
