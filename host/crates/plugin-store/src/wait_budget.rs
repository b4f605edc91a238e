//! How long one call of a hook may wait for the shared store, over all its questions.

use std::time::Duration;

/// Of a hook's deadline; the rest is for the plugin itself.
const SHARE: (u32, u32) = (3, 5);
/// However long the deadline is: the shard does nothing else meanwhile.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// What is left to wait in a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitBudget {
    whole: Duration,
    left: Duration,
}

// === impl WaitBudget ===

impl WaitBudget {
    /// Of a hook call with this deadline.
    pub fn within(deadline: Duration) -> Self {
        Self::of((deadline * SHARE.0 / SHARE.1).min(LONGEST_WAIT))
    }

    /// So long in all.
    pub fn of(whole: Duration) -> Self {
        Self { whole, left: whole }
    }

    /// In all, what was spent included.
    pub fn whole(&self) -> Duration {
        self.whole
    }

    pub fn left(&self) -> Duration {
        self.left
    }

    /// What was waited so far.
    pub fn spent(&self) -> Duration {
        self.whole.checked_sub(self.left).unwrap()
    }

    /// Whether nothing was spent yet: who waits that long in vain learnt something about the store.
    pub fn is_whole(&self) -> bool {
        self.left == self.whole && !self.whole.is_zero()
    }

    /// Takes away what was spent.
    pub fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }
}
