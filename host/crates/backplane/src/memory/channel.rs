//! One channel in memory: its order, its ring of messages, its keys, who wants it and who is there.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::keys::IdempotencyKeys;
use super::pending::PendingChange;
use super::retention::{HistoryPlace, message_bytes};
use super::tenants::{KeyRoom, MemoryTenant};
use crate::open_channels::OpenChannel;
use crate::{HistoryPage, HistoryRange, Publication, PublishOptions, Published};
use chain::Message;
use config::{ChannelSettings, History};
use protocol::Member;
use protocol::Position;

pub(super) struct ChannelState {
    epoch: Arc<str>,
    /// The offset of the newest message; 0 before the first.
    offset: u64,
    ring: VecDeque<(Instant, Arc<Publication>)>,
    /// What it was to keep when it was published to last.
    history: Option<History>,
    /// A channel that had a history keeps its epoch this long after it was last published to, or listened to.
    kept_until: Option<Instant>,
    keys: IdempotencyKeys,
    /// Subscribers on each shard.
    joins: Vec<u32>,
    members: IndexMap<Arc<str>, Member, foldhash::fast::RandomState>,
    /// What waits for room, in the channel's order.
    pub pending: VecDeque<PendingChange>,
    /// What the ring takes of the tenant's memory.
    place: Option<HistoryPlace>,
    tenant: Arc<MemoryTenant>,
    /// Names the channel among those whose lives have ended.
    hash: u64,
    _open: OpenChannel,
}

impl Drop for ChannelState {
    fn drop(&mut self) {
        self.tenant.release(&mut self.place, usize::MAX);
        if self.offset > 0 {
            self.tenant.epochs.lock().end(self.hash);
        }
    }
}

impl ChannelState {
    /// A channel that nobody has used, for a node of `shards` shards.
    pub(super) fn new(tenant: Arc<MemoryTenant>, hash: u64, open: OpenChannel, shards: usize) -> Self {
        let epoch = tenant.epochs.lock().next(hash);
        Self {
            epoch,
            offset: 0,
            ring: VecDeque::new(),
            history: None,
            kept_until: None,
            keys: IdempotencyKeys::default(),
            joins: vec![0; shards],
            members: IndexMap::default(),
            pending: VecDeque::new(),
            place: None,
            tenant,
            hash,
            _open: open,
        }
    }

    /// Its tenant.
    pub(super) fn tenant(&self) -> &Arc<MemoryTenant> {
        &self.tenant
    }

