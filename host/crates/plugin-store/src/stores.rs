//! All stores of a process, by tenant and plugin.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::id::StoreId;
use crate::kv::Kv;
use crate::limiter::Limiter;
use crate::memory::{MemoryKv, MemoryLimiter};
use crate::shared::{SharedKv, SharedLimiter, SharedStore, StoreHandle, StoreLink};

/// How often leases are looked at that nobody uses.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// What plugins have stored. One for the whole process: it outlives reloads, so that a new version of a plugin
/// finds what the old one left.
#[derive(Default)]
pub struct PluginStores {
    clock: Clock,
    /// The store of all nodes; without one everything is kept here.
    shared: Option<Arc<StoreLink>>,
    stores: Mutex<HashMap<StoreId, Stores>>,
}

/// The stores of one plugin in one tenant.
#[derive(Clone)]
pub struct Stores {
    /// Its keys and values.
    pub kv: Arc<dyn Kv>,
    pub limiter: Arc<dyn Limiter>,
}

// === impl PluginStores ===

impl PluginStores {
    /// Empty stores of this process alone, whose entries expire by `clock`.
    pub fn in_memory(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            ..Self::default()
        })
    }

    /// Stores that other nodes share. Until they are [connected](Self::connect) they do not answer, and limits are
    /// this process's own.
    pub fn shared(clock: Clock) -> io::Result<Arc<Self>> {
        let stores = Arc::new(Self {
            clock,
            shared: Some(Arc::default()),
            ..Self::default()
        });
        let swept = Arc::downgrade(&stores);
        thread::Builder::new()
            .name("leases".into())
            .spawn(move || sweep(&swept))?;
        Ok(stores)
    }

    /// Where shared stores are kept from now on. No effect on stores in memory.
    pub fn connect(&self, store: Arc<dyn SharedStore>) {
        if let Some(link) = &self.shared {
            link.connect(store);
        }
    }

    /// By which the entries expire.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The stores of `plugin` in `tenant`, made when they are first asked for.
    pub fn of(&self, tenant: &Arc<str>, plugin: &Arc<str>) -> Stores {
        let id = (Arc::clone(tenant), Arc::clone(plugin));
        let clock = || self.clock.clone();
        let mut stores = self.stores.lock();
        let stores = stores.entry(id.clone()).or_insert_with(|| match &self.shared {
            None => Stores {
                kv: Arc::new(MemoryKv::new(clock())),
                limiter: Arc::new(MemoryLimiter::new(clock())),
            },
            Some(link) => {
                let handle = StoreHandle::new(link.clone(), id);
                Stores {
                    kv: Arc::new(SharedKv::new(handle.clone())),
                    limiter: Arc::new(SharedLimiter::new(handle, clock())),
                }
            }
        });
        stores.clone()
    }

    /// There is no such tenant any more: what `plugin` stored for it in memory is gone when nobody uses it any more. What
    /// other nodes share stays until it expires.
    pub fn forget(&self, tenant: &Arc<str>, plugin: &Arc<str>) {
        self.stores.lock().remove(&(Arc::clone(tenant), Arc::clone(plugin)));
    }
}

/// Gives leases back that nobody uses, until the stores are gone.
fn sweep(stores: &Weak<PluginStores>) {
    loop {
        thread::sleep(SWEEP_EVERY);
        let Some(stores) = stores.upgrade() else {
            return;
        };
        let swept: Vec<Stores> = stores.stores.lock().values().cloned().collect();
        drop(stores);
        for stores in swept {
            stores.limiter.sweep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WaitBudget;

    #[test]
    fn what_a_tenant_stored_is_gone_with_it_and_nobody_elses() {
        let stores = PluginStores::in_memory(Clock::held());
        let (acme, other, plugin) = (Arc::from("acme"), Arc::from("other"), Arc::from("p"));
        let mut budget = WaitBudget::of(Duration::from_secs(1));
        for tenant in [&acme, &other] {
            stores.of(tenant, &plugin).kv.set("k", b"v", None, &mut budget).unwrap();
        }
        stores.forget(&acme, &plugin);
        let mut kept = |tenant| stores.of(tenant, &plugin).kv.get("k", &mut budget).unwrap();
        assert_eq!((kept(&acme), kept(&other)), (None, Some(b"v".to_vec())));
    }
}
