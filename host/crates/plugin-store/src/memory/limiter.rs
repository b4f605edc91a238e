//! Token buckets of one plugin in one tenant, in memory.
//!
//! A bucket is refilled when it is looked at, and only a take that succeeds is written down, so refusals
//! add no rounding. A bucket that has become full again is the same as none and is forgotten.

use std::hash::BuildHasher;
use std::time::Instant;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::limiter::{BUCKETS, LOCKS, Limiter, ROUNDING, SAMPLE, Take, check, wait_ms};
use crate::turns::Turns;
use crate::wait_budget::WaitBudget;

/// Token buckets by key.
pub struct MemoryLimiter {
    clock: Clock,
    hasher: RandomState,
    shards: [Mutex<Turns<Bucket>>; LOCKS],
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
    per_second: f64,
    burst: f64,
}

// === impl MemoryLimiter ===

impl MemoryLimiter {
    /// An empty store whose buckets fill by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            hasher: RandomState::default(),
            shards: Default::default(),
        }
    }

    fn take_now(&self, key: &str, per_second: f64, burst: u32, cost: u32) -> Take {
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
            buckets.get_or_insert_with(key, || bucket);
        }
        Ok(Ok(()))
    }

    fn shard(&self, key: &str) -> &Mutex<Turns<Bucket>> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
        let shard = self.hasher.hash_one(key) as usize % LOCKS;
        &self.shards[shard]
    }
}

impl Limiter for MemoryLimiter {
    fn take(&self, key: &str, per_second: f64, burst: u32, cost: u32, _: &mut WaitBudget) -> Take {
        self.take_now(key, per_second, burst, cost)
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

/// Makes room for one more: of a few, all that are full again go, else the one that is nearest to it.
fn make_room(buckets: &mut Turns<Bucket>, now: Instant) {
    buckets.retain_next(SAMPLE, |_, bucket| bucket.fullness(now) < 1.0);
    if buckets.len() >= BUCKETS {
        buckets.remove_highest(SAMPLE, |bucket| bucket.fullness(now));
    }
}

#[cfg(test)]
mod tests;
