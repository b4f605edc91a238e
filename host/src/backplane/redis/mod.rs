//! The backplane of many nodes: Redis gives every message its place and sends it to the nodes that want it.
//! The only room that names Redis, but for the registry's.
//!
//! A message takes one round trip: a script finds its key, counts its offset, keeps it in a stream and publishes
//! it. Each node subscribes to the channels that someone there listens to, and to no others. What was missed is
//! read from the stream; what cannot be read is told.

mod backoff;
mod codec;
mod desk;
mod ear;
mod errand;
mod feed;
mod feeds;
mod fill;
mod history;
mod identity;
mod lane;
mod lanes;
mod link;
mod names;
mod notes;
mod presence;
mod probe;
mod publish;
mod reader;
mod script;
mod servers;
mod store;
mod subscriber;
mod subscribers;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::{
    Backplane, Envelope, HistoryPage, HistoryRange, PresenceSnapshot, PublishOptions, Published, Reply, Unavailable,
};
use crate::chain::{Message, Permit};
use crate::config::{ChannelSettings, RedisSettings};
use crate::observe::BackplaneMetrics;
use crate::protocol::Member;
use crate::protocol::names::Topic;
use desk::Desk;
use ear::Queue;
use feeds::{Feeds, Joined};
use lanes::Lanes;
use names::Names;
use notes::Notes;
use plugin_store::shared::SharedStore;
use probe::Probes;
pub(crate) use script::{Call, Script};
pub(crate) use servers::Servers;
use subscribers::Subscribers;

/// How long a join or an entry waits for its confirmation before it fails with 4504.
const CONFIRM_WAIT: Duration = Duration::from_secs(3);

/// The Redis backplane.
pub struct RedisBackplane(Arc<Inner>);

struct Inner {
    servers: Arc<Servers>,
    feeds: Feeds,
    subscribers: Subscribers,
    probes: Probes,
    notes: Notes,
    desk: Desk,
    lanes: Lanes,
    inboxes: Vec<mpsc::Sender<Envelope>>,
    fills: Semaphore,
    /// Where its tasks run.
    runtime: Handle,
    metrics: BackplaneMetrics,
    timeout: Duration,
    /// Replicas that must have a message before it is acknowledged.
    replicas: u32,
    /// This start of this node, unlike any other.
    instance: String,
    nonce: u64,
    counter: AtomicU64,
}

impl RedisBackplane {
    /// A backplane for the shards whose inboxes these are. Its tasks run on the runtime this is called in, and
    /// connect in their own time: until then everything fails. Beside it, what other nodes send to this one.
    pub fn start(
        settings: RedisSettings,
        node: &str,
        inboxes: Vec<mpsc::Sender<Envelope>>,
        metrics: BackplaneMetrics,
    ) -> (Self, mpsc::Receiver<Bytes>) {
        let nonce = getrandom::u64().expect("the system gives random bytes");
        let (queue, heard) = Queue::new();
        let names = Names::new(&settings.prefix);
        let instance = format!("{node}~{nonce:x}");
        let (notes, received) = Notes::new([names.notes(None), names.notes(Some(&instance))]);
        let inner = Arc::new(Inner {
            feeds: Feeds::new(names, inboxes.len(), settings.position_check),
            subscribers: Subscribers::default(),
            probes: Probes::default(),
            notes,
            desk: Desk::default(),
            lanes: Lanes::default(),
            inboxes,
            fills: Semaphore::new(fill::AT_ONCE),
            runtime: Handle::current(),
            metrics,
            timeout: settings.timeout,
            replicas: settings.replicas,
            instance,
            nonce,
            counter: AtomicU64::new(1),
            servers: Servers::connect(settings),
        });
        tokio::spawn(subscribers::keep_all(inner.clone(), queue.clone()));
        tokio::spawn(reader::read(inner.clone(), queue, heard));
        tokio::spawn(inner.clone().check_quiet());
        tokio::spawn(inner.clone().keep_presence());
        tokio::spawn(inner.clone().beat());
        (Self(inner), received)
    }

    /// Where plugins keep what all nodes share.
    pub fn store(&self) -> Arc<dyn SharedStore> {
        let inner = &self.0;
        Arc::new(store::Store::new(
            inner.servers.clone(),
            inner.feeds.names.clone(),
            inner.runtime.clone(),
            inner.metrics.stalls.clone(),
        ))
    }

