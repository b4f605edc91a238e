//! What time it is, for everything here that expires. Tests hold the hands.

use std::time::Instant;

/// The machine's clock, or a test's.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's monotonic clock.
    #[default]
    System,
    /// Stands still until a test moves it.
    #[cfg(any(test, feature = "testing"))]
    Held(std::sync::Arc<parking_lot::Mutex<Instant>>),
}

impl Clock {
    /// Now, by this clock.
    pub fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            #[cfg(any(test, feature = "testing"))]
            Self::Held(now) => *now.lock(),
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn held() -> Self {
        Self::Held(std::sync::Arc::new(parking_lot::Mutex::new(Instant::now())))
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn advance(&self, by: std::time::Duration) {
        match self {
            Self::System => panic!("the machine's clock moves by itself"),
            Self::Held(now) => *now.lock() += by,
        }
    }
}
