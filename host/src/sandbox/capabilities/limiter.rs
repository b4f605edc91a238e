//! Token buckets of one plugin in one tenant, in memory.
//!
//! A bucket is refilled when it is looked at, and only a take that succeeds is written down, so refusals
//! add no rounding. A bucket that has become full again is the same as none and is forgotten.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Instant;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use thiserror::Error;

use crate::sandbox::clock::Clock;

/// Bytes of a key at most.
const KEY_BYTES: usize = 256;
/// Locks, so that shards seldom meet.
pub(super) const SHARDS: usize = 16;
/// Buckets in a shard that are not full. Past that the one that is nearest to full goes, of a few: whoever
/// floods the limiter with keys frees those that waited longest.
pub(super) const BUCKETS: usize = if cfg!(test) { 64 } else { 4_096 };
pub(super) const SAMPLE: usize = 16;
/// Tokens that rounding may have taken. A wait that was promised must be enough.
pub(super) const ROUNDING: f64 = 1e-6;

/// Token buckets by key.
pub(in crate::sandbox) struct Limiter {
    clock: Clock,
    hasher: RandomState,
    shards: [Mutex<HashMap<Box<str>, Bucket, RandomState>>; SHARDS],
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
    per_second: f64,
    burst: f64,
}

/// A question that has no answer.
#[derive(Debug, PartialEq, Error)]
pub(crate) enum BadTake {
    #[error("a limiter's key has at most {KEY_BYTES} bytes, not {0}")]
    Key(usize),
    #[error("a bucket's rate is a number from 0 up, not {0}")]
    Rate(f64),
}

// === impl Limiter ===

impl Limiter {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            hasher: RandomState::default(),
            shards: Default::default(),
        }
    }

    /// Takes `cost` tokens from the bucket `key`, or says in how many milliseconds that would succeed
    /// (`u64::MAX`: never).
    pub(in crate::sandbox) fn take(
        &self,
        key: &str,
        per_second: f64,
        burst: u32,
        cost: u32,
    ) -> Result<Result<(), u64>, BadTake> {
        check(key, per_second)?;
        let now = self.clock.now();
        let (burst, cost) = (f64::from(burst), f64::from(cost));
        let mut buckets = self.shard(key).lock();
        let known = buckets.get_mut(key);
        let tokens = known
            .as_ref()
            .map_or(burst, |bucket| bucket.filled(now, per_second, burst));
        if tokens + ROUNDING < cost {
            return Ok(Err(wait_ms(cost, tokens, per_second, burst)));
        }
        let bucket = Bucket {
            tokens: (tokens - cost).max(0.0),
            at: now,
            per_second,
            burst,
        };
        if let Some(known) = known {
            *known = bucket;
        } else {
            if buckets.len() >= BUCKETS {
                make_room(&mut buckets, now);
            }
            buckets.insert(key.into(), bucket);
        }
        Ok(Ok(()))
    }

    fn shard(&self, key: &str) -> &Mutex<HashMap<Box<str>, Bucket, RandomState>> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        &self.shards[shard]
    }
}

impl Bucket {
    /// Tokens now, by a rate and a size that may have changed since.
    fn filled(&self, now: Instant, per_second: f64, burst: f64) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + seconds * per_second).min(burst)
    }

    /// How full it is, from 0 to 1.
    fn fullness(&self, now: Instant) -> f64 {
        self.filled(now, self.per_second, self.burst) / self.burst.max(1.0)
    }
}

/// Whether the question has an answer.
pub(super) fn check(key: &str, per_second: f64) -> Result<(), BadTake> {
    if key.len() > KEY_BYTES {
        return Err(BadTake::Key(key.len()));
    }
    if !(per_second.is_finite() && per_second >= 0.0) {
        return Err(BadTake::Rate(per_second));
    }
    Ok(())
}

/// Milliseconds until a bucket with `tokens` has `cost`.
pub(super) fn wait_ms(cost: f64, tokens: f64, per_second: f64, burst: f64) -> u64 {
    if cost > burst || per_second == 0.0 {
        return u64::MAX;
    }
    let wait = (cost - tokens) / per_second * 1e3;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a cast from a float saturates"
    )]
    let wait = (wait - ROUNDING).ceil() as u64;
    // 0 would read as "now".
    wait.max(1)
}

fn make_room(buckets: &mut HashMap<Box<str>, Bucket, RandomState>, now: Instant) {
    buckets.retain(|_, bucket| bucket.fullness(now) < 1.0);
    if buckets.len() < BUCKETS {
        return;
    }
    let fullest = buckets
        .iter()
        .take(SAMPLE)
        .max_by(|(_, a), (_, b)| a.fullness(now).total_cmp(&b.fullness(now)))
        .map(|(key, _)| key.clone());
    if let Some(key) = fullest {
        buckets.remove(&key);
    }
}

#[cfg(test)]
mod tests;
