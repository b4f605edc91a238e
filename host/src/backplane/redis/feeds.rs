//! The topics that this node wants, and what has to be said to Redis about them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::feed::{Feed, Next};
use super::names::Names;
use crate::backplane::Publication;
use crate::config::ChannelSettings;
use crate::protocol::Position;
use crate::protocol::names::Topic;

/// All topics, by their Redis channels.
pub(super) struct Feeds {
    pub names: Names,
    shards: usize,
    check: Duration,
    topics: Mutex<HashMap<Arc<str>, Feed, RandomState>>,
    generations: AtomicU64,
    /// Channels whose subscription may not be as it should. A set: whoever joins and leaves a thousand times
    /// stands in it once.
    dirty: Mutex<IndexSet<Arc<str>, RandomState>>,
    /// Counts up when there is something to say; every subscriber looks.
    calls: watch::Sender<u64>,
}

/// Channels to be subscribed and unsubscribed, with the generations of their feeds.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub subscribe: Vec<(Arc<str>, u64)>,
    pub unsubscribe: Vec<Arc<str>>,
}

/// What a join has to wait for.
pub(super) enum Joined {
    /// Nothing.
    Now,
    /// The confirmation.
    When(oneshot::Receiver<()>),
}

impl Feeds {
    pub fn new(names: Names, shards: usize, check: Duration) -> Self {
        Self {
            names,
            shards,
            check,
            topics: Mutex::default(),
            generations: AtomicU64::new(1),
            dirty: Mutex::default(),
            calls: watch::channel(0).0,
        }
    }

    /// One more subscriber on `shard`.
    pub fn join(&self, topic: &Topic, settings: &Arc<ChannelSettings>, shard: usize) -> Joined {
        let name: Arc<str> = self.names.channel(topic).into();
        let mut topics = self.topics.lock();
        let feed = topics.entry(name.clone()).or_insert_with(|| {
            let generation = self.generations.fetch_add(1, Ordering::Relaxed);
            Feed::new(topic.clone(), settings.clone(), generation, self.shards, self.check)
        });
        feed.settings = settings.clone();
        feed.join(shard);
        if feed.on.is_some() {
            return Joined::Now;
        }
        let (waiter, when) = oneshot::channel();
        feed.waiters.push(waiter);
        drop(topics);
        self.touch(name);
        Joined::When(when)
    }

    /// One less.
    pub fn leave(&self, topic: &Topic, shard: usize) {
        let name: Arc<str> = self.names.channel(topic).into();
        let mut topics = self.topics.lock();
        let Some(feed) = topics.get_mut(&name) else { return };
        feed.leave(shard);
        if !feed.is_wanted() {
            drop(topics);
            self.touch(name);
        }
    }

    /// Has a look taken at the subscription of a channel.
    pub fn touch(&self, name: Arc<str>) {
        self.dirty.lock().insert(name);
        self.call();
    }

    /// Resolves when there may be something to say.
    pub fn calls(&self) -> watch::Receiver<u64> {
        self.calls.subscribe()
    }

    fn call(&self) {
        self.calls.send_modify(|calls| *calls = calls.wrapping_add(1));
    }

    /// The next channels of which `is_ours`, at most so many, with what `connection` has to say about them.
    /// Feeds that nobody wants any more are forgotten here and nowhere else: so no join is ever taken for one
    /// that was undone.
    pub fn next_batch(&self, connection: u64, most: usize, is_ours: impl Fn(&str) -> bool) -> Batch {
        let mut batch = Batch::default();
        let mut dirty = self.dirty.lock();
        let names: Vec<_> = dirty.iter().filter(|name| is_ours(name)).take(most).cloned().collect();
        for name in &names {
            dirty.swap_remove(name);
        }
        drop(dirty);
        let mut topics = self.topics.lock();
        for name in names {
            let Some(feed) = topics.get_mut(&name) else { continue };
            match (feed.is_wanted(), feed.on) {
                (true, Some(on)) if on == connection => {}
                (true, _) => batch.subscribe.push((name, feed.generation)),
                (false, on) => {
                    topics.remove(&name);
                    if on == Some(connection) {
                        batch.unsubscribe.push(name);
                    }
                }
            }
        }
        batch
    }

    /// `connection` is subscribed to these. Gives those in which there may be a hole.
    pub fn confirm(&self, connection: u64, subscribed: &[(Arc<str>, u64)]) -> Vec<Arc<str>> {
        let mut topics = self.topics.lock();
        let mut check = Vec::new();
        for (name, generation) in subscribed {
            if let Some(feed) = topics.get_mut(name).filter(|feed| feed.generation == *generation)
                && feed.confirm(connection)
            {
                check.push(name.clone());
            }
        }
        check
    }

    /// `connection` is lost: everything it was subscribed to is to be subscribed again.
    pub fn lose(&self, connection: u64) {
        let mut topics = self.topics.lock();
        let mut dirty = self.dirty.lock();
        for (name, feed) in topics.iter_mut().filter(|(_, feed)| feed.on == Some(connection)) {
            feed.lose();
            dirty.insert(name.clone());
        }
        drop((topics, dirty));
        self.call();
    }

    /// All channels are looked at again: some may belong to another server.
    pub fn touch_all(&self, mut moved: impl FnMut(&str, u64) -> bool) {
        let mut topics = self.topics.lock();
        let mut dirty = self.dirty.lock();
        for (name, feed) in topics.iter_mut() {
            if feed.on.is_some_and(|on| moved(name, on)) {
                feed.lose();
            }
            if feed.on.is_none() {
                dirty.insert(name.clone());
            }
        }
        drop((topics, dirty));
        self.call();
    }

