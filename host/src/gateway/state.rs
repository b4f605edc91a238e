//! What the public listeners of all shards share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::directory::Directory;
use crate::observe::Metrics;

/// One for the node.
pub(crate) struct Gateway {
    /// The tenants that are in force.
    pub(crate) directory: Directory,
    /// Connections of this node at most.
    pub(crate) max_connections: usize,
    /// Connections of this node, each from its accept to its end.
    pub(crate) connections: AtomicUsize,
    /// From the accept to the end of a request's head.
    pub(crate) header_timeout: Duration,
    /// The node shuts down, and accepts no connection any more.
    pub(crate) closed: AtomicBool,
    /// Whether the demo page and its tokens are served.
    pub(crate) demo: bool,
    /// Counts what comes in, and what is refused.
    pub(crate) metrics: Metrics,
}

impl Gateway {
    /// Counts a new connection; none if the node has its maximum.
    pub(super) fn admit(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let guard = ConnectionGuard(self.clone());
        // Counted first, so that two shards cannot both take the last one; what was not granted is given back.
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        (before < self.max_connections).then_some(guard)
    }
}

/// One of the node's connections, given back when dropped.
pub(super) struct ConnectionGuard(Arc<Gateway>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
