//! Notices when the same message comes again. Counts first sights in the instance and repeats in the store,
//! because a key in the store for every message would fill it. Knows no verdict.
//!
//! A message that one instance sees once only is never told to the others: a user on connections that belong
//! to several instances gets at most one more copy through for each of them.

use std::collections::HashMap;

use sluicegate_plugin::{clock, kv};

use crate::settings::Duplicates;

/// How many different messages an instance remembers. Over that, the older half is forgotten.
pub const MAX_REMEMBERED: usize = 4096;

struct Seen {
    /// When the window of the first sight ends, in milliseconds since the epoch.
    ends_ms: u64,
    told: bool,
}

/// What an instance remembers.
pub struct Repeats {
    window_ms: u64,
    max: i64,
    seen: HashMap<u64, Seen>,
}

impl Repeats {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(settings: Duplicates) -> Self {
        let window_ms = u64::from(settings.window_seconds) * 1000;
        Self {
            window_ms,
            max: i64::from(settings.max),
            seen: HashMap::new(),
        }
    }

    /// Counts the message, and says whether it came too often within the window.
    ///
    /// # Errors
    /// The store's, if it was needed and did not count.
    pub fn too_often(&mut self, who: &str, channel: &str, data: &[u8]) -> Result<bool, kv::Error> {
        let hash = hash(&[who.as_bytes(), channel.as_bytes(), data]);
        let now = clock::now_ms();
        let window = self.window_ms;
        if let Some(seen) = self.seen.get_mut(&hash).filter(|seen| now < seen.ends_ms) {
            // The first sight is told together with the second.
            let by = if seen.told { 1 } else { 2 };
            // The user's name stands in the key, so whoever finds two texts of one hash harms only himself.
            let key = format!("repeat:{hash:016x}:{who}");
            let left = seen.ends_ms - now;
            seen.told = true;
            return Ok(kv::increment(&key, by, Some(left))? > self.max);
        }
        if self.seen.len() >= MAX_REMEMBERED {
            self.forget(now);
        }
        self.seen.insert(
            hash,
            Seen {
                ends_ms: now.saturating_add(window),
                told: false,
            },
        );
        Ok(1 > self.max)
    }

    fn forget(&mut self, now: u64) {
        self.seen.retain(|_, seen| now < seen.ends_ms);
        if self.seen.len() >= MAX_REMEMBERED {
            let mut ends: Vec<u64> = self.seen.values().map(|seen| seen.ends_ms).collect();
            let (_, middle, _) = ends.select_nth_unstable(MAX_REMEMBERED / 2);
            let middle = *middle;
            self.seen.retain(|_, seen| seen.ends_ms > middle);
        }
    }
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
