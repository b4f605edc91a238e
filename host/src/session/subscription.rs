//! The session's part of a subscription. Dropping it undoes all of it, the hub first.

use std::rc::Rc;

use tokio::time::Instant;

use crate::hub::ClientConnection;
use crate::shard::{Shard, ShardTenant};
use backplane::{Interest, MemoryUse, Presence};
use chain::Grant;
use protocol::names::Topic;

/// What a subscription takes beside its channel, by estimate: its entries in the hub, the session and the presence.
const SUBSCRIPTION_BYTES: usize = 512;

/// One subscription. Its fields are dropped in their order: out of the hub, then absent, then out of
/// the channel.
pub(super) struct Subscription {
    pub grant: Grant,
    pub expires: Option<Instant>,
    _listening: Listening,
    /// Boxed, because few channels have one.
    _presence: Option<Box<Presence>>,
    _interest: Interest,
}

impl Subscription {
    pub(super) fn new(grant: Grant, listening: Listening, presence: Option<Presence>, interest: Interest) -> Self {
        Self {
            expires: grant.expires_ms.map(super::liveness::at_epoch_ms),
            grant,
            _listening: listening,
            _presence: presence.map(Box::new),
            _interest: interest,
        }
    }
}

/// The entry in the hub.
pub(super) struct Listening {
    shard: Rc<Shard>,
    tenant: Rc<ShardTenant>,
    topic: Topic,
    client: Rc<ClientConnection>,
}

impl Listening {
    /// Counts an entry of the hub, and removes it when dropped.
    pub(super) fn new(shard: Rc<Shard>, tenant: Rc<ShardTenant>, topic: Topic, client: Rc<ClientConnection>) -> Self {
        tenant.metrics.subscriptions.inc();
        let footprint = &tenant.metrics.footprint;
        footprint.add(MemoryUse::Channels, SUBSCRIPTION_BYTES);
        client.channels.update(|channels| channels + 1);
        Self {
            shard,
            tenant,
            topic,
            client,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.tenant.metrics.subscriptions.dec();
        let footprint = &self.tenant.metrics.footprint;
        footprint.sub(MemoryUse::Channels, SUBSCRIPTION_BYTES);
        self.shard.hub.borrow_mut().remove(&self.topic, self.client.id);
        self.client.channels.update(|channels| channels.saturating_sub(1));
    }
}
