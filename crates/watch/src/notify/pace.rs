//! When a receiver may be told next: not too often, and after a failure later and later. Time is handed in.

/// So many messages at once,
const BURST: u64 = 5;
/// and then one a minute. Who gets more mails than that reads none of them.
const EVERY_MS: u64 = 60_000;
/// After a failure it is tried again this much later, twice as long each time,
const RETRY_FIRST_MS: u64 = 2_000;
/// but never later than this.
const RETRY_LONGEST_MS: u64 = 15 * 60_000;

/// A token bucket, and a pause that grows with failures.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Thousandths of a message that may go.
    credit_ms: u64,
    seen_ms: u64,
    failures: u32,
    not_before_ms: u64,
}

impl Pace {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { credit_ms: BURST * EVERY_MS, seen_ms: now_ms, failures: 0, not_before_ms: 0 }
    }

    fn refill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.seen_ms);
        self.seen_ms = self.seen_ms.max(now_ms);
        self.credit_ms = self.credit_ms.saturating_add(passed).min(BURST * EVERY_MS);
    }

    /// Milliseconds until a message may go; 0: now.
    #[must_use]
    pub fn wait_ms(&mut self, now_ms: u64) -> u64 {
        self.refill(now_ms);
        EVERY_MS.saturating_sub(self.credit_ms).max(self.not_before_ms.saturating_sub(now_ms))
    }

    /// One went.
    pub fn sent(&mut self, now_ms: u64) {
        self.refill(now_ms);
        self.credit_ms = self.credit_ms.saturating_sub(EVERY_MS);
        (self.failures, self.not_before_ms) = (0, 0);
    }

    /// One did not go.
    pub fn failed(&mut self, now_ms: u64) {
        let pause = RETRY_FIRST_MS.checked_shl(self.failures.min(30)).unwrap_or(RETRY_LONGEST_MS).min(RETRY_LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        self.not_before_ms = now_ms.saturating_add(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_one_a_minute() {
        let mut pace = Pace::new(1_000);
        for _ in 0..BURST {
            assert_eq!(pace.wait_ms(1_000), 0);
            pace.sent(1_000);
        }
        assert_eq!(pace.wait_ms(1_000), EVERY_MS);
        assert_eq!(pace.wait_ms(31_000), EVERY_MS - 30_000);
        assert_eq!(pace.wait_ms(61_000), 0);
        pace.sent(61_000);
        assert_eq!(pace.wait_ms(61_000), EVERY_MS);
        // After a long silence no more than a burst.
        for sent in 0.. {
            if pace.wait_ms(1_000_000_000) != 0 {
                assert_eq!(sent, BURST);
                break;
            }
            pace.sent(1_000_000_000);
        }
    }

    #[test]
    fn failures_make_it_wait_longer_up_to_a_bound() {
        let mut pace = Pace::new(0);
        let mut last = 0;
        for _ in 0..40 {
            pace.failed(0);
            let wait = pace.wait_ms(0);
            assert!(wait >= last && wait <= RETRY_LONGEST_MS);
            last = wait;
        }
        assert_eq!(last, RETRY_LONGEST_MS);
        pace.sent(last);
        assert_eq!(pace.wait_ms(last), 0);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_matter() {
        let mut pace = Pace::new(1_000_000);
        pace.sent(0);
        assert_eq!(pace.wait_ms(0), 0);
    }
}
