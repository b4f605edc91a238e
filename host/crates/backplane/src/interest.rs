//! What a subscription owns in the backplane. Dropping it gives it back, so every way out of a
//! subscription leaves the channel: unsubscribe, close, or the end of a task that panicked.

use std::sync::Arc;

use super::{Allowance, Backplane, Rejection, Unavailable};
use config::ChannelSettings;
use protocol::Member;
use protocol::names::Topic;

/// The messages of a topic come to a shard while this is alive.
pub struct Interest {
    backplane: Arc<dyn Backplane>,
    topic: Topic,
    shard: usize,
}

impl Interest {
    /// Joins, and answers when the join is confirmed.
    pub async fn join(
        backplane: &Arc<dyn Backplane>,
        topic: &Topic,
        settings: &Arc<ChannelSettings>,
        allowance: &Allowance,
        shard: usize,
    ) -> Result<Self, Rejection> {
        backplane.join(topic, settings, allowance, shard).await?;
        Ok(Self {
            backplane: backplane.clone(),
            topic: topic.clone(),
            shard,
        })
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.backplane.leave(&self.topic, self.shard);
    }
}

/// A session is present in a channel while this is alive.
pub struct Presence {
    backplane: Arc<dyn Backplane>,
    topic: Topic,
    settings: Arc<ChannelSettings>,
    member: Member,
}

impl Presence {
    /// Enters, and answers when everyone can see it.
    pub async fn enter(
        backplane: &Arc<dyn Backplane>,
        topic: &Topic,
        settings: &Arc<ChannelSettings>,
        member: Member,
    ) -> Result<Self, Unavailable> {
        backplane.enter(topic, settings, &member).await?;
        Ok(Self {
            backplane: backplane.clone(),
            topic: topic.clone(),
            settings: settings.clone(),
            member,
        })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.backplane.exit(&self.topic, &self.settings, &self.member);
    }
}
