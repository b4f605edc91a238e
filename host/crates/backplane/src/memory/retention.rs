//! How many bytes of histories and keys a tenant keeps, for which of its users, and whose history is the oldest. Pure:
//! says what is to be shortened, and shortens nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::allowance::{Account, Allowance, ChannelLimit, part_of};
use crate::footprint::{MemoryUse, TenantFootprint};
use crate::{Publication, Published};
use protocol::names::Topic;

/// Bytes of a kept message beside its data: what names it, its place, and what stands around its data once it is encoded.
const MESSAGE_BYTES: usize = 768;
/// Bytes of a remembered key beside its text, which is there twice.
const KEY_BYTES: usize = 256;
/// A history moves to the end of the order at most this often, so that a busy channel costs no more than a quiet one.
const MOVES_EVERY: Duration = Duration::from_secs(1);
/// Unless others than its account published more than so many bytes meanwhile.
const OF_OTHERS: usize = 16_384;

/// What a tenant keeps in memory.
pub(super) struct Retention {
    /// Of messages and keys.
    bytes: usize,
    /// Of keys alone.
    key_bytes: usize,
    /// What they may have (`limits.history_mib`).
    most: usize,
    /// What the tenant may take in all (`memory_mib`).
    ceiling: usize,
    /// No account stands here that keeps nothing.
    accounts: HashMap<Account, KeptBytes, RandomState>,
    /// The channels that keep messages, the one that was published to longest ago first.
    order: BTreeMap<u64, Topic>,
    turns: u64,
    /// The account that was found to keep more than its part last.
    over: Option<Account>,
    footprint: Arc<TenantFootprint>,
    /// What stands there of it: messages, and keys.
    told: (usize, usize),
}

/// What is kept for one account.
#[derive(Default)]
struct KeptBytes {
    /// Of messages, in the channels that it published to last; and of keys.
    bytes: usize,
    /// Of keys alone.
    keys: usize,
    order: BTreeMap<u64, Topic>,
}

/// The place of a channel that keeps messages: in the order of its tenant and of the account that published to it last.
pub(super) struct HistoryPlace {
    account: Account,
    turn: u64,
    bytes: usize,
    /// What others published since it moved.
    of_others: usize,
    moved: Instant,
}

/// What a kept message takes: its data may be a part of the client's message that is twice as long, or be there a second
/// time once it is encoded, and in part a third time once it is compressed.
pub(super) fn message_bytes(publication: &Publication) -> usize {
    let tags = publication.tags.iter().map(|(name, value)| name.len() + value.len());
    let times = if publication.compression { 3 } else { 2 };
    times * (publication.data.len() + tags.sum::<usize>()) + MESSAGE_BYTES
}

/// What a remembered key takes.
pub(super) fn key_bytes(key: &str) -> usize {
    2 * key.len() + KEY_BYTES + size_of::<Published>()
}

impl HistoryPlace {
    /// Whether it keeps its place when `account` publishes so many bytes.
    fn stays(&mut self, account: &Account, bytes: usize, now: Instant) -> bool {
        if self.account != *account {
            self.of_others += bytes;
        }
        now < self.moved + MOVES_EVERY && self.of_others <= OF_OTHERS
    }
}

impl Retention {
    pub(super) fn new(footprint: Arc<TenantFootprint>) -> Self {
        Self {
            bytes: 0,
            key_bytes: 0,
            most: usize::MAX,
            ceiling: usize::MAX,
            accounts: HashMap::default(),
            order: BTreeMap::new(),
            turns: 0,
            over: None,
            footprint,
            told: (0, 0),
        }
    }

    fn take_limits(&mut self, allowance: &Allowance) {
        self.most = allowance.history_bytes;
        self.ceiling = allowance.memory_bytes;
    }

    /// Bytes of messages and keys at most: what else the tenant keeps may leave less than it has for them.
    fn limit(&self) -> usize {
        self.most.min(self.footprint.left_for_histories(self.ceiling))
    }

