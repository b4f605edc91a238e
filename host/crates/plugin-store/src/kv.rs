//! What a plugin's `kv` is, wherever its values are kept.

use std::time::Duration;

use thiserror::Error;

use crate::wait_budget::WaitBudget;

pub use sluicegate_contract::limits::{KV_BYTES as BYTES, KV_KEYS as KEYS};
pub(crate) use sluicegate_contract::limits::{KV_KEY_BYTES as KEY_BYTES, KV_VALUE_BYTES as VALUE_BYTES};

/// The keys and values of one plugin in one tenant. `budget` is how long the calling hook may still wait; a store
/// in memory does not use it.
pub trait Kv: Send + Sync {
    /// The value under `key`, if there is one.
    fn get(&self, key: &str, budget: &mut WaitBudget) -> Result<Option<Vec<u8>>, KvError>;

    /// Puts `value` under `key`, for `ttl` or until it is deleted.
    fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>, budget: &mut WaitBudget) -> Result<(), KvError>;

    /// Deletes `key`; one that does not exist is no error.
    fn delete(&self, key: &str, budget: &mut WaitBudget) -> Result<(), KvError>;

    /// Adds to the counter under `key` and returns it. A new one begins at 0 and lives for `ttl`; the sum stops at
    /// the ends of its range.
    fn increment(&self, key: &str, by: i64, ttl: Option<Duration>, budget: &mut WaitBudget) -> Result<i64, KvError>;
}

/// Why a store did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KvError {
    /// The key is empty or over [`KEY_BYTES`], or the value is over [`VALUE_BYTES`].
    #[error("the key or the value is too large")]
    TooLarge,
    /// The plugin has [`KEYS`] keys or [`BYTES`] bytes in this tenant.
    #[error("the plugin's share is full")]
    Full,
    /// `increment` of a value that `set` wrote.
    #[error("the value is not a number")]
    NotANumber,
    /// Only of a store that nodes share: it did not answer in time.
    #[error("the store does not answer")]
    Unavailable,
}

pub(crate) fn check_key(key: &str) -> Result<(), KvError> {
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(KvError::TooLarge);
    }
    Ok(())
}

pub(crate) fn check_value(value: &[u8]) -> Result<(), KvError> {
    if value.len() > VALUE_BYTES {
        return Err(KvError::TooLarge);
    }
    Ok(())
}
