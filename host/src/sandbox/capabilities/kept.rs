//! Where a plugin's values and buckets are kept: in this process alone, or for all nodes.

use std::sync::Arc;
use std::time::Duration;

use super::kv::{Kv, KvError};
use super::limiter::{BadTake, Limiter};
use super::shared::{Patience, SharedKv, SharedLimiter};

/// What `kv` is.
#[derive(Clone)]
pub(in crate::sandbox) enum Values {
    Own(Arc<Kv>),
    Shared(Arc<SharedKv>),
}

/// What `limiter` is.
#[derive(Clone)]
pub(in crate::sandbox) enum Buckets {
    Own(Arc<Limiter>),
    Shared(Arc<SharedLimiter>),
}

// === impl Values ===

impl Values {
    /// The value under `key`, if there is one.
    pub(in crate::sandbox) fn get(&self, key: &str, patience: &mut Patience) -> Result<Option<Vec<u8>>, KvError> {
        match self {
            Self::Own(kv) => kv.get(key),
            Self::Shared(kv) => kv.get(key, patience),
        }
    }

    /// Puts `value` under `key`, for `ttl` or until it is deleted.
    pub(in crate::sandbox) fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
        patience: &mut Patience,
    ) -> Result<(), KvError> {
        match self {
            Self::Own(kv) => kv.set(key, value, ttl),
            Self::Shared(kv) => kv.set(key, value, ttl, patience),
        }
    }

    /// Takes `key` away.
    pub(in crate::sandbox) fn delete(&self, key: &str, patience: &mut Patience) -> Result<(), KvError> {
        match self {
            Self::Own(kv) => kv.delete(key),
            Self::Shared(kv) => kv.delete(key, patience),
        }
    }

    /// Adds to the counter under `key` and returns it.
    pub(in crate::sandbox) fn increment(
        &self,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        patience: &mut Patience,
    ) -> Result<i64, KvError> {
        match self {
            Self::Own(kv) => kv.increment(key, by, ttl),
            Self::Shared(kv) => kv.increment(key, by, ttl, patience),
        }
    }
}

// === impl Buckets ===

impl Buckets {
    /// Takes `cost` tokens from the bucket `key`, or says in how many milliseconds that would succeed.
    pub(in crate::sandbox) fn take(
        &self,
        key: &str,
        per_second: f64,
        burst: u32,
        cost: u32,
        patience: &mut Patience,
    ) -> Result<Result<(), u64>, BadTake> {
        match self {
            Self::Own(limiter) => limiter.take(key, per_second, burst, cost),
            Self::Shared(limiter) => limiter.take(key, per_second, burst, cost, patience),
        }
    }
}
