//! The interfaces `log`, `kv`, `limiter` and `metrics`: translates between the contract and
//! [`crate::capabilities`], which holds the rules.

use std::time::Duration;

use sluicegate_contract::limits::{
    COUNTER_NAME_BYTES, KV_KEY_BYTES, KV_VALUE_BYTES, LIMITER_KEY_BYTES, LOG_LINE_BYTES,
};
use wasmtime::component::LinkerInstance;

use super::bindings::sluicegate::plugin::{kv, log};
use plugin_store::KvError;

use crate::bounded::{BoundedBytes, BoundedText, TextHead};
use crate::capabilities::Level;
use crate::fault::Misuse;
use crate::host_call::define;
use crate::state::StoreData;

/// Of a log line: a character more than is written, by which the log sees that it was cut.
const LOG_READ_BYTES: usize = LOG_LINE_BYTES + 4;

type KvKey = BoundedText<KV_KEY_BYTES>;
type Answer<T> = Result<T, kv::Error>;

// Binding refuses a plugin that imports what it is not granted, so no guest gets here without.
fn not_granted(capability: &str) -> wasmtime::Error {
    Misuse::new(format!("{capability} is not granted")).into()
}

pub(super) fn log(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(
        instance,
        "write",
        |state, (level, message): (log::Level, TextHead<LOG_READ_BYTES>)| {
            let level = match level {
                log::Level::Debug => Level::Debug,
                log::Level::Info => Level::Info,
                log::Level::Warn => Level::Warn,
                log::Level::Error => Level::Error,
            };
            state.call.time.charge(message.0.len())?;
            state.scope.log.write(level, &message.0);
            Ok(())
        },
    )
}

pub(super) fn kv(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get", |state, (key,): (KvKey,)| {
        let Ok(key) = key.whole() else {
            return Ok((too_large(),));
        };
        let kv = state.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
        let found: Answer<_> = kv.get(&key, &mut state.call.wait_budget).map_err(Into::into);
        if let Ok(Some(value)) = &found {
            state.call.time.charge(value.len())?;
        }
        Ok((found,))
    })?;
    define(
        instance,
        "set",
        |state, (key, value, ttl_ms): (KvKey, BoundedBytes<KV_VALUE_BYTES>, Option<u64>)| {
            let (Ok(key), Ok(value)) = (key.whole(), value.whole()) else {
                return Ok((too_large(),));
            };
            state.call.time.charge(value.len())?;
            let kv = state.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
            let budget = &mut state.call.wait_budget;
            let ttl = ttl_ms.map(Duration::from_millis);
            let done: Answer<()> = kv.set(&key, &value, ttl, budget).map_err(Into::into);
            Ok((done,))
        },
    )?;
    define(instance, "delete", |state, (key,): (KvKey,)| {
        let Ok(key) = key.whole() else {
            return Ok((too_large(),));
        };
        let kv = state.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
        let done: Answer<()> = kv.delete(&key, &mut state.call.wait_budget).map_err(Into::into);
        Ok((done,))
    })?;
    define(
        instance,
        "increment",
        |state, (key, by, ttl_ms): (KvKey, i64, Option<u64>)| {
            let Ok(key) = key.whole() else {
                return Ok((too_large(),));
            };
            let kv = state.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
            let budget = &mut state.call.wait_budget;
            let ttl = ttl_ms.map(Duration::from_millis);
            let sum: Answer<i64> = kv.increment(&key, by, ttl, budget).map_err(Into::into);
            Ok((sum,))
        },
    )
}

/// The contract's answer to a key or a value of any length.
fn too_large<T>() -> Answer<T> {
    Err(KvError::TooLarge.into())
}

impl From<KvError> for kv::Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::TooLarge => Self::TooLarge,
            KvError::Full => Self::Full,
            KvError::NotANumber => Self::NotANumber,
            KvError::Unavailable => Self::Unavailable,
        }
    }
}

pub(super) fn limiter(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(
        instance,
        "take",
        |state, (key, per_second, burst, cost): (BoundedText<LIMITER_KEY_BYTES>, f64, u32, u32)| {
            let key = key.whole().map_err(|found| {
                Misuse::new(format!(
                    "a bucket's key has at most {LIMITER_KEY_BYTES} bytes, not {found}"
                ))
            })?;
            let limiter = state.scope.limiter.as_ref().ok_or_else(|| not_granted("limiter"))?;
            let taken = limiter
                .take(&key, per_second, burst, cost, &mut state.call.wait_budget)
                .map_err(|bad| Misuse::new(bad.to_string()))?;
            Ok((taken,))
        },
    )
}

pub(super) fn metrics(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(
        instance,
        "count",
        |state, (name, by): (BoundedText<COUNTER_NAME_BYTES>, u64)| {
            let counters = state.scope.counters.as_ref().ok_or_else(|| not_granted("metrics"))?;
            // A name that is too long is as bad as an empty one.
            counters
                .count(&name.whole().unwrap_or_default(), by)
                .map_err(|bad| Misuse::new(bad.to_string()).into())
        },
    )
}
