//! All channels, each behind one of many locks, and the inboxes of the shards.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::channel::ChannelState;
use super::pending::WaitingChannels;
use super::tenants::{MemoryTenant, MemoryTenants};
use crate::allowance::{Allowance, ChannelLimit};
use crate::pending_bytes::PendingBytes;
use crate::{BackplaneMetrics, Inbox};
use protocol::names::Topic;

/// How long a publish or a join waits for room in a shard's inbox before it fails with 4504.
pub(super) const INBOX_WAIT: Duration = Duration::from_secs(5);
/// Between two looks for channels that nobody needs any more.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Messages that one publish removes at most from the oldest histories; the next publish, or the sweep, goes on.
const SHORTENED_AT_ONCE: usize = 1024;
/// Locks over all channels: enough that shards seldom meet.
const STRIPES: usize = 64;

pub(super) type ChannelMap = HashMap<Topic, ChannelState, RandomState>;

pub struct MemoryBackplane {
    pub(super) stripes: Vec<Mutex<ChannelMap>>,
    pub(super) hasher: RandomState,
    pub(super) tenants: MemoryTenants,
    pub(super) inboxes: Vec<Arc<Inbox>>,
    /// The channels that wait for room, by shard.
    pub(super) waiting: Vec<WaitingChannels>,
    pub(super) pending_bytes: PendingBytes,
    /// Begins every id of this process, so that none repeats after a restart.
    pub(super) nonce: u64,
    pub(super) counter: AtomicU64,
    /// Changes of who is present that were counted so far: what is counted under a channel's lock, in its order, is the
    /// change's version.
    pub(super) changes: AtomicU64,
}

impl MemoryBackplane {
    /// A backplane for the shards whose inboxes these are, in their order.
    pub fn new(inboxes: Vec<Arc<Inbox>>, metrics: BackplaneMetrics) -> Arc<Self> {
        let nonce = getrandom::u64().expect("the system gives random bytes");
        Arc::new(Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            tenants: MemoryTenants::new(nonce, metrics),
            waiting: inboxes.iter().map(|_| WaitingChannels::default()).collect(),
            pending_bytes: PendingBytes::default(),
            inboxes,
            nonce,
            counter: AtomicU64::new(1),
            changes: AtomicU64::new(0),
        })
    }

    /// Forgets messages and channels that nobody needs any more, for ever.
    pub(super) async fn sweep(&self) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            let now = Instant::now();
            for stripe in &self.stripes {
                stripe.lock().retain(|_, channel| channel.sweep(now));
            }
            for tenant in self.tenants.all() {
                self.shorten(&tenant);
            }
        }
    }

    /// Removes the oldest messages of a tenant until it keeps no more than it may. Called without a channel's lock.
    pub(super) fn shorten(&self, tenant: &MemoryTenant) {
        for _ in 0..SHORTENED_AT_ONCE {
            let Some(topic) = tenant.next_to_shorten() else { return };
            if let Some(channel) = self.channels(&topic).get_mut(&topic) {
                channel.drop_oldest();
            }
        }
    }

    pub(super) fn channels(&self, topic: &Topic) -> MutexGuard<'_, ChannelMap> {
        let stripe = usize::try_from(self.hash(topic) % STRIPES as u64).expect("below STRIPES");
        self.stripes[stripe].lock()
    }

    pub(super) fn hash(&self, topic: &Topic) -> u64 {
        self.hasher.hash_one(topic)
    }

    /// The channel, opened if it is not, and if its tenant may have something further.
    pub(super) fn open<'a>(
        &self,
        channels: &'a mut ChannelMap,
        topic: &Topic,
        allowance: &Allowance,
    ) -> Result<&'a mut ChannelState, ChannelLimit> {
        if let Some(channel) = channels.get(topic) {
            channel.tenant().admit(allowance)?;
        } else {
            let tenant = self.tenants.of(&topic.tenant);
            tenant.admit(allowance)?;
            let open = tenant.open.open(allowance, topic.channel.as_str().len())?;
            let channel = ChannelState::new(tenant, self.hash(topic), open, self.inboxes.len());
            channels.insert(topic.clone(), channel);
        }
        Ok(channels.get_mut(topic).expect("it was just made"))
    }

    /// A name that no message had before.
    pub(super) fn unique(&self) -> Arc<str> {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{count:x}", self.nonce).into()
    }
}
