//! The shard's own work, in slices of time.

use std::time::{Duration, Instant};

/// How long the shard works on its own until its sessions have their turn.
const SLICE: Duration = Duration::from_micros(250);

pub(super) struct TimeSlice(Instant);

impl TimeSlice {
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Lets the sessions run, if the slice is over.
    pub(super) async fn pause(&mut self) {
        if self.0.elapsed() >= SLICE {
            tokio::task::yield_now().await;
            *self = Self::begin();
        }
    }
}
