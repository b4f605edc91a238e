//! How many good answers the slots of a binding gave, for the breaker to weigh faults against. Each slot counts on its
//! own, so that a call touches nothing that another shard touches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use chain::HookKind;
use parking_lot::Mutex;

/// The counts of one slot, by hook. A cache line of its own: shards would slow each other down through a shared one.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct GoodAnswers([AtomicU64; HookKind::ALL.len()]);

/// The counts of all slots of a binding.
#[derive(Debug, Default)]
pub(super) struct AllGoodAnswers(Mutex<Vec<Weak<GoodAnswers>>>);

// === impl GoodAnswers ===

impl GoodAnswers {
    /// One more. Only the slot counts, so there is nothing to add up with others.
    pub(super) fn count(&self, hook: HookKind) {
        let count = &self.0[hook as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

// === impl AllGoodAnswers ===

impl AllGoodAnswers {
    pub(super) fn of_new_slot(&self) -> Arc<GoodAnswers> {
        let counts = Arc::default();
        let mut all = self.0.lock();
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&counts));
        counts
    }

    pub(super) fn sum(&self, hook: HookKind) -> u64 {
        let all = self.0.lock();
        let living = all.iter().filter_map(Weak::upgrade);
        living
            .map(|counts| counts.0[hook as usize].load(Ordering::Relaxed))
            .sum()
    }
}
