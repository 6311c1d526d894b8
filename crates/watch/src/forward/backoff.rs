//! How long to wait before the next try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Waits that double from try to try, each shortened at random, so that many boxes do not come back in step.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), next: min }
    }

    /// Between half and all of the next wait.
    pub fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        // The standard library's own seed of hash maps is random enough for this.
        let dice = RandomState::new().build_hasher().finish() % 1024;
        whole / 2 + whole / 2 * u32::try_from(dice).expect("below 1024") / 1024
    }

    /// Things went well.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut backoff = Backoff::new(min, max);
        for whole in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.wait();
            assert!(
                wait >= Duration::from_secs(whole) / 2 && wait <= Duration::from_secs(whole),
                "{wait:?} of {whole}"
            );
        }
        backoff.reset();
        assert!(backoff.wait() <= min);
    }
}
