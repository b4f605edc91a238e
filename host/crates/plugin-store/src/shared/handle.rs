//! The way of one plugin in one tenant to the shared store, with a patience of its own: who waited in vain does not
//! wait again until the store answers sooner, because a shard that waits keeps all its connections waiting. What one
//! plugin finds out says nothing about the others, whose hooks may wait longer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::store::{OnReply, SharedStore, StoreRequest};
use crate::id::StoreId;
use crate::wait_budget::LONGEST_WAIT;

/// How often a store that kept somebody waiting is asked whether it is quick again.
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// Requests of one plugin in one tenant that are pending at once: one more is refused, because it would wait behind all
/// of them. Those of others are not counted.
pub(super) const PENDING: usize = 256;

/// Where the store is, once it is known.
#[derive(Default)]
pub struct StoreLink(OnceLock<Arc<dyn SharedStore>>);

/// The way to the store. Until it is [connected](StoreLink::connect) nothing can be asked.
pub struct StoreHandle {
    link: Arc<StoreLink>,
    id: StoreId,
    /// Nanoseconds that an answer took, or that somebody waited for one in vain; 0: nobody has waited in vain.
    takes: AtomicU64,
    probe: Mutex<Probe>,
    pending: AtomicUsize,
}

#[derive(Default)]
struct Probe {
    sent: Option<Instant>,
    is_pending: bool,
}

/// One pending request, until it is answered or given up.
struct Pending(Arc<StoreHandle>);

// === impl StoreLink ===

impl StoreLink {
    /// From now on `store` is asked.
    pub fn connect(&self, store: Arc<dyn SharedStore>) {
        // A second one would not have what is in the first.
        let _first_stays = self.0.set(store);
    }
}

// === impl StoreHandle ===

impl StoreHandle {
    /// The way of `id` to the store behind `link`.
    pub fn new(link: Arc<StoreLink>, id: StoreId) -> Arc<Self> {
        Arc::new(Self {
            link,
            id,
            takes: AtomicU64::new(0),
            probe: Mutex::default(),
            pending: AtomicUsize::new(0),
        })
    }

    /// Asks for somebody who can wait so long for the answer, unless the store is down or slower than that: then false,
    /// and `on_reply` is dropped.
    pub(super) fn send(self: &Arc<Self>, request: StoreRequest, patience: Duration, on_reply: OnReply) -> bool {
        let Some(store) = self.link.0.get() else {
            return false;
        };
        if self.is_too_slow_for(patience) {
            self.probe(store);
            return false;
        }
        let Some(pending) = Pending::begin(self) else {
            return false;
        };
        let asked = Instant::now();
        let on_reply: OnReply = Box::new(move |answer| {
            if answer.is_ok() {
                pending.0.replied(asked.elapsed());
            }
            drop(pending);
            on_reply(answer);
        });
        store.send(&self.id, request, on_reply)
    }

    /// Asks where nobody waits for the answer.
    pub(super) fn send_unattended(self: &Arc<Self>, request: StoreRequest, on_reply: OnReply) -> bool {
        self.send(request, LONGEST_WAIT, on_reply)
    }

    /// Somebody waited so long in vain.
    pub(super) fn stalled(&self, waited: Duration) {
        let nanos = nanos(waited);
        if self.takes.fetch_max(nanos, Ordering::Relaxed) < nanos {
            if let Some(store) = self.link.0.get() {
                store.stalled();
            }
            let (tenant, plugin) = (&*self.id.0, &*self.id.1);
            tracing::debug!(
                tenant,
                plugin,
                ?waited,
                "the shared store is slow: the plugin does without until it is quick again"
            );
        }
    }

    /// Whether it is not asked now for somebody who can wait so long.
    pub(super) fn is_too_slow_for(&self, patience: Duration) -> bool {
        let takes = self.takes.load(Ordering::Relaxed);
        takes != 0 && takes >= nanos(patience)
    }

    /// An answer that came late proves that the store lives, not that it is worth waiting for.
    fn replied(&self, took: Duration) {
        self.takes.fetch_min(nanos(took), Ordering::Relaxed);
    }

    fn probe(self: &Arc<Self>, store: &Arc<dyn SharedStore>) {
        {
            let mut probe = self.probe.lock();
            let now = Instant::now();
            let is_recent = probe
                .sent
                .is_some_and(|at| now.saturating_duration_since(at) < PROBE_EVERY);
            if probe.is_pending || is_recent {
                return;
            }
            *probe = Probe {
                sent: Some(now),
                is_pending: true,
            };
        }
        let handle = Arc::clone(self);
        let asked = Instant::now();
        let on_reply: OnReply = Box::new(move |answer| {
            handle.probe.lock().is_pending = false;
            if answer.is_ok() {
                handle.replied(asked.elapsed());
            }
        });
        if !store.send(&self.id, StoreRequest::Probe, on_reply) {
            self.probe.lock().is_pending = false;
        }
    }
}

// === impl Pending ===

impl Pending {
    fn begin(handle: &Arc<StoreHandle>) -> Option<Self> {
        let pending = Self(Arc::clone(handle));
        let others = handle.pending.fetch_add(1, Ordering::Relaxed);
        (others < PENDING).then_some(pending)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Never 0, which stands for nothing known.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}
