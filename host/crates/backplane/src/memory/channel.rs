//! One channel in memory: its order, its ring of messages, its keys, who wants it and who is there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::keys::IdempotencyKeys;
use super::pending::PendingChange;
use crate::{HistoryPage, HistoryRange, Publication, PublishOptions, Published};
use chain::Message;
use config::ChannelSettings;
use protocol::Member;
use protocol::Position;

pub(super) struct ChannelState {
    epoch: Arc<str>,
    /// The offset of the newest message; 0 before the first.
    offset: u64,
    ring: VecDeque<(Instant, Arc<Publication>)>,
    /// A channel that had a history keeps its epoch this long after it was last used.
    kept_until: Option<Instant>,
    keys: IdempotencyKeys,
    /// Subscribers on each shard.
    joins: Vec<u32>,
    members: IndexMap<Arc<str>, Member, foldhash::fast::RandomState>,
    /// What waits for room, in the channel's order.
    pub pending: VecDeque<PendingChange>,
}

impl ChannelState {
    /// A channel that nobody has used, for a node of `shards` shards.
    pub(super) fn new(epoch: Arc<str>, shards: usize) -> Self {
        Self {
            epoch,
            offset: 0,
            ring: VecDeque::new(),
            kept_until: None,
            keys: IdempotencyKeys::default(),
            joins: vec![0; shards],
            members: IndexMap::default(),
            pending: VecDeque::new(),
        }
    }

    /// Whether forgetting it would change what anybody sees.
    pub(super) fn is_needed(&mut self, now: Instant) -> bool {
        self.keys.expire(now);
        self.joins.iter().any(|joins| *joins > 0)
            || !self.members.is_empty()
            || !self.pending.is_empty()
            || !self.keys.is_empty()
            || self.kept_until.is_some_and(|until| now < until)
    }

    /// The first publish under `key`, if it was within the window.
    pub(super) fn seen(&mut self, key: &str, now: Instant) -> Option<Published> {
        self.keys.expire(now);
        self.keys.get(key)
    }

    /// Gives the message its place.
    pub(super) fn accept(
        &mut self,
        id: Arc<str>,
        message: Message,
        options: &PublishOptions,
        now: Instant,
    ) -> Arc<Publication> {
        let history = options.settings.history.as_ref().filter(|_| !options.ephemeral);
        let position = history.map(|_| {
            self.offset += 1;
            self.position()
        });
        let from = options.from.clone();
        let mut publication = Publication::new(message.topic, id, message.data, position, from, message.tags);
        publication.ephemeral = options.ephemeral;
        publication.echo = options.echo;
        let publication = Arc::new(publication);
        if let Some(history) = history {
            self.ring.push_back((now, publication.clone()));
            self.trim(history.size, history.ttl, now);
            self.keep(now + history.ttl);
        }
        if let Some(key) = &options.key {
            let first = Published {
                id: publication.id.clone(),
                position: publication.position.clone(),
                duplicate: true,
            };
            self.keys.insert(key.clone(), first, now + options.settings.idempotency);
        }
        publication
    }

    /// The part of the history that `range` names.
    pub(super) fn page(&mut self, settings: &ChannelSettings, range: &HistoryRange, now: Instant) -> HistoryPage {
        if let Some(history) = &settings.history {
            self.trim(history.size, history.ttl, now);
            self.keep(now + history.ttl);
        }
        let oldest = self.offset + 1 - self.ring.len() as u64;
        let since = range.since.as_ref();
        let whole = since
            .is_none_or(|since| since.epoch == self.epoch && since.offset <= self.offset && since.offset + 1 >= oldest);
        let limit = range.limit.unwrap_or(usize::MAX);
        let offset_of = |publication: &Publication| publication.position.as_ref().map_or(0, |p| p.offset);
        let all = self.ring.iter().map(|(_, publication)| publication);
        let messages = match since {
            Some(since) if since.epoch != self.epoch => Vec::new(),
            since if range.reverse => {
                let before = since.map_or(u64::MAX, |since| since.offset);
                all.rev()
                    .filter(|p| offset_of(p) < before)
                    .take(limit)
                    .cloned()
                    .collect()
            }
            since => {
                let after = since.map_or(0, |since| since.offset);
                all.filter(|p| offset_of(p) > after).take(limit).cloned().collect()
            }
        };
        HistoryPage {
            newest: self.position(),
            messages,
            whole,
        }
    }

    /// Counts a subscriber on `shard`.
    pub(super) fn join(&mut self, shard: usize) {
        self.joins[shard] += 1;
    }

    /// Takes a subscriber on `shard` back.
    pub(super) fn leave(&mut self, shard: usize) {
        self.joins[shard] = self.joins[shard].saturating_sub(1);
    }

    /// How many subscribers it has.
    pub(super) fn subscriptions(&self) -> u64 {
        self.joins.iter().map(|joins| u64::from(*joins)).sum()
    }

    /// The shards that have subscribers.
    pub(super) fn interested(&self) -> impl Iterator<Item = usize> {
        let joined = self.joins.iter().enumerate().filter(|(_, joins)| **joins > 0);
        joined.map(|(shard, _)| shard)
    }

    /// Whether `member` is there.
    pub(super) fn has(&self, member: &Member) -> bool {
        self.members.contains_key(&member.session)
    }

    /// Whether `member` was not there yet.
    pub(super) fn enter(&mut self, member: &Member) -> bool {
        self.members.insert(member.session.clone(), member.clone()).is_none()
    }

    /// Whether `member` was there.
    pub(super) fn exit(&mut self, member: &Member) -> bool {
        self.members.swap_remove(&member.session).is_some()
    }

    /// Everybody who is present.
    pub(super) fn members(&self) -> Vec<Member> {
        self.members.values().cloned().collect()
    }

    fn position(&self) -> Position {
        Position {
            epoch: self.epoch.clone(),
            offset: self.offset,
        }
    }

    fn trim(&mut self, size: usize, ttl: Duration, now: Instant) {
        while self.ring.len() > size || self.ring.front().is_some_and(|(at, _)| *at + ttl <= now) {
            self.ring.pop_front();
        }
    }

    fn keep(&mut self, until: Instant) {
        self.kept_until = self.kept_until.max(Some(until));
    }
}
