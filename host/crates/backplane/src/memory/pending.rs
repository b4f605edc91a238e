//! What waits for room in the inboxes of shards: in each channel in its order, and of channels each in its turn.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use super::tenants::KeyRoom;
use crate::{PresenceChange, PublishOptions, Published};
use chain::Message;
use protocol::Member;
use protocol::names::Topic;

/// The room that a message's bytes take among what waits of its tenant, and of all.
pub(super) type PendingRoom = [OwnedSemaphorePermit; 2];

/// What a channel accepts when the shards that want it have room.
#[expect(clippy::large_enum_variant, reason = "most of what waits is published")]
pub(super) enum PendingChange {
    Publish {
        message: Message,
        options: PublishOptions,
        key: Option<KeyRoom>,
        reply: oneshot::Sender<Published>,
        _bytes: PendingRoom,
    },
    Join {
        member: Member,
        reply: oneshot::Sender<()>,
    },
    /// It has happened, and cannot wait. A session that left comes back only when this was sent, so each has one at most.
    Leave(Arc<PresenceChange>),
}

impl PendingChange {
    /// Whether nobody waits for it any more.
    pub(super) fn is_given_up(&self) -> bool {
        match self {
            Self::Publish { reply, .. } => reply.is_closed(),
            Self::Join { reply, .. } => reply.is_closed(),
            Self::Leave(_) => false,
        }
    }
}

/// The channels that wait for room in one shard's inbox: each once, in the order of their coming.
#[derive(Default)]
pub(super) struct WaitingChannels {
    topics: Mutex<IndexSet<Topic, RandomState>>,
    added: Notify,
}

impl WaitingChannels {
    pub(super) fn add(&self, topic: &Topic) {
        self.topics.lock().insert(topic.clone());
        self.added.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.topics.lock().is_empty()
    }

    /// The one that came first; it waits no longer.
    pub(super) fn take_first(&self) -> Option<Topic> {
        self.topics.lock().shift_remove_index(0)
    }

    /// Resolves when there is one.
    pub(super) async fn any(&self) {
        while self.is_empty() {
            self.added.notified().await;
        }
    }
}
