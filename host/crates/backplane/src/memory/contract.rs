//! The contract of every backplane, kept in memory.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::channel::ChannelState;
use super::pending::PendingChange;
use super::room::send;
use super::state::{INBOX_WAIT, MemoryBackplane, PENDING_BYTES, TENANT_PENDING_BYTES};
use super::waiting::{PendingEntry, PendingReply};
use crate::{
    Backplane, Envelope, HistoryPage, HistoryRange, PresenceSnapshot, PublishOptions, Published, Reply, Unavailable,
};
use chain::{Message, Permit};
use config::ChannelSettings;
use protocol::Member;
use protocol::names::Topic;

impl Backplane for MemoryBackplane {
    fn publish(self: Arc<Self>, permit: Permit<Message>, options: PublishOptions) -> Reply<'static, Published> {
        let message = permit.redeem();
        let topic = message.topic.clone();
        let mut channels = self.channels(&topic);
        let channel = self.channel(&mut channels, &topic);
        if let Some(key) = &options.key
            && let Some(first) = channel.seen(key, Instant::now())
        {
            return Box::pin(ready(Ok(first)));
        }
        if let Some(room) = self.room_or_wait(&topic, channel) {
            return Box::pin(ready(Ok(self.accept(channel, message, &options, room))));
        }
        let Some(bytes) = self.reserve_pending(&topic.tenant, message.data.len()) else {
            let why = format!(
                "{TENANT_PENDING_BYTES} bytes of the tenant wait for busy shards already, or {PENDING_BYTES} of all"
            );
            return Box::pin(ready(Err(Unavailable(why))));
        };
        let (answer, reply) = oneshot::channel();
        channel.pending.push_back(PendingChange::Publish {
            message,
            options,
            reply: answer,
            _bytes: bytes,
        });
        drop(channels);
        let until = Instant::now() + INBOX_WAIT;
        Box::pin(async move {
            let waiting = PendingReply {
                backplane: &self,
                topic: &topic,
                reply,
                until,
            };
            waiting.reply().await
        })
    }

    fn message_id(&self) -> Arc<str> {
        self.unique()
    }

    fn join<'a>(&'a self, topic: &'a Topic, _: &'a Arc<ChannelSettings>, shard: usize) -> Reply<'a, ()> {
        self.channel(&mut self.channels(topic), topic).join(shard);
        Box::pin(ready(Ok(())))
    }

    fn leave(&self, topic: &Topic, shard: usize) {
        let mut channels = self.channels(topic);
        if let Some(channel) = channels.get_mut(topic) {
            channel.leave(shard);
            if !channel.pending.is_empty() {
                // It may have waited for that shard.
                self.accept_pending(&mut channels, topic);
            } else if !channel.is_needed(Instant::now()) {
                channels.remove(topic);
            }
        }
    }

    fn history<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a ChannelSettings,
        range: HistoryRange,
    ) -> Reply<'a, HistoryPage> {
        let mut channels = self.channels(topic);
        let page = self
            .channel(&mut channels, topic)
            .page(settings, &range, Instant::now());
        Box::pin(ready(Ok(page)))
    }

    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()> {
        let mut channels = self.channels(topic);
        let channel = self.channel(&mut channels, topic);
        if !settings.join_leave || channel.has(member) {
            channel.enter(member);
            return Box::pin(ready(Ok(())));
        }
        if let Some(room) = self.room_or_wait(topic, channel) {
            channel.enter(member);
            send(room, &Envelope::Presence(self.change(topic, member, true)));
            return Box::pin(ready(Ok(())));
        }
        let (answer, reply) = oneshot::channel();
        channel.pending.push_back(PendingChange::Join {
            member: member.clone(),
            reply: answer,
        });
        drop(channels);
        let waiting = PendingReply {
            backplane: self,
            topic,
            reply,
            until: Instant::now() + INBOX_WAIT,
        };
        let entering = PendingEntry {
            backplane: self,
            topic,
            settings,
            member,
        };
        Box::pin(async move {
            waiting.reply().await?;
            std::mem::forget(entering);
            Ok(())
        })
    }

    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        self.remove_member(topic, settings, member);
    }

    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot> {
        let channels = self.channels(topic);
        let snapshot = PresenceSnapshot {
            members: channels.get(topic).map_or_else(Vec::new, ChannelState::members),
            version: self.changes.load(Ordering::Relaxed),
        };
        Box::pin(ready(Ok(snapshot)))
    }

    fn topics(&self) -> Vec<(Topic, u64)> {
        let mut topics = Vec::new();
        for stripe in &self.stripes {
            let stripe = stripe.lock();
            let listed = stripe
                .iter()
                .map(|(topic, channel)| (topic.clone(), channel.subscriptions()));
            topics.extend(listed.filter(|(_, subscriptions)| *subscriptions > 0));
        }
        topics
    }

    fn hindrance(&self) -> Option<String> {
        None
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}
