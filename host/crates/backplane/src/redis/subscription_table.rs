//! The topics that this node wants, and what has to be said to Redis about them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::channel_cursor::{ChannelCursor, Next};
use super::names::KeyNames;
use super::partitions::Partition;
use crate::allowance::{Allowance, ChannelLimit};
use crate::open_channels::OpenChannels;
use crate::{BackplaneMetrics, Publication};
use config::ChannelSettings;
use protocol::Position;
use protocol::names::Topic;

/// Channels of one command at most.
pub(super) const BATCH: usize = 512;

/// All topics, by their Redis channels.
pub(super) struct SubscriptionTable {
    pub names: KeyNames,
    shards: usize,
    check: Duration,
    cursors: Mutex<HashMap<Arc<str>, ChannelCursor, RandomState>>,
    generations: AtomicU64,
    /// Channels whose subscription may not be as it should, by partition. Sets: whoever joins and leaves a thousand
    /// times stands in one once.
    dirty: Mutex<HashMap<Partition, IndexSet<Arc<str>, RandomState>>>,
    /// Counts up when there is something to do; every subscriber looks.
    changes: watch::Sender<u64>,
    /// What each tenant has open. Locked under `cursors`, never around it.
    open: Mutex<HashMap<Arc<str>, Arc<OpenChannels>, RandomState>>,
    metrics: BackplaneMetrics,
}

/// A channel to be subscribed, with the generation of its cursor.
pub(super) type Wanted = (Arc<str>, u64);

/// What one connection has to say now: commands, each with its channels. No channel is in two of them.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub subscribe: Vec<Vec<Wanted>>,
    pub unsubscribe: Vec<Vec<Arc<str>>>,
}

/// What a join has to wait for.
pub(super) enum JoinWait {
    Now,
    When(oneshot::Receiver<()>),
}

impl Round {
    pub(super) fn is_empty(&self) -> bool {
        self.subscribe.is_empty() && self.unsubscribe.is_empty()
    }
}

impl SubscriptionTable {
    pub(super) fn new(names: KeyNames, shards: usize, check: Duration, metrics: BackplaneMetrics) -> Self {
        Self {
            open: Mutex::default(),
            metrics,
            names,
            shards,
            check,
            cursors: Mutex::default(),
            generations: AtomicU64::new(1),
            dirty: Mutex::default(),
            changes: watch::channel(0).0,
        }
    }

    /// Whether Redis has confirmed the topic's subscription.
    pub(super) fn is_on(&self, topic: &Topic) -> bool {
        let cursors = self.cursors.lock();
        cursors
            .get(&*self.names.channel(topic))
            .is_some_and(|cursor| cursor.on.is_some())
    }

    /// Whether some shard wants the topic.
    pub(super) fn is_wanted(&self, topic: &Topic) -> bool {
        let cursors = self.cursors.lock();
        cursors
            .get(&*self.names.channel(topic))
            .is_some_and(ChannelCursor::is_wanted)
    }

