//! The way to the shared store, with a fuse: after one wait in vain nobody waits again until the store answers
//! in time, because a shard that waits keeps all its connections waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::store::{OnReply, SharedStore, StoreRequest};
use crate::id::StoreId;

/// How often a store that kept somebody waiting is asked whether it is quick again.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// The way to the store. Until it is [connected](StoreHandle::connect) nothing can be asked.
#[derive(Default)]
pub struct StoreHandle {
    store: OnceLock<Arc<dyn SharedStore>>,
    /// Nanoseconds within which an answer must come for the fuse to close; 0: it is closed.
    blown: AtomicU64,
    probed: Mutex<Option<Instant>>,
}

// === impl StoreHandle ===

impl StoreHandle {
    /// From now on `store` is asked.
    pub fn connect(&self, store: Arc<dyn SharedStore>) {
        // A second one would not have what is in the first.
        let _first_stays = self.store.set(store);
    }

    /// Asks, unless the store is down or slow: then false, and `on_reply` is dropped.
    pub fn send(self: &Arc<Self>, id: &StoreId, request: StoreRequest, on_reply: OnReply) -> bool {
        let Some(store) = self.store.get() else {
            return false;
        };
        if self.is_blown() {
            self.probe(store, id);
            return false;
        }
        let handle = Arc::clone(self);
        let asked = Instant::now();
        let on_reply: OnReply = Box::new(move |answer| {
            if answer.is_ok() {
                handle.replied(asked.elapsed());
            }
            on_reply(answer);
        });
        store.send(id, request, on_reply)
    }

    /// Somebody waited so long in vain.
    pub fn stalled(&self, waited: Duration) {
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX).max(1);
        if self.blown.swap(nanos, Ordering::Relaxed) == 0 {
            if let Some(store) = self.store.get() {
                store.stalled();
            }
            tracing::debug!(
                ?waited,
                "the shared store is slow: plugins do without until it is quick again"
            );
        }
    }

    /// Whether it is not asked now.
    pub fn is_blown(&self) -> bool {
        self.blown.load(Ordering::Relaxed) != 0
    }

    fn replied(&self, took: Duration) {
        let within = self.blown.load(Ordering::Relaxed);
        // One that came late proves that the store lives, not that it is worth waiting for.
        if within != 0 && took.as_nanos() <= u128::from(within) {
            self.blown.store(0, Ordering::Relaxed);
        }
    }

    fn probe(self: &Arc<Self>, store: &Arc<dyn SharedStore>, id: &StoreId) {
        {
            let mut probed = self.probed.lock();
            let now = Instant::now();
            if probed.is_some_and(|at| now.saturating_duration_since(at) < PROBE_EVERY) {
                return;
            }
            *probed = Some(now);
        }
        let handle = Arc::clone(self);
        let asked = Instant::now();
        let on_reply: OnReply = Box::new(move |answer| {
            if answer.is_ok() {
                handle.replied(asked.elapsed());
            }
        });
        store.send(id, StoreRequest::Probe, on_reply);
    }
}
