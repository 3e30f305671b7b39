//! Forks that fail, or whose sandboxes do not get ready: how long to wait before the next.

use std::time::Duration;
use std::time::Instant;

/// First pause after a failure; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pause after so many failures in a row.
pub fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => {
            (FIRST_PAUSE * 2u32.saturating_pow(doublings.min(16))).min(LONGEST_PAUSE)
        }
    }
}

/// Tries in a row that failed.
#[derive(Debug, Default)]
pub struct ForkFailures {
    count: u32,
    retry_at: Option<Instant>,
}

impl ForkFailures {
    /// Counts one more and returns how many there were in a row. `None` for one that belongs to a
    /// try that was counted: several sandboxes are forked at once, and fail at once.
    pub fn add(&mut self, now: Instant) -> Option<u32> {
        if self.pause(now).is_some() {
            return None;
        }
        self.count = self.count.saturating_add(1);
        self.retry_at = Some(now + pause_after(self.count));
        Some(self.count)
    }

    /// A sandbox got ready.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn in_a_row(&self) -> u32 {
        self.count
    }

    pub fn any(&self) -> bool {
        self.count > 0
    }

    /// How long no sandbox should be forked.
    pub fn pause(&self, now: Instant) -> Option<Duration> {
        let pause = self.retry_at?.saturating_duration_since(now);
        (!pause.is_zero()).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_forks_that_fail_grow_to_a_bound_and_end_with_a_success() {
        let now = Instant::now();
        let mut failures = ForkFailures::default();
        assert_eq!(failures.pause(now), None);
        assert_eq!(failures.add(now), Some(1));
        assert_eq!(failures.pause(now), Some(FIRST_PAUSE));
        assert_eq!(failures.pause(now + FIRST_PAUSE), None);
        let mut now = now;
        for count in 2..100 {
            now += LONGEST_PAUSE;
            assert_eq!(failures.add(now), Some(count));
        }
        assert_eq!(failures.pause(now), Some(LONGEST_PAUSE));
        failures.clear();
        assert!(!failures.any() && failures.pause(now).is_none());
    }

    #[test]
    fn sandboxes_that_fail_together_are_one_failure() {
        let now = Instant::now();
        let mut failures = ForkFailures::default();
        assert_eq!(failures.add(now), Some(1));
        for _ in 0..10 {
            assert_eq!(failures.add(now), None);
        }
        assert_eq!(failures.pause(now), Some(FIRST_PAUSE));
        assert_eq!(failures.add(now + FIRST_PAUSE), Some(2));
    }
}
