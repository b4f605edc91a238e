//! A tenant on one shard: its settings and its chain, swapped by a reload under the sessions that use them.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use super::turns::TenantShare;
use crate::observe::TenantMetrics;
use chain::Chain;
use config::Tenant;

/// A tenant for a shard. It is made on another thread, so the shard builds the chain.
pub struct NewTenant {
    pub settings: Arc<Tenant>,
    /// Builds its chain on the shard's thread.
    pub chain: Box<dyn FnOnce() -> Chain + Send>,
}

/// A tenant as a shard's sessions see it.
pub struct ShardTenant {
    settings: RefCell<Arc<Tenant>>,
    chain: RefCell<Chain>,
    /// The tenant's metrics.
    pub metrics: TenantMetrics,
    /// Its share of the shard's time.
    pub share: Rc<TenantShare>,
}

impl ShardTenant {
    pub(super) fn new(new: NewTenant, metrics: TenantMetrics) -> Rc<Self> {
        Rc::new(Self {
            settings: RefCell::new(new.settings),
            chain: RefCell::new((new.chain)()),
            share: TenantShare::new(metrics.clone()),
            metrics,
        })
    }

    pub(super) fn replace(&self, new: NewTenant) {
        self.settings.replace(new.settings);
        self.chain.replace((new.chain)());
    }

    pub(super) fn evict_idle(&self) {
        self.chain.borrow_mut().evict_idle();
    }

    /// The present settings.
    pub fn settings(&self) -> Arc<Tenant> {
        self.settings.borrow().clone()
    }

    /// The present chain, for one call.
    pub fn chain(&self) -> RefMut<'_, Chain> {
        self.chain.borrow_mut()
    }
}
