//! `limits.publish_per_second`: a token bucket of one connection, with a burst of twice its rate.

use std::time::{Duration, Instant};

pub(super) struct RateLimit {
    per_second: u32,
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            tokens: burst(per_second),
            filled: Instant::now(),
        }
    }

    /// Takes one token, or returns the time until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let rate = f64::from(self.per_second);
        let regained = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + regained).min(burst(self.per_second));
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / rate))
    }
}

fn burst(per_second: u32) -> f64 {
    2.0 * f64::from(per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_burst_of_twice_the_rate_and_then_the_rate() {
        let mut rate = RateLimit::new(5);
        let start = rate.filled;
        assert_eq!((0..20).filter(|_| rate.take(start).is_ok()).count(), 10);
        let wait = rate.take(start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert!(rate.take(start + wait).is_ok());
        assert!(rate.take(start + wait).is_err());
    }

    #[test]
    fn a_long_rest_fills_no_more_than_the_burst() {
        let mut rate = RateLimit::new(5);
        let later = rate.filled + Duration::from_hours(1);
        assert_eq!((0..20).filter(|_| rate.take(later).is_ok()).count(), 10);
    }
}