    /// What it keeps, counted one by one.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        let messages = self.ring.iter().map(|(_, publication)| message_bytes(publication));
        messages.sum::<usize>() + self.keys.bytes()
    }

    /// Forgets what is over its time. Returns whether anybody would miss the rest.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        self.trim(now);
        self.is_needed(now)
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

    /// Gives the message its place. `key`: the room of its key, if it has one.
    pub(super) fn accept(
        &mut self,
        id: Arc<str>,
        message: Message,
        options: &PublishOptions,
        key: Option<KeyRoom>,
        now: Instant,
    ) -> Arc<Publication> {
        let history = options.settings.history.filter(|_| !options.ephemeral);
        let position = history.map(|_| {
            self.offset += 1;
            self.position()
        });
        let from = options.from.clone();
        let mut publication = Publication::new(message.topic, id, message.data, position, from, message.tags);
        publication.content = message.content;
        publication.ephemeral = options.ephemeral;
        publication.echo = options.echo;
        publication.compression = options.allowance.compression;
        let publication = Arc::new(publication);
        if let Some(history) = history {
            self.history = Some(history);
            self.ring.push_back((now, publication.clone()));
            let bytes = (message_bytes(&publication), self.cut(now));
            let (tenant, place) = (&self.tenant, &mut self.place);
            tenant.keep(place, &publication.topic, &options.allowance, bytes, now);
            self.keep(now + history.ttl);
        }
        if let (Some(key), Some(room)) = (&options.key, key) {
            let first = Published {
                id: publication.id.clone(),
                position: publication.position.clone(),
                duplicate: true,
            };
            self.keys
                .insert(key.clone(), first, now + options.settings.idempotency, room);
        }
        publication
    }

    /// The part of the history that `range` names. Whoever reads it changes nothing that others see: it is not kept for
    /// longer.
    pub(super) fn page(&mut self, settings: &ChannelSettings, range: &HistoryRange, now: Instant) -> HistoryPage {
        self.history = settings.history.or(self.history);
        self.trim(now);
        let oldest = self.offset + 1 - self.ring.len() as u64;
        let since = range.since.as_ref();
        let mut whole = since
            .is_none_or(|since| since.epoch == self.epoch && since.offset <= self.offset && since.offset + 1 >= oldest);
        // The offsets of the ring are without a gap, so a message's place follows from its own.
        let place = |offset: u64| {
            let place = usize::try_from(offset.saturating_sub(oldest)).unwrap_or(usize::MAX);
            place.min(self.ring.len())
        };
        let mut limits = PageLimits::of(range);
        let messages = match since {
            Some(since) if since.epoch != self.epoch => Vec::new(),
            since if range.reverse => {
                let earlier = self
                    .ring
                    .range(..place(since.map_or(u64::MAX, |since| since.offset)))
                    .rev();
                let earlier = earlier.map(|(_, publication)| publication);
                earlier.take_while(|earlier| limits.take(earlier)).cloned().collect()
            }
            since => {
                let after = since.map_or(0, |since| since.offset);
                let later = self.ring.range(place(after.saturating_add(1))..);
                let later = later.map(|(_, publication)| publication);
                later.take_while(|later| limits.take(later)).cloned().collect()
            }
        };
        // Who asks for everything and gets a part has a hole.
        whole &= !(limits.is_cut && range.limit.is_none());
        HistoryPage {
            newest: self.position(),
            messages,
            whole,
            is_cut: limits.is_cut,
        }
    }

    /// Removes the oldest message: the tenant keeps too much.
    pub(super) fn drop_oldest(&mut self) {
        let bytes = self
            .ring
            .pop_front()
            .map_or(usize::MAX, |(_, oldest)| message_bytes(&oldest));
        self.tenant.release(&mut self.place, bytes);
    }

    /// Counts a subscriber on `shard`.
    pub(super) fn join(&mut self, shard: usize) {
        self.joins[shard] += 1;
    }

    /// Takes a subscriber on `shard` back. The last one may come back with its position, as long as a message would be
    /// kept for it.
    pub(super) fn leave(&mut self, shard: usize, now: Instant) {
        self.joins[shard] = self.joins[shard].saturating_sub(1);
        if let Some(history) = self.history.filter(|_| self.offset > 0 && self.subscriptions() == 0) {
            self.keep(now + history.ttl);
        }
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

    /// Removes what is over its time, or over the channel's number of messages.
    fn trim(&mut self, now: Instant) {
        let bytes = self.cut(now);
        self.tenant.release(&mut self.place, bytes);
    }

    /// The same, without counting: so many bytes.
    fn cut(&mut self, now: Instant) -> usize {
        let Some(History { size, ttl }) = self.history else {
            return 0;
        };
        let mut bytes = 0;
        while self.ring.len() > size || self.ring.front().is_some_and(|(at, _)| *at + ttl <= now) {
            bytes += self.ring.pop_front().map_or(0, |(_, gone)| message_bytes(&gone));
        }
        bytes
    }

    fn keep(&mut self, until: Instant) {
        self.kept_until = self.kept_until.max(Some(until));
    }
}

/// Bytes of a message in a page beside its data, about: what names it once it is encoded.
const BESIDE_DATA: usize = 256;

/// What is left of a page's limits.
struct PageLimits {
    messages: usize,
    /// None: no bound, or nothing was taken yet.
    bytes: Option<usize>,
    is_empty: bool,
    /// There was more than `bytes`.
    is_cut: bool,
}

impl PageLimits {
    fn of(range: &HistoryRange) -> Self {
        Self {
            messages: range.limit.unwrap_or(usize::MAX),
            bytes: range.bytes,
            is_empty: true,
            is_cut: false,
        }
    }

    /// Whether the message is still within them. The first always is, as far as bytes count.
    fn take(&mut self, publication: &Publication) -> bool {
        let bytes = publication.data.len() + BESIDE_DATA;
        let left = self.bytes.map_or(Some(usize::MAX), |left| left.checked_sub(bytes));
        if self.messages == 0 {
            return false;
        }
        if left.is_none() && !self.is_empty {
            self.is_cut = true;
            return false;
        }
        self.messages -= 1;
        self.bytes = self.bytes.and(left.or(Some(0)));
        self.is_empty = false;
        true
    }
}
