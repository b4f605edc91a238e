//! Whether a load balancer should send clients to this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backplane::Backplane;

/// Shared by all clones.
#[derive(Clone)]
pub(crate) struct Readiness {
    serves: Arc<AtomicBool>,
    backplane: Arc<dyn Backplane>,
}

impl Readiness {
    /// Not ready yet; and never while messages do not get through `backplane`.
    pub(crate) fn new(backplane: Arc<dyn Backplane>) -> Self {
        Self {
            serves: Arc::default(),
            backplane,
        }
    }

    /// Whether the node serves clients from now on.
    pub(crate) fn set(&self, ready: bool) {
        self.serves.store(ready, Ordering::Relaxed);
    }

    /// Why the node is not ready; none if it is.
    pub(super) fn hindrance(&self) -> Option<String> {
        let serves = self.serves.load(Ordering::Relaxed);
        // The backplane first: until it is there, a node does not know whether its name is its own, and does not start.
        let backplane = self.backplane.hindrance();
        backplane.or_else(|| (!serves).then(|| "starting or draining".to_owned()))
    }
}