    /// A channel keeps so many bytes more. Says whether something is to be shortened now.
    pub(super) fn add(
        &mut self,
        place: &mut Option<HistoryPlace>,
        topic: &Topic,
        allowance: &Allowance,
        bytes: usize,
        now: Instant,
    ) -> bool {
        self.take_limits(allowance);
        let moves = place
            .as_mut()
            .is_some_and(|place| !place.stays(&allowance.account, bytes, now));
        let before = place.take_if(|_| moves).map_or(0, |earlier| self.take_out(&earlier));
        let place = place.get_or_insert_with(|| {
            self.turns += 1;
            self.order.insert(self.turns, topic.clone());
            let own = self.accounts.entry(allowance.account.clone()).or_default();
            own.order.insert(self.turns, topic.clone());
            HistoryPlace {
                account: allowance.account.clone(),
                turn: self.turns,
                bytes: 0,
                of_others: 0,
                moved: now,
            }
        });
        let more = before + bytes;
        place.bytes += more;
        self.bytes += more;
        let own = self.accounts.entry(place.account.clone()).or_default();
        own.bytes += more;
        let (account, own_bytes) = (place.account.clone(), own.bytes);
        self.tell();
        let limit = self.limit();
        if own_bytes > part_of(&account, limit) {
            self.over = Some(account);
        }
        self.over.is_some() || self.bytes > limit
    }

    /// A channel keeps so many bytes less; without any it has no place.
    pub(super) fn remove(&mut self, place: &mut Option<HistoryPlace>, bytes: usize) {
        let Some(kept) = place else { return };
        if bytes >= kept.bytes {
            if let Some(last) = place.take() {
                self.take_out(&last);
            }
        } else {
            kept.bytes -= bytes;
            self.bytes -= bytes;
            if let Some(own) = self.accounts.get_mut(&kept.account) {
                own.bytes -= bytes;
            }
        }
        self.tell();
    }

    /// Takes a channel out of the order, with all that it keeps: so many bytes.
    fn take_out(&mut self, place: &HistoryPlace) -> usize {
        self.order.remove(&place.turn);
        self.bytes -= place.bytes;
        if let Some(own) = self.accounts.get_mut(&place.account) {
            own.order.remove(&place.turn);
            own.bytes -= place.bytes;
        }
        self.forget_empty(&place.account);
        place.bytes
    }

    fn forget_empty(&mut self, account: &Account) {
        if self.accounts.get(account).is_some_and(|own| own.bytes == 0) {
            self.accounts.remove(account);
        }
    }

    /// Takes the room of a key, if it may be remembered.
    pub(super) fn take_key(&mut self, allowance: &Allowance, bytes: usize) -> Result<(), ChannelLimit> {
        self.take_limits(allowance);
        let limit = self.limit();
        let all = self.key_bytes + bytes;
        let own_before = self.accounts.get(&allowance.account).map_or(0, |own| own.keys);
        let own = own_before + bytes;
        if all > self.most {
            return Err(ChannelLimit::KeysOfTenant);
        }
        if own > allowance.part_of(self.most) {
            return Err(ChannelLimit::KeysOfUser);
        }
        if all > limit || own > allowance.part_of(limit) {
            self.footprint.refuse();
            let is_full = all > limit;
            return Err(if is_full {
                ChannelLimit::MemoryOfTenant(self.ceiling)
            } else {
                ChannelLimit::MemoryOfUser
            });
        }
        let own = self.accounts.entry(allowance.account.clone()).or_default();
        own.keys += bytes;
        own.bytes += bytes;
        self.key_bytes = all;
        self.bytes += bytes;
        self.tell();
        Ok(())
    }

    /// Gives the room of a key back.
    pub(super) fn give_key(&mut self, account: &Account, bytes: usize) {
        self.bytes -= bytes;
        self.key_bytes -= bytes;
        if let Some(own) = self.accounts.get_mut(account) {
            own.keys -= bytes;
            own.bytes -= bytes;
        }
        self.forget_empty(account);
        self.tell();
    }

    /// The channel whose oldest message is to go, if one is: of an account that keeps more than its part, else of the
    /// tenant.
    pub(super) fn next_to_shorten(&mut self) -> Option<Topic> {
        let limit = self.limit();
        if let Some(account) = &self.over {
            let own = self.accounts.get(account);
            let is_over = |own: &&KeptBytes| own.bytes > part_of(account, limit);
            if let Some((_, topic)) = own.filter(is_over).and_then(|own| own.order.first_key_value()) {
                return Some(topic.clone());
            }
            self.over = None;
        }
        let oldest = self.order.first_key_value().filter(|_| self.bytes > limit);
        oldest.map(|(_, topic)| topic.clone())
    }

    fn tell(&mut self) {
        let now = (self.bytes - self.key_bytes, self.key_bytes);
        let before = std::mem::replace(&mut self.told, now);
        self.footprint.change(MemoryUse::Histories, before.0, now.0);
        self.footprint.change(MemoryUse::Keys, before.1, now.1);
    }
}
