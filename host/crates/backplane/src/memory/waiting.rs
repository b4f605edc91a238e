//! Who waits for what is pending, and what becomes of it when nobody does.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::state::{INBOX_WAIT, MemoryBackplane};
use crate::Unavailable;
use config::ChannelSettings;
use protocol::Member;
use protocol::names::Topic;

/// Waits for what is pending in a channel. Dropped, it is given up.
pub(super) struct PendingReply<'a, T> {
    pub(super) backplane: &'a MemoryBackplane,
    pub(super) topic: &'a Topic,
    pub(super) reply: oneshot::Receiver<T>,
    pub(super) until: Instant,
}

impl<T> PendingReply<'_, T> {
    pub(super) async fn reply(mut self) -> Result<T, Unavailable> {
        match tokio::time::timeout_at(self.until, &mut self.reply).await {
            Ok(Ok(reply)) => Ok(reply),
            _ => Err(Unavailable(format!("a shard took nothing for {INBOX_WAIT:?}"))),
        }
    }
}

impl<T> Drop for PendingReply<'_, T> {
    fn drop(&mut self) {
        if !self.reply.is_terminated() {
            self.reply.close();
            self.backplane.forget_given_up(self.topic);
        }
    }
}

/// An entry that was not answered: dropped, it is taken back.
pub(super) struct PendingEntry<'a> {
    pub(super) backplane: &'a MemoryBackplane,
    pub(super) topic: &'a Topic,
    pub(super) settings: &'a ChannelSettings,
    pub(super) member: &'a Member,
}

impl Drop for PendingEntry<'_> {
    fn drop(&mut self) {
        self.backplane.remove_member(self.topic, self.settings, self.member);
    }
}
