//! How long to wait before the next try: longer each time, and never in step with the other nodes.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
/// Short enough that what heals is used within a second.
const LONGEST: Duration = Duration::from_millis(800);

pub struct ReconnectBackoff(Duration);

impl Default for ReconnectBackoff {
    fn default() -> Self {
        Self::new()
    }
}

impl ReconnectBackoff {
    /// Waits that begin short.
    pub fn new() -> Self {
        Self(FIRST)
    }

    /// The next try is the first again.
    pub fn reset(&mut self) {
        self.0 = FIRST;
    }

    pub fn next_wait(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        jittered(wait)
    }
}

/// Something from half to all of `time`.
pub fn jittered(time: Duration) -> Duration {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(2);
    let random = getrandom::u64().unwrap_or_default();
    Duration::from_millis(millis / 2 + random % (millis / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = ReconnectBackoff::new();
        for _ in 0..20 {
            assert!(backoff.next_wait() <= LONGEST);
        }
        assert!(backoff.next_wait() >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
