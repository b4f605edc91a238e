//! The contract of every backplane, kept in memory.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::channel::ChannelState;
use super::pending::PendingChange;
use super::room::send;
use super::state::{INBOX_WAIT, MemoryBackplane};
use super::waiting::{PendingEntry, PendingReply};
use crate::{
    Allowance, Backplane, Envelope, HistoryPage, HistoryRange, PresenceSnapshot, PublishOptions, Published, Rejection,
    Reply, Unavailable,
};
use chain::{Message, Permit};
use config::ChannelSettings;
use protocol::names::Topic;
use protocol::{Member, Position};

impl Backplane for MemoryBackplane {
    fn publish(
        self: Arc<Self>,
        permit: Permit<Message>,
        options: PublishOptions,
    ) -> Reply<'static, Published, Rejection> {
        let message = permit.redeem();
        let topic = message.topic.clone();
        let mut channels = self.channels(&topic);
        let keeps = options.key.is_some() || (options.settings.history.is_some() && !options.ephemeral);
        if !keeps && !channels.contains_key(&topic) {
            // Nobody listens, and nothing is kept.
            return Box::pin(ready(Ok(self.unheard())));
        }
        let channel = match self.open(&mut channels, &topic, &options.allowance) {
            Ok(channel) => channel,
            Err(limit) => return Box::pin(ready(Err(limit.into()))),
        };
        let mut room_of_key = None;
        if let Some(key) = &options.key {
            if let Some(first) = channel.seen(key, Instant::now()) {
                return Box::pin(ready(Ok(first)));
            }
            match channel.tenant().room_for_key(key, &options.allowance) {
                Ok(room) => room_of_key = Some(room),
                Err(limit) => {
                    if !channel.is_needed(Instant::now()) {
                        channels.remove(&topic);
                    }
                    return Box::pin(ready(Err(limit.into())));
                }
            }
        }
        if let Some(room) = self.room_or_wait(&topic, channel, message.data.len()) {
            let published = self.accept(channel, message, &options, room_of_key, room);
            let tenant = channel.tenant().clone();
            drop(channels);
            self.shorten(&tenant);
            return Box::pin(ready(Ok(published)));
        }
        let bytes = match self.pending_bytes.reserve(&topic.tenant, message.data.len()) {
            Ok(bytes) => bytes,
            Err(full) => return Box::pin(ready(Err(full.into()))),
        };
        let (answer, reply) = oneshot::channel();
        channel.pending.push_back(PendingChange::Publish {
            message,
            options,
            key: room_of_key,
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
            Ok(waiting.reply().await?)
        })
    }

    fn message_id(&self) -> Arc<str> {
        self.unique()
    }

    fn join<'a>(
        &'a self,
        topic: &'a Topic,
        _: &'a Arc<ChannelSettings>,
        allowance: &'a Allowance,
        shard: usize,
    ) -> Reply<'a, (), Rejection> {
        let opened = self.open(&mut self.channels(topic), topic, allowance).map(|channel| {
            channel.join(shard);
            channel.tenant().clone()
        });
        let joined = opened.map(|tenant| self.shorten(&tenant));
        Box::pin(ready(joined.map_err(Rejection::from)))
    }

    fn leave(&self, topic: &Topic, shard: usize) {
        let mut channels = self.channels(topic);
        if let Some(channel) = channels.get_mut(topic) {
            let now = Instant::now();
            channel.leave(shard, now);
            if !channel.pending.is_empty() {
                // It may have waited for that shard.
                self.accept_pending(&mut channels, topic);
            } else if !channel.is_needed(now) {
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
        let page = match self.channels(topic).get_mut(topic) {
            Some(channel) => channel.page(settings, &range, Instant::now()),
            None => self.page_of_unused(topic, &range),
        };
        Box::pin(ready(Ok(page)))
    }

    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()> {
        let mut channels = self.channels(topic);
        // Who is present has joined, so the channel is open and the session was admitted.
        if !channels.contains_key(topic)
            && let Err(limit) = self.open(&mut channels, topic, &Allowance::UNLIMITED)
        {
            return Box::pin(ready(Err(Unavailable(limit.to_string()))));
        }
        let channel = channels.get_mut(topic).expect("it is open");
        if !settings.join_leave || channel.has(member) {
            channel.enter(member);
            return Box::pin(ready(Ok(())));
        }
        if let Some(room) = self.room_or_wait(topic, channel, 0) {
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

impl MemoryBackplane {
    /// What a publish comes to in a channel without history that nobody listens to.
    fn unheard(&self) -> Published {
        Published {
            id: self.unique(),
            position: None,
            duplicate: false,
        }
    }

    /// The page of a channel that is not open: reading does not open it. Its epoch is the one that it will have.
    fn page_of_unused(&self, topic: &Topic, range: &HistoryRange) -> HistoryPage {
        let tenant = self.tenants.of(&topic.tenant);
        let newest = Position {
            epoch: tenant.epochs.lock().next(self.hash(topic)),
            offset: 0,
        };
        HistoryPage {
            whole: range.since.as_ref().is_none_or(|since| *since == newest),
            newest,
            messages: Vec::new(),
            is_cut: false,
        }
    }
}
