//! The instance of the scripted plugin: there, or in the making until a test says otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use chain::{Fault, HookKind, PendingCall};

#[derive(Default)]
pub(super) struct InstanceGate {
    missing: Mutex<Vec<HookKind>>,
    waiting: AtomicUsize,
    made: Notify,
}

/// Counted while it waits, also when it gives up.
struct WaitingAtGate(Arc<InstanceGate>);

impl InstanceGate {
    /// Calls of `hook` find no instance from now on.
    pub(super) fn lose(&self, hook: HookKind) {
        self.missing.lock().push(hook);
    }

    /// It is made.
    pub(super) fn bring(&self) {
        self.missing.lock().clear();
        self.made.notify_waiters();
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self, hook: HookKind) -> Result<(), Fault> {
        if self.is_missing(hook) {
            return Err(Fault::Unavailable("its instance is not made yet"));
        }
        Ok(())
    }

    pub(super) fn pending(self: &Arc<Self>, hook: HookKind) -> Option<PendingCall> {
        if !self.is_missing(hook) {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = WaitingAtGate(self.clone());
        Some(Box::pin(async move {
            while waiting.0.is_missing(hook) {
                waiting.0.made.notified().await;
            }
        }))
    }

    fn is_missing(&self, hook: HookKind) -> bool {
        self.missing.lock().contains(&hook)
    }
}

impl Drop for WaitingAtGate {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
