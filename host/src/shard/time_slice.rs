//! The shard's own work, in slices of time.

use std::time::{Duration, Instant};

/// How long the shard works on its own until its sessions have their turn.
const SLICE: Duration = Duration::from_micros(250);

pub(super) struct TimeSlice(Instant);

impl TimeSlice {
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    pub(super) fn is_over(&self) -> bool {
        self.elapsed() >= SLICE
    }

    /// Lets the sessions run, if the slice is over.
    pub(super) async fn pause(&mut self) {
        if self.is_over() {
            tokio::task::yield_now().await;
            *self = Self::begin();
        }
    }
}
