//! Keeps a subscribed connection beside every server, each in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;

use redis_client::{PushQueue, ServerConnection};
use tokio::task::AbortHandle;

use super::node::Node;
use super::subscribed::identity;
use super::subscriber;

/// Keeps them, for ever.
pub(super) async fn keep_all(node: Arc<Node>, queue: PushQueue) {
    let mut kept: HashMap<usize, (Arc<ServerConnection>, AbortHandle)> = HashMap::new();
    let mut changed = node.topology.changed();
    loop {
        let connections = node.topology.connections();
        for connection in &connections {
            kept.entry(identity(connection)).or_insert_with(|| {
                let task = subscriber::keep(connection.clone(), node.clone(), queue.clone());
                (connection.clone(), tokio::spawn(task).abort_handle())
            });
        }
        kept.retain(|_, (connection, keeper)| {
            let stays = connections.iter().any(|there| Arc::ptr_eq(there, connection));
            if !stays {
                keeper.abort();
                node.subscribed.remove(connection);
            }
            stays
        });
        // The channels of a partition whose server changed are subscribed there.
        let partitions = node.table.names.partitions();
        let owners: Vec<Option<u64>> = partitions
            .all()
            .map(|partition| {
                let owner = node.topology.connection_of_slot(partitions.slot(partition))?;
                node.subscribed.of(&owner)
            })
            .collect();
        node.table
            .look_again(|partition, on| owners[usize::from(partition)] != Some(on));
        if changed.changed().await.is_err() {
            return;
        }
    }
}
