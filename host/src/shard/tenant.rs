//! A tenant on one shard: its settings and its chain, swapped by a reload under the sessions that use them.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::turns::TenantShare;
use crate::observe::TenantMetrics;
use chain::{Chain, Defaults};
use config::Tenant;

/// How long the clients of a quarantined tenant are told to stay away, in milliseconds: each another time, so that they do
/// not come back all at once.
const RETRY_MS: Range<u64> = 15_000..60_000;

/// A tenant for a shard. It is made on another thread, so the shard builds the chain.
pub struct NewTenant {
    pub settings: Arc<Tenant>,
    pub rules: NewRules,
    /// Its plugins failed when they were loaded, for the operator to see.
    pub quarantined: bool,
}

/// The rules of a tenant for a shard.
pub enum NewRules {
    /// Builds the chain, on the shard's thread.
    Chain(Box<dyn FnOnce() -> Chain + Send>),
    /// The tenant stays as it is.
    Unchanged,
    /// The tenant is quarantined and has no rules that it could keep, so all its clients are sent away.
    Closed,
}

/// A tenant as a shard's sessions see it.
pub struct ShardTenant {
    settings: RefCell<Arc<Tenant>>,
    chain: RefCell<Chain>,
    closed: Cell<bool>,
    quarantined: Cell<bool>,
    /// The tenant's metrics.
    pub metrics: Arc<TenantMetrics>,
    /// Its share of the shard's time.
    pub share: Rc<TenantShare>,
}

impl ShardTenant {
    pub(super) fn new(new: NewTenant, metrics: Arc<TenantMetrics>) -> Rc<Self> {
        let tenant = Self {
            settings: RefCell::new(new.settings.clone()),
            chain: RefCell::new(no_chain()),
            closed: Cell::new(true),
            quarantined: Cell::new(false),
            share: TenantShare::new(metrics.clone()),
            metrics,
        };
        tenant.replace(new);
        Rc::new(tenant)
    }

    pub(super) fn replace(&self, new: NewTenant) {
        self.quarantined.set(new.quarantined);
        let chain = match new.rules {
            NewRules::Unchanged => return,
            NewRules::Chain(build) => {
                self.closed.set(false);
                build()
            }
            NewRules::Closed => {
                self.closed.set(true);
                no_chain()
            }
        };
        self.share.weigh(new.settings.weight);
        self.settings.replace(new.settings);
        self.chain.replace(chain);
    }

    pub(super) fn evict_idle(&self) {
        self.chain.borrow_mut().evict_idle();
        self.share.report();
    }

    /// If its clients are sent away: after how many milliseconds one is to come back.
    pub(super) fn sends_away(&self) -> Option<u64> {
        let spread = RETRY_MS.end - RETRY_MS.start;
        self.closed
            .get()
            .then(|| RETRY_MS.start + getrandom::u64().unwrap_or_default() % spread)
    }

    /// Whether its plugins failed when they were last loaded.
    pub(super) fn is_quarantined(&self) -> bool {
        self.quarantined.get()
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

/// Nobody may anything by it, whatever the tenant's defaults are: a session that would ask it is closed before.
fn no_chain() -> Chain {
    let defaults = Defaults {
        anonymous: false,
        allow: false,
        message_bytes: 0,
    };
    Chain::new(Vec::new(), defaults)
}
