//! The broker outside of wasm: the pretended one of [`testing`](crate::testing). Decides nothing.

use crate::{kv, log, testing::state};

#[cfg(feature = "crypto")]
#[path = "native/crypto.rs"]
mod crypto;

#[cfg(feature = "crypto")]
pub(crate) use crypto::{Key, hmac_sha256, key_from_bytes, key_from_jwk, key_from_pem, sha256};

pub(crate) use crate::testing::{Handshake, Session};

#[cfg(feature = "message")]
pub(crate) fn content() -> crate::message::Content {
    state::with(|s| s.content)
}

pub(crate) fn now_ms() -> u64 {
    state::with(|s| s.now_ms)
}

/// Pure rules may be tested without a host, so a line that nobody collects goes where test output goes.
pub(crate) fn log(level: log::Level, message: &str) {
    if state::try_with(|s| s.log.push((level, message.to_owned()))).is_none() {
        eprintln!("{level:?}: {message}");
    }
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
    state::with(|s| s.kv_get(key))
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), kv::Error> {
    state::with(|s| s.kv_set(key, value, ttl_ms))
}

pub(crate) fn kv_delete(key: &str) -> Result<(), kv::Error> {
    state::with(|s| s.kv_delete(key))
}

pub(crate) fn kv_increment(key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, kv::Error> {
    state::with(|s| s.kv_increment(key, by, ttl_ms))
}

pub(crate) fn limiter_take(key: &str, per_second: f64, burst: u32, cost: u32) -> Result<(), u64> {
    state::with(|s| s.take(key, per_second, burst, cost))
}

pub(crate) fn tag(key: &str, value: &str) {
    state::with(|s| s.tag(key, value));
}

pub(crate) fn cache(ttl_ms: u32) {
    state::with(|s| s.cached_ms = Some(ttl_ms));
}

pub(crate) fn count(name: &str, by: u64) {
    state::with(|s| *s.counts.entry(name.to_owned()).or_default() += by);
}
