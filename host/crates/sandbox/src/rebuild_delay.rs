//! How long to wait before a faulted instance is built again: it grows with the faults in a row. Not the randomised
//! pause between two tries to reach a server, which the Redis client calls a backoff.

use std::time::{Duration, Instant};

/// After the second fault in a row; the first is mended at once.
const FIRST: Duration = Duration::from_millis(50);
/// The wait doubles up to this.
const LONGEST: Duration = Duration::from_secs(5);
/// A fault this long after the one before it counts as the first again.
const FORGET: Duration = Duration::from_secs(10);

/// The faults of one slot.
#[derive(Debug, Default)]
pub(super) struct RebuildDelay {
    in_a_row: u32,
    last: Option<Instant>,
}

impl RebuildDelay {
    /// Counts a fault and says how long to wait before building anew.
    pub(super) fn fault(&mut self, now: Instant) -> Duration {
        if self.last.is_none_or(|last| now.duration_since(last) > FORGET) {
            self.in_a_row = 0;
        }
        self.last = Some(now);
        self.in_a_row += 1;
        match self.in_a_row {
            1 => Duration::ZERO,
            n => FIRST.saturating_mul(1 << (n - 2).min(16)).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_mended_at_once_and_the_wait_doubles_up_to_its_limit() {
        let now = Instant::now();
        let mut backoff = RebuildDelay::default();
        let waits: Vec<u128> = (0..9).map(|_| backoff.fault(now).as_millis()).collect();
        assert_eq!(waits, [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000]);
        for _ in 0..100 {
            assert_eq!(backoff.fault(now), LONGEST);
        }
    }

    #[test]
    fn faults_long_ago_are_forgotten() {
        let start = Instant::now();
        let mut backoff = RebuildDelay::default();
        for _ in 0..5 {
            backoff.fault(start);
        }
        assert_eq!(backoff.fault(start + FORGET), Duration::from_millis(800));
        let later = start + FORGET + FORGET + Duration::from_secs(1);
        assert_eq!(backoff.fault(later), Duration::ZERO);
    }
}
