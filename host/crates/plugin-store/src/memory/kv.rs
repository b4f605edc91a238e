//! The small store of one plugin in one tenant, in memory.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::kv::{BYTES, KEYS, Kv, KvError, check_key, check_value};
use crate::wait_budget::WaitBudget;

/// Locks, so that host shards seldom wait for each other.
const LOCKS: usize = 16;
/// Expired entries that one write to a full store takes out under each lock at most. One is enough for the write; the
/// others are for those that follow.
const SWEPT: usize = 4;

/// Keys to values that may expire.
pub struct MemoryKv {
    clock: Clock,
    hasher: RandomState,
    shards: [Mutex<LockedEntries>; LOCKS],
    keys: AtomicUsize,
    bytes: AtomicUsize,
    /// Entries that were looked at to make room, ever.
    #[cfg(test)]
    visits: AtomicUsize,
}

#[derive(Default)]
struct LockedEntries {
    entries: HashMap<Arc<str>, StoredEntry, RandomState>,
    /// Those that expire, by when: what is over is found without a search.
    ends: BTreeSet<(Instant, Arc<str>)>,
}

struct StoredEntry {
    value: StoredValue,
    expires: Option<Instant>,
}

enum StoredValue {
    Bytes(Box<[u8]>),
    /// Written by `increment`; read as decimal text.
    Number(i64),
}

// === impl MemoryKv ===

impl MemoryKv {
    /// An empty store whose entries expire by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            hasher: RandomState::default(),
            shards: Default::default(),
            keys: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            #[cfg(test)]
            visits: AtomicUsize::new(0),
        }
    }

    fn get_now(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        check_key(key)?;
        let mut shard = self.shard(key).lock();
        let entry = self.live(&mut shard, key);
        Ok(entry.map(|entry| entry.value.to_bytes()))
    }

    fn set_now(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
        check_key(key)?;
        check_value(value)?;
        let entry = StoredEntry {
            value: StoredValue::Bytes(value.into()),
            expires: self.expiry(ttl),
        };
        self.put(key, entry)
    }

    fn delete_now(&self, key: &str) -> Result<(), KvError> {
        check_key(key)?;
        self.remove(&mut self.shard(key).lock(), key);
        Ok(())
    }

    fn increment_now(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KvError> {
        check_key(key)?;
        {
            let mut shard = self.shard(key).lock();
            if let Some(entry) = self.live(&mut shard, key) {
                let StoredValue::Number(number) = &mut entry.value else {
                    return Err(KvError::NotANumber);
                };
                *number = number.saturating_add(by);
                return Ok(*number);
            }
            let entry = || StoredEntry {
                value: StoredValue::Number(by),
                expires: self.expiry(ttl),
            };
            if self.reserve(1, size(key, &StoredValue::Number(by))) {
                shard.insert(key, entry());
                return Ok(by);
            }
        }
        // Full: room is made without the lock, because that takes all the locks in turn. Another shard
        // may have begun the same counter meanwhile; then this is asked again, with room or without.
        if self.sweep() {
            self.increment_now(key, by, ttl)
        } else {
            Err(KvError::Full)
        }
    }

    fn put(&self, key: &str, entry: StoredEntry) -> Result<(), KvError> {
        let new = size(key, &entry.value);
        {
            let mut shard = self.shard(key).lock();
            let old = shard.entries.get(key).map(|old| size(key, &old.value));
            let keys = usize::from(old.is_none());
            // What it replaces is given back first, so that a full store still takes updates.
            self.bytes.fetch_sub(old.unwrap_or(0), Ordering::Relaxed);
            if self.reserve(keys, new) {
                shard.insert(key, entry);
                return Ok(());
            }
            self.bytes.fetch_add(old.unwrap_or(0), Ordering::Relaxed);
        }
        if self.sweep() {
            self.put(key, entry)
        } else {
            Err(KvError::Full)
        }
    }

    /// The entry under `key`, unless it expired: then it goes.
    fn live<'a>(&self, shard: &'a mut LockedEntries, key: &str) -> Option<&'a mut StoredEntry> {
        let expires = shard.entries.get(key)?.expires;
        if expires.is_some_and(|expires| expires <= self.clock.now()) {
            self.remove(shard, key);
            return None;
        }
        shard.entries.get_mut(key)
    }

    fn remove(&self, shard: &mut LockedEntries, key: &str) {
        if let Some(entry) = shard.remove(key) {
            self.keys.fetch_sub(1, Ordering::Relaxed);
            self.bytes.fetch_sub(size(key, &entry.value), Ordering::Relaxed);
        }
    }

    /// Counts what is about to be put in, if there is room for it.
    fn reserve(&self, keys: usize, bytes: usize) -> bool {
        if self.keys.fetch_add(keys, Ordering::Relaxed) + keys > KEYS {
            self.keys.fetch_sub(keys, Ordering::Relaxed);
            return false;
        }
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > BYTES {
            self.keys.fetch_sub(keys, Ordering::Relaxed);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Takes some expired entries away, if there are any. True if it found one.
    fn sweep(&self) -> bool {
        let now = self.clock.now();
        let mut found = false;
        for shard in &self.shards {
            let mut shard = shard.lock();
            for _ in 0..SWEPT {
                #[cfg(test)]
                self.visits.fetch_add(1, Ordering::Relaxed);
                let Some((_, key)) = shard.ends.first().filter(|(end, _)| *end <= now) else {
                    break;
                };
                let key = key.clone();
                self.remove(&mut shard, &key);
                found = true;
            }
        }
        found
    }

    fn expiry(&self, ttl: Option<Duration>) -> Option<Instant> {
        // One past the end of the clock is as good as none.
        ttl.and_then(|ttl| self.clock.now().checked_add(ttl))
    }

    fn shard(&self, key: &str) -> &Mutex<LockedEntries> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
        let shard = self.hasher.hash_one(key) as usize % LOCKS;
        &self.shards[shard]
    }
}

// === impl LockedEntries ===

impl LockedEntries {
    fn insert(&mut self, key: &str, entry: StoredEntry) {
        let key: Arc<str> = key.into();
        if let Some(end) = entry.expires {
            self.ends.insert((end, key.clone()));
        }
        if let Some(end) = self.entries.insert(key.clone(), entry).and_then(|old| old.expires) {
            // One that is put again with the same end keeps its place.
            if self.entries.get(&key).and_then(|entry| entry.expires) != Some(end) {
                self.ends.remove(&(end, key));
            }
        }
    }

    fn remove(&mut self, key: &str) -> Option<StoredEntry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        if let Some(end) = entry.expires {
            self.ends.remove(&(end, key));
        }
        Some(entry)
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &str, _: &mut WaitBudget) -> Result<Option<Vec<u8>>, KvError> {
        self.get_now(key)
    }

    fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>, _: &mut WaitBudget) -> Result<(), KvError> {
        self.set_now(key, value, ttl)
    }

    fn delete(&self, key: &str, _: &mut WaitBudget) -> Result<(), KvError> {
        self.delete_now(key)
    }

    fn increment(&self, key: &str, by: i64, ttl: Option<Duration>, _: &mut WaitBudget) -> Result<i64, KvError> {
        self.increment_now(key, by, ttl)
    }
}

impl StoredValue {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Number(number) => number.to_string().into_bytes(),
        }
    }
}

fn size(key: &str, value: &StoredValue) -> usize {
    key.len()
        + match value {
            StoredValue::Bytes(bytes) => bytes.len(),
            StoredValue::Number(_) => size_of::<i64>(),
        }
}

#[cfg(test)]
mod tests;
