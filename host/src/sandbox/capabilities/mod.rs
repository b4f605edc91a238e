//! What plugins may use besides the session: log, kv, limiter and counters. Knows no WebAssembly.

mod counters;
mod kept;
mod kv;
mod limiter;
mod log;
pub mod shared;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

pub(super) use counters::Counters;
pub(super) use kept::{Buckets, Values};
pub(crate) use kv::KvError;
pub(super) use log::{LINE_BYTES, Level, Log};
pub(crate) use shared::Patience;

use super::clock::Clock;
use super::meter::Meter;
use kv::Kv;
use limiter::Limiter;
use shared::{Line, SharedKv, SharedLimiter, SharedStore};

/// How often leases are looked at that nobody uses.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

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
    /// The way to the store of all nodes; without one everything is kept here.
    line: Option<Arc<Line>>,
    stores: Mutex<HashMap<Place, Stores>>,
}

/// Tenant and plugin.
pub type Place = (Arc<str>, Arc<str>);

#[derive(Clone)]
struct Stores {
    values: Values,
    buckets: Buckets,
}

/// What the instances of one plugin in one tenant may reach.
pub(super) struct Scope {
    pub(super) tenant: Arc<str>,
    pub(super) log: Log,
    pub(super) values: Option<Values>,
    pub(super) buckets: Option<Buckets>,
    pub(super) counters: Option<Counters>,
}

// === impl Capabilities ===

impl Capabilities {
    /// Empty stores of this process alone, whose entries expire by `clock`.
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            ..Self::default()
        })
    }

    /// Stores that other nodes share. Until they are [connected](Self::connect) they do not answer, and limits are
    /// this process's own.
    pub fn shared(clock: Clock) -> io::Result<Arc<Self>> {
        let capabilities = Arc::new(Self {
            clock,
            line: Some(Arc::default()),
            ..Self::default()
        });
        let swept = Arc::downgrade(&capabilities);
        thread::Builder::new()
            .name("leases".into())
            .spawn(move || sweep(&swept))?;
        Ok(capabilities)
    }

    /// Where shared stores are kept. Nothing, if they are not shared.
    pub fn connect(&self, store: Arc<dyn SharedStore>) {
        if let Some(line) = &self.line {
            line.connect(store);
        }
    }

    pub(super) fn scope(&self, tenant: &Arc<str>, plugin: &Arc<str>, grants: Grants, meter: &Arc<Meter>) -> Scope {
        let stores = self.stores(tenant, plugin);
        let log = Log::new(tenant, plugin, self.clock.clone());
        Scope {
            tenant: Arc::clone(tenant),
            values: grants.kv.then_some(stores.values),
            buckets: grants.limiter.then_some(stores.buckets),
            counters: grants.metrics.then(|| Counters::new(meter, tenant, plugin)),
            log,
        }
    }

    fn stores(&self, tenant: &Arc<str>, plugin: &Arc<str>) -> Stores {
        let mut stores = self.stores.lock();
        let place = (Arc::clone(tenant), Arc::clone(plugin));
        let clock = || self.clock.clone();
        let stores = stores.entry(place.clone()).or_insert_with(|| match &self.line {
            None => Stores {
                values: Values::Own(Arc::new(Kv::new(clock()))),
                buckets: Buckets::Own(Arc::new(Limiter::new(clock()))),
            },
            Some(line) => Stores {
                values: Values::Shared(Arc::new(SharedKv::new(line.clone(), place.clone()))),
                buckets: Buckets::Shared(Arc::new(SharedLimiter::new(line.clone(), place, clock()))),
            },
        });
        stores.clone()
    }
}

/// Gives leases back that nobody uses, until the stores are gone.
fn sweep(capabilities: &Weak<Capabilities>) {
    loop {
        thread::sleep(SWEEP_EVERY);
        let Some(capabilities) = capabilities.upgrade() else {
            return;
        };
        let stores: Vec<Stores> = capabilities.stores.lock().values().cloned().collect();
        drop(capabilities);
        for stores in stores {
            if let Buckets::Shared(limiter) = stores.buckets {
                limiter.sweep();
            }
        }
    }
}
