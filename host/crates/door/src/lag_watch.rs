//! Whether a thread is late: its event loop was to look after a timer, and came so much later.

use std::time::{Duration, Instant};

/// How long a thread counts as late after the last time that it was.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Watches one thread.
#[derive(Debug, Default)]
pub struct LagWatch {
    /// Until when it counts as late.
    late_until: Option<Instant>,
}

// === impl LagWatch ===

impl LagWatch {
    /// The timer for `due` is looked after `now`.
    pub fn looked(&mut self, due: Instant, now: Instant, bound: Duration) {
        if now.saturating_duration_since(due) > bound {
            self.late_until = Some(now + REMEMBERED);
        }
    }

    /// Whether it is late, and whoever is not connected yet should try elsewhere.
    pub fn is_late(&self, now: Instant) -> bool {
        self.late_until.is_some_and(|until| now < until)
    }
}
