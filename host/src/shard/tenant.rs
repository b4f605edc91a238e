//! A tenant on one shard: its settings and its chain, swapped by a reload under the sessions that use them.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use crate::observe::TenantMetrics;
use chain::Chain;
use config::Tenant;

/// A tenant for a shard: made anywhere, so the chain is built where it will live.
pub struct NewTenant {
    pub settings: Arc<Tenant>,
    /// Builds its chain on the shard's thread.
    pub chain: Box<dyn FnOnce() -> Chain + Send>,
}

/// A tenant as a shard's sessions see it.
pub struct ShardTenant {
    settings: RefCell<Arc<Tenant>>,
    chain: RefCell<Chain>,
    /// What is counted of it.
    pub metrics: TenantMetrics,
}

impl ShardTenant {
    pub(super) fn new(new: NewTenant, metrics: TenantMetrics) -> Rc<Self> {
        Rc::new(Self {
            settings: RefCell::new(new.settings),
            chain: RefCell::new((new.chain)()),
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

    /// The settings of now.
    pub fn settings(&self) -> Arc<Tenant> {
        self.settings.borrow().clone()
    }

    /// The chain of now, for one question.
    pub fn chain(&self) -> RefMut<'_, Chain> {
        self.chain.borrow_mut()
    }
}
