//! The clock that turns are measured with.

use tokio::time::Instant;

/// The system's, or in tests one that they hold.
#[derive(Default)]
pub(super) struct TurnClock {
    #[cfg(test)]
    pub held: std::cell::RefCell<Option<std::sync::Arc<parking_lot::Mutex<Instant>>>>,
}

impl TurnClock {
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "in tests it is held"))]
    pub(super) fn now(&self) -> Instant {
        #[cfg(test)]
        if let Some(held) = &*self.held.borrow() {
            return *held.lock();
        }
        Instant::now()
    }
}
