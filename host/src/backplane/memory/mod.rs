//! The backplane of a single node: channels in memory, the same contract as across nodes. Knows the
//! inboxes of its shards; nothing survives the process.

mod channel;
mod keys;
mod pending;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::hash::BuildHasher;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::envelope::PresenceChange;
use super::{
    Backplane, Envelope, HistoryPage, HistoryRange, PresenceSnapshot, PublishOptions, Published, Reply, Unavailable,
};
use crate::chain::{Message, Permit};
use crate::config::ChannelSettings;
use crate::protocol::Member;
use crate::protocol::names::Topic;
use channel::ChannelState;
use pending::{Pending, WaitingChannels};

/// Envelopes a shard's inbox holds at most; a publisher waits for room.
pub const INBOX_ENVELOPES: usize = 1024;
/// How long a publish or a join waits for room in a shard's inbox before it fails with 4504.
const INBOX_WAIT: Duration = Duration::from_secs(5);
/// Bytes of messages that wait for room at most, in all channels together; beyond it a publish fails with 4504.
const PENDING_BYTES: usize = 64 * 1_048_576;
/// Between two looks for channels that nobody needs any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Locks over all channels: enough that shards seldom meet.
const STRIPES: usize = 64;

type Channels = HashMap<Topic, ChannelState, RandomState>;

/// The memory backplane.
pub struct MemoryBackplane {
    stripes: Vec<Mutex<Channels>>,
    hasher: RandomState,
    inboxes: Vec<mpsc::Sender<Envelope>>,
    /// The channels that wait for room, by shard.
    waiting: Vec<WaitingChannels>,
    /// What is left of [`PENDING_BYTES`].
    pending_room: Arc<Semaphore>,
    /// Begins every id and epoch of this process, so that none repeats after a restart.
    nonce: u64,
    counter: AtomicU64,
    /// Changes of who is present that were counted so far: what is counted under a channel's lock, in its order, is the
    /// change's version.
    changes: AtomicU64,
}

impl MemoryBackplane {
    /// A backplane for the shards whose inboxes these are, in their order.
    pub fn new(inboxes: Vec<mpsc::Sender<Envelope>>) -> Arc<Self> {
        let nonce = getrandom::u64().expect("the system gives random bytes");
        Arc::new(Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            waiting: inboxes.iter().map(|_| WaitingChannels::default()).collect(),
            pending_room: Arc::new(Semaphore::new(PENDING_BYTES)),
            inboxes,
            nonce,
            counter: AtomicU64::new(1),
            changes: AtomicU64::new(0),
        })
    }

    /// Forgets channels that nobody needs any more, for ever.
    async fn sweep(&self) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            let now = Instant::now();
            for stripe in &self.stripes {
                stripe.lock().retain(|_, channel| channel.is_needed(now));
            }
        }
    }

    fn channels(&self, topic: &Topic) -> MutexGuard<'_, Channels> {
        let stripe = usize::try_from(self.hasher.hash_one(topic) % STRIPES as u64).expect("below STRIPES");
        self.stripes[stripe].lock()
    }

    fn channel<'a>(&self, channels: &'a mut Channels, topic: &Topic) -> &'a mut ChannelState {
        if !channels.contains_key(topic) {
            let epoch = self.unique();
            channels.insert(topic.clone(), ChannelState::new(epoch, self.inboxes.len()));
        }
        channels.get_mut(topic).expect("it was just made")
    }

    /// A name that no message and no epoch had before.
    fn unique(&self) -> Arc<str> {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{count:x}", self.nonce).into()
    }

    /// Moves on what waits for room, and forgets channels that nobody needs any more, for ever: to be spawned beside the
    /// broker.
    pub async fn run(self: Arc<Self>) {
        let moving = (0..self.inboxes.len()).map(|shard| self.move_on(shard));
        tokio::join!(self.sweep(), join_all(moving));
    }

    /// Gives the room of a shard's inbox to the channels that wait for it, in turn.
    async fn move_on(&self, shard: usize) {
        loop {
            self.waiting[shard].any().await;
            // Which envelopes the room is for is decided under the channel's lock. An inbox that is closed wants none.
            drop(self.inboxes[shard].reserve().await);
            if let Some(topic) = self.waiting[shard].take_first() {
                self.accept_pending(&mut self.channels(&topic), &topic);
            }
        }
    }

    /// Accepts what waits in a channel, as far as there is room.
    fn accept_pending(&self, channels: &mut Channels, topic: &Topic) {
        let Some(channel) = channels.get_mut(topic) else { return };
        while let Some(pending) = channel.pending.pop_front() {
            if pending.is_given_up() {
                continue;
            }
            let room = match self.room(channel) {
                Ok(room) => room,
                Err(full) => {
                    channel.pending.push_front(pending);
                    self.waiting[full].add(topic);
                    return;
                }
            };
            match pending {
                Pending::Publish {
                    message,
                    options,
                    reply,
                    ..
                } => {
                    let first = options.key.as_ref().and_then(|key| channel.seen(key, Instant::now()));
                    let published = first.unwrap_or_else(|| self.accept(channel, message, &options, room));
                    let _gone = reply.send(published);
                }
                Pending::Join { member, reply } => {
                    if channel.enter(&member) {
                        send(room, &Envelope::Presence(self.change(topic, &member, true)));
                    }
                    let _gone = reply.send(());
                }
                Pending::Leave(change) => send(room, &Envelope::Presence(change)),
            }
        }
    }

    /// Forgets what waits in a channel and is waited for by nobody.
    fn forget_given_up(&self, topic: &Topic) {
        if let Some(channel) = self.channels(topic).get_mut(topic) {
            channel.pending.retain(|pending| !pending.is_given_up());
        }
    }

    /// Room in every shard that wants the channel's envelopes, or a shard that has none.
    fn room(&self, channel: &ChannelState) -> Result<Room<'_>, usize> {
        let mut room = Vec::with_capacity(self.inboxes.len());
        for shard in channel.interested() {
            match self.inboxes[shard].try_reserve() {
                Ok(permit) => room.push(permit),
                Err(TrySendError::Full(())) => return Err(shard),
                Err(TrySendError::Closed(())) => {}
            }
        }
        Ok(room)
    }

    /// The same for what comes now: it goes behind what waits in the channel, and the channel behind those that wait for
    /// its shards. Without room the channel waits.
    fn room_or_wait(&self, topic: &Topic, channel: &ChannelState) -> Option<Room<'_>> {
        if !channel.pending.is_empty() {
            return None;
        }
        let behind = channel.interested().find(|shard| !self.waiting[*shard].is_empty());
        match behind.map_or_else(|| self.room(channel), Err) {
            Ok(room) => Some(room),
            Err(full) => {
                self.waiting[full].add(topic);
                None
            }
        }
    }

    /// Gives a message its place, and sends it to everyone: room first, so that what has an offset is on its way.
    fn accept(
        &self,
        channel: &mut ChannelState,
        message: Message,
        options: &PublishOptions,
        room: Room<'_>,
    ) -> Published {
        let publication = channel.accept(self.unique(), message, options, Instant::now());
        let published = Published {
            id: publication.id.clone(),
            position: publication.position.clone(),
            duplicate: false,
        };
        send(room, &Envelope::Message(publication));
        published
    }

    /// The next change of who is present; called under its channel's lock.
    fn change(&self, topic: &Topic, member: &Member, joined: bool) -> Arc<PresenceChange> {
        let version = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(PresenceChange::new(topic.clone(), member.clone(), joined, version))
    }
}

