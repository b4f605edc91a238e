//! The interfaces `log`, `kv`, `limiter` and `metrics`: translates between the contract and
//! [`crate::sandbox::capabilities`], which holds the rules.

use std::time::Duration;

use super::bindings::sluicegate::plugin::{kv, limiter, log, metrics};
use crate::sandbox::capabilities::{KvError, Level};
use crate::sandbox::fault::Misuse;
use crate::sandbox::state::State;

// Binding refuses a plugin that imports what it is not granted, so no guest gets here without.
fn not_granted(capability: &str) -> wasmtime::Error {
    Misuse::new(format!("{capability} is not granted")).into()
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.scope.log.write(level, &message);
        Ok(())
    }
}

impl kv::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::Error>> {
        let values = self.scope.values.as_ref().ok_or_else(|| not_granted("kv"))?;
        let patience = &mut self.call.patience;
        Ok(values.get(&key, patience).map_err(Into::into))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<Result<(), kv::Error>> {
        let values = self.scope.values.as_ref().ok_or_else(|| not_granted("kv"))?;
        let patience = &mut self.call.patience;
        let ttl = ttl_ms.map(Duration::from_millis);
        Ok(values.set(&key, &value, ttl, patience).map_err(Into::into))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), kv::Error>> {
        let values = self.scope.values.as_ref().ok_or_else(|| not_granted("kv"))?;
        let patience = &mut self.call.patience;
        Ok(values.delete(&key, patience).map_err(Into::into))
    }

    fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> wasmtime::Result<Result<i64, kv::Error>> {
        let values = self.scope.values.as_ref().ok_or_else(|| not_granted("kv"))?;
        let patience = &mut self.call.patience;
        let ttl = ttl_ms.map(Duration::from_millis);
        Ok(values.increment(&key, by, ttl, patience).map_err(Into::into))
    }
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

impl limiter::Host for State {
    fn take(&mut self, key: String, per_second: f64, burst: u32, cost: u32) -> wasmtime::Result<Result<(), u64>> {
        let buckets = self.scope.buckets.as_ref().ok_or_else(|| not_granted("limiter"))?;
        let taken = buckets
            .take(&key, per_second, burst, cost, &mut self.call.patience)
            .map_err(|bad| Misuse::new(bad.to_string()))?;
        Ok(taken)
    }
}

impl metrics::Host for State {
    fn count(&mut self, name: String, by: u64) -> wasmtime::Result<()> {
        let counters = self.scope.counters.as_ref().ok_or_else(|| not_granted("metrics"))?;
        counters
            .count(&name, by)
            .map_err(|bad| Misuse::new(bad.to_string()).into())
    }
}
