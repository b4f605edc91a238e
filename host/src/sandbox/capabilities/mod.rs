//! What plugins may use besides the session: log, kv, limiter and counters. Knows no WebAssembly.

mod counters;
mod kv;
mod limiter;
mod log;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub(super) use counters::Counters;
pub(super) use kv::{Kv, KvError};
pub(super) use limiter::Limiter;
pub(super) use log::{LINE_BYTES, Level, Log};

use super::clock::Clock;
use super::meter::Meter;

/// The capabilities that need the operator's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// A small store.
    pub kv: bool,
    /// Token buckets.
    pub limiter: bool,
    /// Counters on `/metrics`.
    pub metrics: bool,
}

/// What plugins have stored, by tenant and plugin. One for the whole process: it outlives reloads, so that
/// a new version of a plugin finds what the old one left.
#[derive(Default)]
pub struct Capabilities {
    clock: Clock,
    stores: Mutex<HashMap<Place, Stores>>,
}

/// Tenant and plugin.
type Place = (Arc<str>, Arc<str>);

#[derive(Clone)]
struct Stores {
    kv: Arc<Kv>,
    limiter: Arc<Limiter>,
}

/// What the instances of one plugin in one tenant may reach.
pub(super) struct Scope {
    pub(super) tenant: Arc<str>,
    pub(super) log: Log,
    pub(super) kv: Option<Arc<Kv>>,
    pub(super) limiter: Option<Arc<Limiter>>,
    pub(super) counters: Option<Counters>,
}

// === impl Capabilities ===

impl Capabilities {
    /// Empty stores whose entries expire by `clock`.
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            stores: Mutex::default(),
        })
    }

    pub(super) fn scope(&self, tenant: &Arc<str>, plugin: &Arc<str>, grants: Grants, meter: &Arc<Meter>) -> Scope {
        let stores = self.stores(tenant, plugin);
        let log = Log::new(tenant, plugin, self.clock.clone());
        Scope {
            tenant: Arc::clone(tenant),
            kv: grants.kv.then_some(stores.kv),
            limiter: grants.limiter.then_some(stores.limiter),
            counters: grants.metrics.then(|| Counters::new(meter, tenant, plugin)),
            log,
        }
    }

    fn stores(&self, tenant: &Arc<str>, plugin: &Arc<str>) -> Stores {
        let mut stores = self.stores.lock();
        let key = (Arc::clone(tenant), Arc::clone(plugin));
        let stores = stores.entry(key).or_insert_with(|| Stores {
            kv: Arc::new(Kv::new(self.clock.clone())),
            limiter: Arc::new(Limiter::new(self.clock.clone())),
        });
        stores.clone()
    }
}