/// Room for one envelope in each of some inboxes.
type Room<'a> = Vec<mpsc::Permit<'a, Envelope>>;

fn send(room: Room<'_>, envelope: &Envelope) {
    for permit in room {
        permit.send(envelope.clone());
    }
}

/// Waits for what is pending in a channel. Dropped, it is given up.
struct Waiting<'a, T> {
    backplane: &'a MemoryBackplane,
    topic: &'a Topic,
    reply: oneshot::Receiver<T>,
    until: Instant,
}

impl<T> Waiting<'_, T> {
    async fn reply(mut self) -> Result<T, Unavailable> {
        match tokio::time::timeout_at(self.until, &mut self.reply).await {
            Ok(Ok(reply)) => Ok(reply),
            _ => Err(Unavailable(format!("a shard took nothing for {INBOX_WAIT:?}"))),
        }
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        if !self.reply.is_terminated() {
            self.reply.close();
            self.backplane.forget_given_up(self.topic);
        }
    }
}

/// An entry that was not answered: dropped, it is taken back.
struct Entering<'a> {
    backplane: &'a MemoryBackplane,
    topic: &'a Topic,
    settings: &'a ChannelSettings,
    member: &'a Member,
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.backplane.exit(self.topic, self.settings, self.member);
    }
}

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
        let bytes = u32::try_from(message.data.len()).unwrap_or(u32::MAX);
        let Ok(bytes) = self.pending_room.clone().try_acquire_many_owned(bytes) else {
            let why = format!("{PENDING_BYTES} bytes wait for busy shards already");
            return Box::pin(ready(Err(Unavailable(why))));
        };
        let (answer, reply) = oneshot::channel();
        channel.pending.push_back(Pending::Publish {
            message,
            options,
            reply: answer,
            _bytes: bytes,
        });
        drop(channels);
        let until = Instant::now() + INBOX_WAIT;
        Box::pin(async move {
            let waiting = Waiting {
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
        channel.pending.push_back(Pending::Join {
            member: member.clone(),
            reply: answer,
        });
        drop(channels);
        let waiting = Waiting {
            backplane: self,
            topic,
            reply,
            until: Instant::now() + INBOX_WAIT,
        };
        let entering = Entering {
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
        let mut channels = self.channels(topic);
        let Some(channel) = channels.get_mut(topic) else {
            return;
        };
        if !channel.exit(member) || !settings.join_leave {
            return;
        }
        let change = self.change(topic, member, false);
        match self.room_or_wait(topic, channel) {
            Some(room) => send(room, &Envelope::Presence(change)),
            // A leave comes from a drop, which cannot wait.
            None => channel.pending.push_back(Pending::Leave(change)),
        }
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

    fn is_up(&self) -> bool {
        true
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}
