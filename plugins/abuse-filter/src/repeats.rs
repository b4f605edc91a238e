//! Notices when the same message comes again. Each instance counts for itself; what it counts twice it also counts in
//! the store that the instances share, as far as the budget for that goes. The budget keeps the better part of the
//! store free for strikes, however many messages are repeated. Knows no verdict.
//!
//! A message that one instance sees once only is never told to the others: a user on connections that belong
//! to several instances gets at most one more copy through for each of them. Beyond the budget each instance lets
//! through as many as one may.

use std::collections::HashMap;

use sluicegate_plugin::{clock, kv, limiter};

use crate::settings::Duplicates;

/// How many different messages an instance remembers. Over that, the older half is forgotten.
pub const MAX_REMEMBERED: usize = 4096;
/// How many of one user. Over that, the older half of that user's is forgotten.
pub const MAX_OF_USER: u32 = 512;
/// Counters in the store for repeated messages of all users: as many are begun in a window, and as many at once before
/// it, so that twice as many live at most. A store has 10,000 keys.
pub const SHARED: u32 = 2_000;
/// The same for one user.
pub const SHARED_OF_USER: u32 = 32;

struct Seen {
    /// A hash of the user.
    user: u64,
    /// When the window of the first sight ends, in milliseconds since the epoch.
    ends_ms: u64,
    /// How often this instance saw it.
    count: i64,
    /// Whether it is counted in the store too.
    is_shared: bool,
}

/// What an instance remembers.
pub struct Repeats {
    window_seconds: u32,
    max: i64,
    seen: HashMap<u64, Seen>,
    /// How many of them are of each user.
    of_users: HashMap<u64, u32>,
}

impl Repeats {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(settings: Duplicates) -> Self {
        Self {
            window_seconds: settings.window_seconds,
            max: i64::from(settings.max),
            seen: HashMap::new(),
            of_users: HashMap::new(),
        }
    }

    /// Counts the message, and says whether it came too often within the window: in the store, or, if that does not
    /// count, here.
    ///
    /// # Errors
    /// The store's, with what this instance counted.
    pub fn too_often(&mut self, who: &str, channel: &str, data: &[u8]) -> Result<bool, (bool, kv::Error)> {
        let user = hash(&[who.as_bytes()]);
        let hash = hash(&[who.as_bytes(), channel.as_bytes(), data]);
        let now = clock::now_ms();
        let Some(seen) = self.seen.get_mut(&hash).filter(|seen| now < seen.ends_ms) else {
            self.remember(hash, user, now);
            return Ok(1 > self.max);
        };
        seen.count += 1;
        let here = seen.count > self.max;
        // What was seen here before is told together with this one.
        let by = if seen.is_shared { 1 } else { seen.count };
        if !seen.is_shared {
            if !may_share(who, self.window_seconds) {
                return Ok(here);
            }
            seen.is_shared = true;
        }
        // The user's name stands in the key, so whoever finds two texts of one hash harms only himself.
        let key = format!("repeat:{hash:016x}:{who}");
        match kv::increment(&key, by, Some(seen.ends_ms - now)) {
            Ok(count) => Ok(here || count > self.max),
            Err(error) => Err((here, error)),
        }
    }

    fn remember(&mut self, hash: u64, user: u64, now: u64) {
        if self.seen.len() >= MAX_REMEMBERED {
            self.forget(now, |_| true, MAX_REMEMBERED);
        }
        if self.of_users.get(&user).is_some_and(|count| *count >= MAX_OF_USER) {
            self.forget(now, |seen| seen.user == user, MAX_OF_USER as usize);
        }
        let seen = Seen {
            user,
            ends_ms: now.saturating_add(u64::from(self.window_seconds) * 1000),
            count: 1,
            is_shared: false,
        };
        let replaced = self.seen.insert(hash, seen);
        if replaced.is_none() {
            *self.of_users.entry(user).or_default() += 1;
        }
    }

    /// Forgets what is over; if `most` or more are left of those that are meant, the older half of them.
    fn forget(&mut self, now: u64, is_meant: impl Fn(&Seen) -> bool, most: usize) {
        self.seen.retain(|_, seen| now < seen.ends_ms);
        let mut ends: Vec<u64> = self
            .seen
            .values()
            .filter(|seen| is_meant(seen))
            .map(|seen| seen.ends_ms)
            .collect();
        if ends.len() >= most {
            let middle = ends.len() / 2;
            let (_, middle, _) = ends.select_nth_unstable(middle);
            let middle = *middle;
            self.seen.retain(|_, seen| !is_meant(seen) || seen.ends_ms > middle);
        }
        self.of_users.clear();
        for seen in self.seen.values() {
            *self.of_users.entry(seen.user).or_default() += 1;
        }
    }
}

/// Whether another repeated message of `who` may be counted in the store.
fn may_share(who: &str, window_seconds: u32) -> bool {
    let take = |key: &str, most: u32| {
        let per_second = f64::from(most) / f64::from(window_seconds);
        limiter::take(key, per_second, most, 1).is_ok()
    };
    take(&format!("repeats:{who}"), SHARED_OF_USER) && take("repeats", SHARED)
}

/// FNV-1a over eight bytes at a time; each part begins with its length, so that `a`, `bc` is not `ab`, `c`.
fn hash(parts: &[&[u8]]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ (hash >> 32)
    };
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        hash = mix(hash, part.len() as u64);
        let mut chunks = part.chunks_exact(8);
        for chunk in &mut chunks {
            hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        hash = mix(hash, u64::from_le_bytes(last));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_hash_knows_where_parts_end() {
        assert_ne!(hash(&[b"a", b"bc"]), hash(&[b"ab", b"c"]));
        assert_ne!(hash(&[b"a"]), hash(&[b"a\0"]));
        assert_ne!(hash(&[b"12345678"]), hash(&[b"12345679"]));
        assert_eq!(hash(&[b"12345678x"]), hash(&[b"12345678x"]));
    }
}
