//! A small store, the plugin's own within its tenant, shared by all its instances. Needs the grant `kv`.

use std::fmt::{self, Display};

use crate::broker;

/// Why the store did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The key is empty or over 256 bytes, or the value over 64 KiB.
    TooLarge,
    /// The plugin's share is full (10,000 keys or 16 MiB a tenant); delete, or use a time to live.
    Full,
    /// The value under this key is not a number that [`increment`] wrote.
    NotANumber,
    /// The store does not answer now.
    Unavailable,
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the key or the value is too large",
            Self::Full => "the store is full",
            Self::NotANumber => "the value is not a number",
            Self::Unavailable => "the store does not answer",
        })
    }
}

impl std::error::Error for Error {}

/// The value under `key`, if there is one.
///
/// # Errors
/// [`Error::TooLarge`] for the key, [`Error::Unavailable`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    broker::kv_get(key)
}

/// Stores a value for `ttl_ms` milliseconds; `None`: until it is deleted.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Full`], [`Error::Unavailable`].
pub fn set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Error> {
    broker::kv_set(key, value, ttl_ms)
}

/// Deletes a value; deleting what is not there is no error.
///
/// # Errors
/// [`Error::TooLarge`] for the key, [`Error::Unavailable`].
pub fn delete(key: &str) -> Result<(), Error> {
    broker::kv_delete(key)
}

/// Adds to a counter and returns it. A new counter starts at 0 and lives `ttl_ms` from its first
/// increment: a fixed window.
///
/// # Errors
/// Any of [`Error`].
pub fn increment(key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, Error> {
    broker::kv_increment(key, by, ttl_ms)
}
