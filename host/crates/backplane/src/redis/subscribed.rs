//! Which connection is subscribed beside each connection for commands.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use redis_client::ServerConnection;

/// The subscribed connections by the connection that each stands beside.
#[derive(Default)]
pub(super) struct SubscribedConnections(Mutex<HashMap<usize, u64>>);

pub(super) fn identity(connection: &Arc<ServerConnection>) -> usize {
    Arc::as_ptr(connection).addr()
}

impl SubscribedConnections {
    pub(super) fn insert(&self, connection: &Arc<ServerConnection>, subscription: u64) {
        self.0.lock().insert(identity(connection), subscription);
    }

    pub(super) fn remove(&self, connection: &Arc<ServerConnection>) {
        self.0.lock().remove(&identity(connection));
    }

    /// The connection that is subscribed beside this one.
    pub(super) fn of(&self, connection: &Arc<ServerConnection>) -> Option<u64> {
        self.0.lock().get(&identity(connection)).copied()
    }
}
