//! What the parts of the Redis backplane share on one node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_client::{Failure, Topology};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::control_messages::ControlMessages;
use super::names::KeyNames;
use super::partition_check::PartitionCheck;
use super::presence_table::PresenceTable;
use super::publish_queues::PublishQueues;
use super::subscribed::SubscribedConnections;
use super::subscription_table::SubscriptionTable;
use crate::BackplaneMetrics;
use crate::pending_bytes::PendingBytes;
use crate::{Envelope, Inbox, Unavailable};
use protocol::names::Topic;

pub(super) struct Node {
    pub topology: Arc<Topology>,
    pub table: SubscriptionTable,
    pub subscribed: SubscribedConnections,
    pub control: ControlMessages,
    pub presence: PresenceTable,
    pub queues: PublishQueues,
    /// Of messages that wait in them, or for the answer of their call.
    pub pending_bytes: PendingBytes,
    pub partitions: PartitionCheck,
    pub inboxes: Vec<Arc<Inbox>>,
    /// Gaps that are recovered at the same time.
    pub recoveries: Semaphore,
    /// Where its tasks run.
    pub runtime: Handle,
    pub metrics: BackplaneMetrics,
    pub timeout: Duration,
    /// Replicas that must have a message before it is acknowledged.
    pub replicas: u32,
    /// This start of this node, unlike any other.
    pub instance: String,
    pub nonce: u64,
    pub counter: AtomicU64,
}

impl Node {
    /// A name that no message and no epoch had before.
    pub(super) fn unique(&self) -> Arc<str> {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{count:x}", self.nonce).into()
    }

    /// The key of what unused channels tell. None in a Cluster, where it would have to lie in each slot, and would be
    /// missing while one moves.
    pub(super) fn unused_key(&self) -> Option<String> {
        (!self.topology.is_cluster()).then(|| self.table.names.unused())
    }

    /// Why messages do not get through, if so.
    pub(super) fn hindrance(&self) -> Option<String> {
        if let Some(mismatch) = self.partitions.mismatch() {
            return Some(mismatch.to_string());
        }
        let connections = self.topology.connections();
        let is_up = self.topology.is_up()
            // Control messages go to the nodes that are known.
            && self.presence.is_known()
            && self.are_partitions_checked()
            && connections.iter().all(|connection| self.subscribed.of(connection).is_some());
        (!is_up).then(|| match self.topology.missing_rights() {
            Some(missing) => missing.to_string(),
            None => "the backplane is not connected".to_owned(),
        })
    }

    /// Fails at once if the server of a topic cannot be reached, or this node must not speak to it.
    pub(super) fn reach(&self, topic: &Topic) -> Result<(), Unavailable> {
        if let Some(mismatch) = self.partitions.mismatch() {
            return Err(Unavailable(mismatch.to_string()));
        }
        let connection = self.topology.connection_of_slot(self.table.names.slot(topic));
        if connection.and_then(|connection| connection.server()).is_none() {
            return Err(Failure::not_connected().into());
        }
        if !self.are_partitions_checked() {
            return Err(Unavailable("the number of partitions is not checked yet".into()));
        }
        Ok(())
    }

    fn are_partitions_checked(&self) -> bool {
        self.partitions.is_checked(self.nodes_connect())
    }

    /// The present connect of the server that has what nodes keep of each other; none: it is away.
    pub(super) fn nodes_connect(&self) -> Option<u64> {
        let connection = self.topology.connection_of_slot(KeyNames::nodes_slot())?;
        connection.server().map(|server| server.connect)
    }

    /// Brings an envelope to shards; waits for those that are busy.
    pub(super) async fn deliver(&self, envelope: &Envelope, shards: &[usize]) {
        for shard in shards {
            // A shard that is gone wants nothing.
            self.inboxes[*shard].send(envelope.clone()).await;
        }
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}