    /// One more subscriber on `shard`. The first opens the channel, if its tenant may have one more.
    pub(super) fn join(
        &self,
        topic: &Topic,
        settings: &Arc<ChannelSettings>,
        allowance: &Allowance,
        shard: usize,
    ) -> Result<JoinWait, ChannelLimit> {
        self.admit(&topic.tenant, allowance)?;
        let name: Arc<str> = self.names.channel(topic).into();
        let partition = self.names.partition(topic);
        let mut cursors = self.cursors.lock();
        let cursor = match cursors.entry(name.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let open = self
                    .open_channels(&topic.tenant)
                    .open(allowance, topic.channel.as_str().len())?;
                let generation = self.generations.fetch_add(1, Ordering::Relaxed);
                let place = (topic.clone(), partition);
                let mut cursor = ChannelCursor::new(place, settings.clone(), generation, self.shards, self.check);
                cursor.open = Some(open);
                entry.insert(cursor)
            }
        };
        cursor.settings = settings.clone();
        cursor.join(shard);
        if cursor.on.is_some() {
            return Ok(JoinWait::Now);
        }
        let (waiter, when) = oneshot::channel();
        cursor.waiters.push(waiter);
        drop(cursors);
        self.touch(partition, [name]);
        Ok(JoinWait::When(when))
    }

    /// Whether `tenant` may have something further on this node.
    pub(super) fn admit(&self, tenant: &Arc<str>, allowance: &Allowance) -> Result<(), ChannelLimit> {
        if allowance.memory_bytes == usize::MAX {
            return Ok(());
        }
        self.open_channels(tenant).footprint().admit(allowance)
    }

    fn open_channels(&self, tenant: &Arc<str>) -> Arc<OpenChannels> {
        let mut open = self.open.lock();
        let new = || OpenChannels::new(self.metrics.footprints.of(tenant));
        open.entry(tenant.clone()).or_insert_with(new).clone()
    }

    pub(super) fn leave(&self, topic: &Topic, shard: usize) {
        let name: Arc<str> = self.names.channel(topic).into();
        let mut cursors = self.cursors.lock();
        let Some(cursor) = cursors.get_mut(&name) else { return };
        cursor.leave(shard);
        if !cursor.is_wanted() {
            let partition = cursor.partition;
            drop(cursors);
            self.touch(partition, [name]);
        }
    }

    /// Has the subscriptions of channels looked at.
    fn touch(&self, partition: Partition, names: impl IntoIterator<Item = Arc<str>>) {
        self.dirty.lock().entry(partition).or_default().extend(names);
        self.notify();
    }

    /// Changes when there may be something to do.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn notify(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// What `connection` has to say about the channels of the partitions of which `is_ours`; in a Cluster with the
    /// channels of each partition by themselves. Cursors that nobody wants any more are forgotten here and nowhere
    /// else: so no join is ever taken for one that was undone.
    pub(super) fn next_round(&self, connection: u64, by_partition: bool, is_ours: impl Fn(Partition) -> bool) -> Round {
        let mut dirty = self.dirty.lock();
        let ours: Vec<Partition> = dirty.keys().copied().filter(|partition| is_ours(*partition)).collect();
        let taken: Vec<_> = ours.iter().filter_map(|partition| dirty.remove(partition)).collect();
        drop(dirty);
        let mut round = Round::default();
        let (mut subscribe, mut unsubscribe) = (Vec::new(), Vec::new());
        let mut cursors = self.cursors.lock();
        for names in taken {
            for name in names {
                let Some(cursor) = cursors.get_mut(&name) else { continue };
                match (cursor.is_wanted(), cursor.on) {
                    (true, Some(on)) if on == connection => {}
                    (true, _) => subscribe.push((name, cursor.generation)),
                    (false, on) => {
                        cursors.remove(&name);
                        if on == Some(connection) {
                            unsubscribe.push(name);
                        }
                    }
                }
            }
            if by_partition {
                round.subscribe.extend(batches(&mut subscribe));
                round.unsubscribe.extend(batches(&mut unsubscribe));
            }
        }
        round.subscribe.extend(batches(&mut subscribe));
        round.unsubscribe.extend(batches(&mut unsubscribe));
        round
    }

    /// `connection` is subscribed to these. Gives those in which something may be missing.
    pub(super) fn confirm(&self, connection: u64, subscribed: &[Wanted]) -> Vec<Arc<str>> {
        let mut cursors = self.cursors.lock();
        let mut check = Vec::new();
        for (name, generation) in subscribed {
            if let Some(cursor) = cursors.get_mut(name).filter(|cursor| cursor.generation == *generation)
                && cursor.confirm(connection)
            {
                check.push(name.clone());
            }
        }
        check
    }

    /// `connection` is lost: everything it was subscribed to is to be subscribed again.
    pub(super) fn lose(&self, connection: u64) {
        self.lose_if(|cursor| cursor.on == Some(connection));
    }

    /// `connection` is no longer subscribed to what lies in these slots.
    pub(super) fn lose_slots(&self, connection: u64, slots: &HashSet<u16>) {
        let partitions = self.names.partitions();
        self.lose_if(|cursor| cursor.on == Some(connection) && slots.contains(&partitions.slot(cursor.partition)));
    }

    fn lose_if(&self, is_lost: impl Fn(&ChannelCursor) -> bool) {
        let mut cursors = self.cursors.lock();
        let mut dirty = self.dirty.lock();
        for (name, cursor) in cursors.iter_mut().filter(|(_, cursor)| is_lost(cursor)) {
            cursor.lose();
            dirty.entry(cursor.partition).or_default().insert(name.clone());
        }
        drop((cursors, dirty));
        self.notify();
    }

    /// All channels are looked at again: those of some partitions may belong to another server.
    pub(super) fn look_again(&self, has_moved: impl Fn(Partition, u64) -> bool) {
        let mut cursors = self.cursors.lock();
        let mut dirty = self.dirty.lock();
        for (name, cursor) in cursors.iter_mut() {
            if cursor.on.is_some_and(|on| has_moved(cursor.partition, on)) {
                cursor.lose();
            }
            if cursor.on.is_none() {
                dirty.entry(cursor.partition).or_default().insert(name.clone());
            }
        }
        drop((cursors, dirty));
        self.notify();
    }

    /// The topic of a channel that somebody wants.
    pub(super) fn topic(&self, name: &str) -> Option<Topic> {
        self.cursors.lock().get(name).map(|cursor| cursor.topic.clone())
    }

    /// The shards that want a channel.
    pub(super) fn shards(&self, name: &str, into: &mut Vec<usize>) {
        into.clear();
        if let Some(cursor) = self.cursors.lock().get(name) {
            into.extend(cursor.shards());
        }
    }

    /// A message arrived in a channel: what is to be done with it, and which shards want it.
    pub(super) fn take(&self, name: &str, publication: &Arc<Publication>, into: &mut Vec<usize>) -> Next {
        into.clear();
        let mut cursors = self.cursors.lock();
        let Some(cursor) = cursors.get_mut(name) else {
            return Next::Nothing;
        };
        let next = cursor.take(publication);
        into.extend(cursor.shards());
        next
    }

    /// A local subscriber read a history.
    pub(super) fn learn(&self, topic: &Topic, newest: &Position) {
        if let Some(cursor) = self.cursors.lock().get_mut(&*self.names.channel(topic)) {
            cursor.learn(newest);
        }
    }

    /// Does something with a channel's cursor, if there is one.
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&mut ChannelCursor) -> T) -> Option<T> {
        self.cursors.lock().get_mut(name).map(act)
    }

    /// The quiet channels whose turn it is to be checked.
    pub(super) fn due(&self, now: Instant) -> Vec<Arc<str>> {
        let mut cursors = self.cursors.lock();
        let due = |(name, cursor): (&Arc<str>, &mut ChannelCursor)| {
            cursor.is_check_due(now, self.check).then(|| name.clone())
        };
        cursors.iter_mut().filter_map(due).collect()
    }

    /// The topics that have subscribers here, and how many.
    pub(super) fn list(&self) -> Vec<(Topic, u64)> {
        let cursors = self.cursors.lock();
        let wanted = cursors.values().filter(|cursor| cursor.is_wanted());
        wanted
            .map(|cursor| (cursor.topic.clone(), cursor.subscriptions()))
            .collect()
    }
}

/// Takes everything out of `names`, in parts of one command each.
fn batches<T>(names: &mut Vec<T>) -> Vec<Vec<T>> {
    let mut batches = Vec::new();
    while !names.is_empty() {
        let rest = names.split_off(names.len().min(BATCH));
        batches.push(std::mem::replace(names, rest));
    }
    batches
}

#[cfg(test)]
mod tests;
