//! What waits for room in the inboxes of shards: in each channel in its order; of channels each in its turn, and of tenants.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::{IndexMap, IndexSet};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::tenants::KeyRoom;
use crate::pending_bytes::PendingRoom;
use crate::{PresenceChange, PublishOptions, Published};
use chain::Message;
use protocol::Member;
use protocol::names::Topic;

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

    /// Bytes of its message.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Publish { message, .. } => message.data.len(),
            Self::Join { .. } | Self::Leave(_) => 0,
        }
    }
}

/// The channels that wait for room in one shard's inbox: each once, of a tenant in the order of their coming.
#[derive(Default)]
pub(super) struct WaitingChannels {
    tenants: Mutex<IndexMap<Arc<str>, IndexSet<Topic, RandomState>, RandomState>>,
    added: Notify,
}

impl WaitingChannels {
    pub(super) fn add(&self, topic: &Topic) {
        let mut tenants = self.tenants.lock();
        tenants.entry(topic.tenant.clone()).or_default().insert(topic.clone());
        drop(tenants);
        self.added.notify_one();
    }

    /// Whether a channel of `tenant` waits.
    pub(super) fn has(&self, tenant: &str) -> bool {
        self.tenants.lock().contains_key(tenant)
    }

    /// The one that came first of the tenant whose turn it is among those for which there is room. It waits no longer.
    pub(super) fn take_first(&self, has_room: impl Fn(&Arc<str>) -> bool) -> Option<Topic> {
        let mut tenants = self.tenants.lock();
        let turn = tenants.keys().position(has_room)?;
        let (tenant, mut topics) = tenants.shift_remove_index(turn)?;
        let topic = topics.shift_remove_index(0);
        if !topics.is_empty() {
            tenants.insert(tenant, topics);
        }
        topic
    }

    /// Resolves when one was added since the last call.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }
}
