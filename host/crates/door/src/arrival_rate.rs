//! A rate with a burst, as the generic cell rate algorithm counts it (ITU-T I.371): one instant instead of a number of
//! tokens and the time at which they were counted.

use std::time::{Duration, Instant};

/// So many arrivals in a time, and as many at once as the burst has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalRate {
    /// Between two arrivals.
    apart: Duration,
    /// How far ahead of their time arrivals may be: the burst, but for one.
    ahead: Duration,
}

// === impl ArrivalRate ===

impl ArrivalRate {
    /// `count` a second, with a burst of twice that. None for 0.
    pub fn per_second(count: u32) -> Option<Self> {
        Self::new(count, Duration::from_secs(1), count.saturating_mul(2))
    }

    /// `count` a minute, and all of them at once if they come so.
    pub fn per_minute(count: u32) -> Option<Self> {
        Self::new(count, Duration::from_mins(1), count)
    }

    fn new(count: u32, within: Duration, burst: u32) -> Option<Self> {
        let apart = within.checked_div(count)?.max(Duration::from_nanos(1));
        let ahead = apart.saturating_mul(burst.saturating_sub(1));
        Some(Self { apart, ahead })
    }
}

/// What arrived so far. It is as new once all of it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// When what arrived would have come, had it kept to the rate.
    due: Option<Instant>,
}

// === impl Arrivals ===

impl Arrivals {
    /// Counts an arrival, or tells in how long one may come. What is refused is not counted.
    pub fn count(&mut self, rate: ArrivalRate, now: Instant) -> Result<(), Duration> {
        if let Some(wait) = self.wait(rate, now) {
            return Err(wait);
        }
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + rate.apart);
        Ok(())
    }

    /// In how long an arrival may come; none: now.
    pub fn wait(&self, rate: ArrivalRate, now: Instant) -> Option<Duration> {
        let ahead = self.due?.saturating_duration_since(now);
        let wait = ahead.saturating_sub(rate.ahead);
        (!wait.is_zero()).then_some(wait)
    }

    /// From when on it is as if nothing had arrived. None: nothing has.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}
