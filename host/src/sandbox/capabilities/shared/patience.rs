//! How long one call of a hook may wait for the shared store, over all its questions.

use std::time::Duration;

/// Of a hook's deadline; the rest is for the plugin itself.
const SHARE: (u32, u32) = (3, 5);
/// However long the deadline is: the shard does nothing else meanwhile.
const LONGEST: Duration = Duration::from_millis(100);

/// What is left to wait in a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    whole: Duration,
    left: Duration,
}

// === impl Patience ===

impl Patience {
    /// Of a call with this deadline.
    pub(crate) fn within(deadline: Duration) -> Self {
        let whole = (deadline * SHARE.0 / SHARE.1).min(LONGEST);
        Self { whole, left: whole }
    }

    /// Of a test of what is answered, not of how soon: the machine may be busy.
    #[cfg(test)]
    pub(crate) fn of_a_test() -> Self {
        let whole = Duration::from_secs(5);
        Self { whole, left: whole }
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// Whether nothing was spent yet: who waits that long in vain learnt something about the store.
    pub(crate) fn is_whole(&self) -> bool {
        self.left == self.whole && !self.whole.is_zero()
    }

    /// Takes away what was spent.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }
}
