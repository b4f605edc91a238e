//! The interfaces `log`, `kv`, `limiter` and `metrics`: translates between the contract and
//! [`crate::capabilities`], which holds the rules.

use std::time::Duration;

use super::bindings::sluicegate::plugin::{kv, limiter, log, metrics};
use plugin_store::KvError;

use crate::capabilities::Level;
use crate::fault::Misuse;
use crate::state::StoreData;

// Binding refuses a plugin that imports what it is not granted, so no guest gets here without.
fn not_granted(capability: &str) -> wasmtime::Error {
    Misuse::new(format!("{capability} is not granted")).into()
}

impl log::Host for StoreData {
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

impl kv::Host for StoreData {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, kv::Error>> {
        let kv = self.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
        let budget = &mut self.call.wait_budget;
        Ok(kv.get(&key, budget).map_err(Into::into))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<Result<(), kv::Error>> {
        let kv = self.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
        let budget = &mut self.call.wait_budget;
        let ttl = ttl_ms.map(Duration::from_millis);
        Ok(kv.set(&key, &value, ttl, budget).map_err(Into::into))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), kv::Error>> {
        let kv = self.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
        let budget = &mut self.call.wait_budget;
        Ok(kv.delete(&key, budget).map_err(Into::into))
    }

    fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> wasmtime::Result<Result<i64, kv::Error>> {
        let kv = self.scope.kv.as_ref().ok_or_else(|| not_granted("kv"))?;
        let budget = &mut self.call.wait_budget;
        let ttl = ttl_ms.map(Duration::from_millis);
        Ok(kv.increment(&key, by, ttl, budget).map_err(Into::into))
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

impl limiter::Host for StoreData {
    fn take(&mut self, key: String, per_second: f64, burst: u32, cost: u32) -> wasmtime::Result<Result<(), u64>> {
        let limiter = self.scope.limiter.as_ref().ok_or_else(|| not_granted("limiter"))?;
        let taken = limiter
            .take(&key, per_second, burst, cost, &mut self.call.wait_budget)
            .map_err(|bad| Misuse::new(bad.to_string()))?;
        Ok(taken)
    }
}

impl metrics::Host for StoreData {
    fn count(&mut self, name: String, by: u64) -> wasmtime::Result<()> {
        let counters = self.scope.counters.as_ref().ok_or_else(|| not_granted("metrics"))?;
        counters
            .count(&name, by)
            .map_err(|bad| Misuse::new(bad.to_string()).into())
    }
}
