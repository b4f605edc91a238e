//! The queues of messages on their way to Redis. A queue has one pending call; what comes meanwhile waits, and goes
//! together in the next. So a message cannot overtake another of its channel, whatever is sent again after a script was
//! lost or a slot moved, and many messages cost one round trip.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::partitions::Partition;
use super::publish_queue::{PublishQueue, QueuedPublish};

/// Queues to a server that has all partitions: messages that wait together go together. In a Cluster every partition
/// has one of its own, for a call is of one slot.
const TO_ONE_SERVER: u16 = 4;

pub(super) type QueueId = u16;

/// Those in which messages wait. A queue that is listed is being sent.
#[derive(Default)]
pub(super) struct PublishQueues(Mutex<HashMap<QueueId, PublishQueue, RandomState>>);

/// The queue of a partition.
pub(super) fn queue_of(partition: Partition, is_cluster: bool) -> QueueId {
    if is_cluster {
        partition
    } else {
        partition % TO_ONE_SERVER
    }
}

impl PublishQueues {
    /// Adds a message; gives whether the queue has to be sent from now on.
    pub(super) fn add(&self, queue: QueueId, waiting: QueuedPublish) -> bool {
        match self.0.lock().entry(queue) {
            Entry::Occupied(queue) => {
                queue.into_mut().add(waiting);
                false
            }
            Entry::Vacant(queue) => {
                queue.insert(PublishQueue::default()).add(waiting);
                true
            }
        }
    }

    /// Takes the first of those that wait. `None`: there are none, and the queue is not sent any more.
    pub(super) fn take(&self, queue: QueueId) -> Option<Vec<QueuedPublish>> {
        let mut queues = self.0.lock();
        let taken = queues.get_mut(&queue)?.take();
        if taken.is_empty() {
            queues.remove(&queue);
            return None;
        }
        Some(taken)
    }

    /// Fails what waits in a queue that is not sent any more; the next message has it sent again.
    pub(super) fn give_up(&self, queue: QueueId) {
        self.0.lock().remove(&queue);
    }
}
