//! The backplane of a single node: channels in memory, the same contract as across nodes. Knows the
//! inboxes of its shards; nothing survives the process.

mod channel;
mod keys;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::hash::BuildHasher;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::envelope::PresenceChange;
use super::{
    Backplane, Envelope, HistoryPage, HistoryRange, PresenceSnapshot, PublishOptions, Published, Reply, Unavailable,
};
use chain::{Message, Permit};
use channel::ChannelState;
use config::ChannelSettings;
use protocol::Member;
use protocol::names::Topic;
use waiting::{Added, WaitingPublish, WaitingPublishes};

/// Envelopes a shard's inbox holds at most; a publisher waits for room.
pub const INBOX_ENVELOPES: usize = 1024;
/// How long a publisher waits for room in a shard's inbox before its publish fails with 4504.
const INBOX_WAIT: Duration = Duration::from_secs(5);
/// Between two looks for channels that nobody needs any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Locks over all channels: enough that shards seldom meet.
const STRIPES: usize = 64;

type ChannelMap = HashMap<Topic, ChannelState, RandomState>;

/// The memory backplane.
pub struct MemoryBackplane {
    stripes: Vec<Mutex<ChannelMap>>,
    hasher: RandomState,
    inboxes: Vec<mpsc::Sender<Envelope>>,
    waiting: WaitingPublishes,
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
            inboxes,
            waiting: WaitingPublishes::default(),
            nonce,
            counter: AtomicU64::new(1),
            changes: AtomicU64::new(0),
        })
    }

    /// Forgets channels that nobody needs any more, for ever: to be spawned beside the broker.
    pub async fn sweep(self: Arc<Self>) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            let now = Instant::now();
            for stripe in &self.stripes {
                stripe.lock().retain(|_, channel| channel.is_needed(now));
            }
        }
    }

    fn channels(&self, topic: &Topic) -> MutexGuard<'_, ChannelMap> {
        let stripe = usize::try_from(self.hasher.hash_one(topic) % STRIPES as u64).expect("below STRIPES");
        self.stripes[stripe].lock()
    }

    fn channel<'a>(&self, channels: &'a mut ChannelMap, topic: &Topic) -> &'a mut ChannelState {
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

    /// Accepts the message if every shard that wants it has room, else names one that has not.
    fn try_publish(&self, message: &mut Option<Message>, options: &PublishOptions) -> Result<Published, usize> {
        let topic = &message.as_ref().expect("taken only when published").topic;
        let mut channels = self.channels(topic);
        let channel = self.channel(&mut channels, topic);
        let now = Instant::now();
        if let Some(key) = &options.key
            && let Some(first) = channel.seen(key, now)
        {
            return Ok(first);
        }
        // Room first, then the offset: what has an offset is on its way to everyone.
        let mut permits = Vec::with_capacity(self.inboxes.len());
        for shard in channel.interested() {
            match self.inboxes[shard].try_reserve() {
                Ok(permit) => permits.push(permit),
                Err(TrySendError::Full(())) => return Err(shard),
                Err(TrySendError::Closed(())) => {}
            }
        }
        let message = message.take().expect("checked above");
        let publication = channel.accept(self.unique(), message, options, now);
        let published = Published {
            id: publication.id.clone(),
            position: publication.position.clone(),
            duplicate: false,
        };
        for permit in permits {
            permit.send(Envelope::Message(publication.clone()));
        }
        Ok(published)
    }

    /// Publishes what waits in a channel, in its order, until nothing does.
    async fn publish_waiting(self: Arc<Self>, topic: Topic) {
        while let Some(waiting) = self.waiting.next(&topic) {
            // Nobody waits for it any more.
            if waiting.answer.is_closed() {
                continue;
            }
            let until = waiting.since + INBOX_WAIT;
            let mut message = Some(waiting.message);
            let published = loop {
                match self.try_publish(&mut message, &waiting.options) {
                    Ok(published) => break Ok(published),
                    // Waits until there is room once, then tries anew: order is decided under the lock only.
                    Err(full) => match tokio::time::timeout_at(until, self.inboxes[full].reserve()).await {
                        Ok(_) => {}
                        Err(_) => {
                            break Err(Unavailable(format!("shard {full} took nothing for {INBOX_WAIT:?}")));
                        }
                    },
                }
            };
            drop(waiting.answer.send(published));
        }
    }

    /// Tells the channel's shards who came or went.
    fn announce(&self, topic: &Topic, channel: &ChannelState, member: &Member, joined: bool) {
        let version = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        let change = Arc::new(PresenceChange::new(topic.clone(), member.clone(), joined, version));
        for shard in channel.interested() {
            let inbox = &self.inboxes[shard];
            if let Err(TrySendError::Full(envelope)) = inbox.try_send(Envelope::Presence(change.clone())) {
                // A leave comes from a drop, which cannot wait; the task does.
                let inbox = inbox.clone();
                tokio::spawn(async move {
                    drop(inbox.send(envelope).await);
                });
            }
        }
    }
}

impl Backplane for MemoryBackplane {
    fn publish(self: Arc<Self>, permit: Permit<Message>, options: PublishOptions) -> Reply<'static, Published> {
        let mut message = Some(permit.redeem());
        let topic = message.as_ref().expect("just redeemed").topic.clone();
        if !self.waiting.has(&topic)
            && let Ok(published) = self.try_publish(&mut message, &options)
        {
            return Box::pin(std::future::ready(Ok(published)));
        }
        let (answer, answered) = oneshot::channel();
        let waiting = WaitingPublish {
            message: message.expect("it was not published"),
            options,
            since: Instant::now(),
            answer,
        };
        match self.waiting.add(waiting) {
            Added::First => drop(tokio::spawn(self.clone().publish_waiting(topic))),
            Added::Behind => {}
            Added::Refused => {
                let why = format!("too many publishes to {topic} wait for a shard");
                return Box::pin(std::future::ready(Err(Unavailable(why))));
            }
        }
        Box::pin(async move {
            let answered = answered.await;
            answered.unwrap_or_else(|_| Err(Unavailable("the node ends".into())))
        })
    }

    fn message_id(&self) -> Arc<str> {
        self.unique()
    }

    fn join<'a>(&'a self, topic: &'a Topic, _: &'a Arc<ChannelSettings>, shard: usize) -> Reply<'a, ()> {
        self.channel(&mut self.channels(topic), topic).join(shard);
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, topic: &Topic, shard: usize) {
        let mut channels = self.channels(topic);
        if let Some(channel) = channels.get_mut(topic) {
            channel.leave(shard);
            if !channel.is_needed(Instant::now()) {
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
        Box::pin(std::future::ready(Ok(page)))
    }

    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()> {
        let mut channels = self.channels(topic);
        let channel = self.channel(&mut channels, topic);
        if channel.enter(member) && settings.join_leave {
            self.announce(topic, channel, member, true);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        let mut channels = self.channels(topic);
        let Some(channel) = channels.get_mut(topic) else {
            return;
        };
        if channel.exit(member) && settings.join_leave {
            self.announce(topic, channel, member, false);
        }
    }

    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot> {
        let channels = self.channels(topic);
        let snapshot = PresenceSnapshot {
            members: channels.get(topic).map_or_else(Vec::new, ChannelState::members),
            version: self.changes.load(Ordering::Relaxed),
        };
        Box::pin(std::future::ready(Ok(snapshot)))
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
        Box::pin(std::future::ready(Ok(())))
    }
}