    /// The servers, for what else is kept there.
    pub(crate) fn servers(&self) -> &Arc<Servers> {
        &self.0.servers
    }
}

impl Inner {
    /// A name that no message and no epoch had before.
    fn unique(&self) -> Arc<str> {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{count:x}", self.nonce).into()
    }

    fn is_up(&self) -> bool {
        let links = self.servers.links();
        // Orders go to the nodes that are known.
        self.desk.is_known() && self.servers.are_up() && links.iter().all(|link| self.subscribers.of(link).is_some())
    }

    /// Brings an envelope to shards; waits for those that are busy.
    async fn deliver(&self, envelope: &Envelope, shards: &[usize]) {
        for shard in shards {
            // A shard that is gone wants nothing.
            drop(self.inboxes[*shard].send(envelope.clone()).await);
        }
    }
}

impl Backplane for RedisBackplane {
    fn publish(self: Arc<Self>, permit: Permit<Message>, options: PublishOptions) -> Reply<'static, Published> {
        Box::pin(async move { self.0.publish(permit.redeem(), &options).await })
    }

    fn takes_turns(&self) -> bool {
        true
    }

    fn message_id(&self) -> Arc<str> {
        self.0.unique()
    }

    fn join<'a>(&'a self, topic: &'a Topic, settings: &'a Arc<ChannelSettings>, shard: usize) -> Reply<'a, ()> {
        Box::pin(async move {
            // Given back also when whoever waits goes away.
            let joined = Joining {
                feeds: &self.0.feeds,
                topic,
                shard,
            };
            if let Joined::When(confirmed) = self.0.feeds.join(topic, settings, shard) {
                // Nothing to wait for.
                self.0.servers.reach(self.0.feeds.names.channel(topic).as_bytes())?;
                let confirmed = tokio::time::timeout(CONFIRM_WAIT, confirmed).await;
                if !matches!(confirmed, Ok(Ok(()))) {
                    return Err(Unavailable("the subscription was not confirmed".into()));
                }
            }
            std::mem::forget(joined);
            Ok(())
        })
    }

    fn leave(&self, topic: &Topic, shard: usize) {
        self.0.feeds.leave(topic, shard);
    }

    fn history<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a ChannelSettings,
        range: HistoryRange,
    ) -> Reply<'a, HistoryPage> {
        Box::pin(async move {
            let page = self.0.read_history(topic, settings, &range).await?;
            self.0.feeds.learn(topic, &page.newest);
            Ok(page)
        })
    }

    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()> {
        Box::pin(async move {
            let entering = Entering {
                desk: &self.0.desk,
                topic,
                settings,
                member,
            };
            let entered = self.0.desk.enter(topic, settings, member);
            self.0.servers.reach(self.0.feeds.names.members(topic).as_bytes())?;
            match tokio::time::timeout(CONFIRM_WAIT, entered).await {
                Ok(Ok(())) => {
                    std::mem::forget(entering);
                    Ok(())
                }
                _ => Err(Unavailable("the presence was not confirmed".into())),
            }
        })
    }

    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member) {
        self.0.desk.exit(topic, settings, member);
    }

    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot> {
        Box::pin(self.0.members(topic))
    }

    fn topics(&self) -> Vec<(Topic, u64)> {
        self.0.feeds.list()
    }

    fn is_up(&self) -> bool {
        self.0.is_up()
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(async move {
            // Who leaves somebody behind is cleaned up after by the others.
            if self.0.desk.settled().await {
                self.0.sign_off().await;
            }
            Ok(())
        })
    }
}

/// A join that was not answered: dropped, it is taken back.
struct Joining<'a> {
    feeds: &'a Feeds,
    topic: &'a Topic,
    shard: usize,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        self.feeds.leave(self.topic, self.shard);
    }
}

/// An entry that was not answered: dropped, it is taken back.
struct Entering<'a> {
    desk: &'a Desk,
    topic: &'a Topic,
    settings: &'a ChannelSettings,
    member: &'a Member,
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.desk.exit(self.topic, self.settings, self.member);
    }
}
