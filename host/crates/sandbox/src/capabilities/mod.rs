//! What a plugin may use besides the session: its log, its stores and its counters. Knows no WebAssembly.

mod counters;
mod log;

use std::sync::Arc;

use plugin_store::{Kv, Limiter, PluginStores};

pub(crate) use counters::Counters;
pub(crate) use log::{LINE_BYTES, Level, Log};

use crate::meter::Meter;

/// The capabilities that an operator grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub kv: bool,
    pub limiter: bool,
    pub metrics: bool,
}

/// What the instances of one plugin in one tenant may reach.
pub(crate) struct PluginScope {
    pub(crate) tenant: Arc<str>,
    pub(crate) log: Log,
    pub(crate) kv: Option<Arc<dyn Kv>>,
    pub(crate) limiter: Option<Arc<dyn Limiter>>,
    pub(crate) counters: Option<Counters>,
}

// === impl PluginScope ===

impl PluginScope {
    pub(crate) fn new(
        stores: &PluginStores,
        tenant: &Arc<str>,
        plugin: &Arc<str>,
        grants: Grants,
        meter: &Arc<Meter>,
    ) -> Self {
        // One that keeps nothing has no stores.
        let own = (grants.kv || grants.limiter).then(|| stores.of(tenant, plugin));
        let (kv, limiter) = own.map_or((None, None), |own| (Some(own.kv), Some(own.limiter)));
        Self {
            tenant: Arc::clone(tenant),
            log: Log::new(tenant, plugin, stores.clock().clone()),
            kv: kv.filter(|_| grants.kv),
            limiter: limiter.filter(|_| grants.limiter),
            counters: grants.metrics.then(|| Counters::new(meter, tenant, plugin)),
        }
    }
}
