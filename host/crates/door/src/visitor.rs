//! What is remembered of one address.

use std::time::{Duration, Instant};

use super::arrival_rate::{ArrivalRate, Arrivals};
use super::debt_table::{Debt, Matters};

/// How long an address is refused after the first failure that is too many; each further one doubles it.
const FIRST_PENALTY: Duration = Duration::from_secs(1);
const LONGEST_PENALTY: Duration = Duration::from_mins(10);
/// How long after a penalty the next one is still the double of it.
const REMEMBERED: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
pub(crate) struct Visitor {
    /// Its open connections that were counted.
    pub connections: u32,
    /// Those of them whose handshake is not over.
    pub under_way: u32,
    pub handshakes: Arrivals,
    failures: Arrivals,
    /// None: it never failed too often, as far as is remembered.
    penalty: Option<TimeOut>,
}

#[derive(Clone, Copy, Debug)]
struct TimeOut {
    length: Duration,
    end: Instant,
}

// === impl Visitor ===

impl Visitor {
    /// Counts a failed authentication.
    pub(crate) fn fail(&mut self, rate: ArrivalRate, now: Instant) {
        if self.failures.count(rate, now).is_ok() {
            return;
        }
        let remembered = self.penalty.filter(|before| now < before.end + REMEMBERED);
        // What failed during a penalty was under way when it began. It does not make it longer.
        if remembered.is_some_and(|before| now < before.end) {
            return;
        }
        let length = remembered.map_or(FIRST_PENALTY, |before| (before.length * 2).min(LONGEST_PENALTY));
        self.penalty = Some(TimeOut {
            length,
            end: now + length,
        });
    }

    /// For how long it is refused yet.
    pub(crate) fn penalty(&self, now: Instant) -> Option<Duration> {
        let left = self.penalty?.end.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

impl Debt for Visitor {
    fn matters(&self) -> Matters {
        if self.connections > 0 || self.under_way > 0 {
            return Matters::Always;
        }
        let penalty = self.penalty.map(|penalty| penalty.end + REMEMBERED);
        let ends = [self.handshakes.due(), self.failures.due(), penalty];
        ends.into_iter().flatten().max().map_or(Matters::No, Matters::Until)
    }
}
