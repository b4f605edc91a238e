//! The clock that turns are measured with.

use tokio::time::Instant;

/// The system's, or in tests one that they hold.
#[derive(Default)]
pub(super) struct TurnClock {
    #[cfg(test)]
    pub held: std::cell::RefCell<Option<std::sync::Arc<parking_lot::Mutex<Instant>>>>,
    /// What passes at each look at a clock that is held.
    #[cfg(test)]
    pub step: std::cell::Cell<std::time::Duration>,
}

impl TurnClock {
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "in tests it is held"))]
    pub(super) fn now(&self) -> Instant {
        #[cfg(test)]
        if let Some(held) = &*self.held.borrow() {
            let mut held = held.lock();
            *held += self.step.get();
            return *held;
        }
        Instant::now()
    }
}
