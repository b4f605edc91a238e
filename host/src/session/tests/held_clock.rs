//! The clock that turns are measured with. Only hooks take time by it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub(super) type HeldClock = Arc<Mutex<tokio::time::Instant>>;

/// What a hook takes of a user whose name begins with `slow`.
pub(super) const SLOW: Duration = Duration::from_millis(2);