    /// The topic of a channel that somebody wants.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        self.topics.lock().get(name).map(|feed| feed.topic.clone())
    }

    /// The shards that want a channel.
    pub fn shards(&self, name: &str, into: &mut Vec<usize>) {
        into.clear();
        if let Some(feed) = self.topics.lock().get(name) {
            into.extend(feed.shards());
        }
    }

    /// A message arrived in a channel: what is to be done with it, and who wants it.
    pub fn take(&self, name: &str, publication: &Arc<Publication>, into: &mut Vec<usize>) -> Next {
        into.clear();
        let mut topics = self.topics.lock();
        let Some(feed) = topics.get_mut(name) else {
            return Next::Nothing;
        };
        let next = feed.take(publication);
        into.extend(feed.shards());
        next
    }

    /// Someone here read a history.
    pub fn learn(&self, topic: &Topic, newest: &Position) {
        if let Some(feed) = self.topics.lock().get_mut(&*self.names.channel(topic)) {
            feed.learn(newest);
        }
    }

    /// Does something with a channel's feed, if there is one.
    pub fn with<T>(&self, name: &str, act: impl FnOnce(&mut Feed) -> T) -> Option<T> {
        self.topics.lock().get_mut(name).map(act)
    }

    /// The quiet channels whose turn it is to be checked.
    pub fn due(&self, now: Instant) -> Vec<Arc<str>> {
        let mut topics = self.topics.lock();
        let due = |(name, feed): (&Arc<str>, &mut Feed)| feed.is_check_due(now, self.check).then(|| name.clone());
        topics.iter_mut().filter_map(due).collect()
    }

    /// The topics that have subscribers here, and how many.
    pub fn list(&self) -> Vec<(Topic, u64)> {
        let topics = self.topics.lock();
        let wanted = topics.values().filter(|feed| feed.is_wanted());
        wanted.map(|feed| (feed.topic.clone(), feed.subscriptions())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::conformance::topic;

    fn feeds() -> Feeds {
        Feeds::new(Names::new("sg"), 2, Duration::from_secs(30))
    }

    fn names(batch: &Batch) -> (usize, usize) {
        (batch.subscribe.len(), batch.unsubscribe.len())
    }

    #[test]
    fn the_first_in_subscribes_and_the_last_out_unsubscribes() {
        let feeds = feeds();
        let (topic, settings) = (topic("a"), Arc::default());
        let Joined::When(mut first) = feeds.join(&topic, &settings, 0) else {
            panic!("not confirmed yet")
        };
        let batch = feeds.next_batch(1, 512, |_| true);
        assert_eq!(names(&batch), (1, 0));
        assert!(first.try_recv().is_err());
        feeds.confirm(1, &batch.subscribe);
        assert!(first.try_recv().is_ok());
        assert!(matches!(feeds.join(&topic, &settings, 1), Joined::Now));
        feeds.leave(&topic, 0);
        assert_eq!(names(&feeds.next_batch(1, 512, |_| true)), (0, 0), "one is left");
        feeds.leave(&topic, 1);
        assert_eq!(names(&feeds.next_batch(1, 512, |_| true)), (0, 1));
        assert!(feeds.list().is_empty());
    }

    #[test]
    fn leaving_and_coming_back_in_between_says_nothing() {
        let feeds = feeds();
        let (topic, settings) = (topic("a"), Arc::default());
        feeds.join(&topic, &settings, 0);
        let batch = feeds.next_batch(1, 512, |_| true);
        feeds.confirm(1, &batch.subscribe);
        feeds.leave(&topic, 0);
        assert!(matches!(feeds.join(&topic, &settings, 0), Joined::Now));
        assert_eq!(names(&feeds.next_batch(1, 512, |_| true)), (0, 0));
    }

    #[test]
    fn a_confirmation_of_an_earlier_life_counts_for_nothing() {
        let feeds = feeds();
        let (topic, settings) = (topic("a"), Arc::default());
        feeds.join(&topic, &settings, 0);
        let late = feeds.next_batch(1, 512, |_| true);
        feeds.leave(&topic, 0);
        feeds.next_batch(1, 512, |_| true);
        let Joined::When(mut when) = feeds.join(&topic, &settings, 0) else {
            panic!("subscribed to what was forgotten")
        };
        feeds.confirm(1, &late.subscribe);
        assert!(when.try_recv().is_err());
    }

    #[test]
    fn a_storm_is_said_in_batches() {
        let feeds = feeds();
        let settings = Arc::default();
        for n in 0..1000 {
            feeds.join(&topic(&n.to_string()), &settings, 0);
        }
        assert_eq!(names(&feeds.next_batch(1, 512, |_| true)), (512, 0));
        assert_eq!(names(&feeds.next_batch(1, 512, |_| true)), (488, 0));
    }

    #[test]
    fn a_lost_connection_is_made_up_for() {
        let feeds = feeds();
        let (topic, settings) = (topic("a"), Arc::default());
        feeds.join(&topic, &settings, 0);
        let batch = feeds.next_batch(1, 512, |_| true);
        assert!(feeds.confirm(1, &batch.subscribe).is_empty());
        let newest = Position {
            epoch: "e".into(),
            offset: 3,
        };
        feeds.learn(&topic, &newest);
        feeds.lose(1);
        let batch = feeds.next_batch(2, 512, |_| true);
        assert_eq!(names(&batch), (1, 0));
        assert_eq!(feeds.confirm(2, &batch.subscribe).len(), 1, "there may be a hole");
    }
}
