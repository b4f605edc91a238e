//! A tenant on one shard: its settings and its chain, swapped by a reload under the sessions that use them.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::turns::TenantShare;
use crate::observe::TenantMetrics;
use chain::Chain;
use config::Tenant;
use sandbox::FirstUse;

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

type BuildChain = Box<dyn FnOnce() -> Chain + Send>;

/// The rules of a tenant for a shard.
pub enum NewRules {
    /// Other rules than before.
    Chain {
        /// Builds the chain, on the shard's thread.
        build: BuildChain,
        /// At once, not when it is first asked.
        eager: bool,
        /// Tells when a plugin cannot be used at its first use.
        first_use: Arc<FirstUse>,
    },
    /// The chain that it has, with its instances, and perhaps other settings.
    SameChain,
    /// The tenant is quarantined and has no rules that it could keep, so all its clients are sent away.
    Closed,
}

/// A tenant as a shard's sessions see it.
pub struct ShardTenant {
    settings: RefCell<Arc<Tenant>>,
    chain: RefCell<TenantChain>,
    first_use: RefCell<Arc<FirstUse>>,
    closed: Cell<bool>,
    quarantined: Cell<bool>,
    /// The tenant's metrics.
    pub metrics: Arc<TenantMetrics>,
    /// Its share of the shard's time.
    pub share: Rc<TenantShare>,
}

/// A tenant's chain. That of one that sleeps is not built yet.
enum TenantChain {
    Asleep(BuildChain),
    Awake(Chain),
}

// === impl ShardTenant ===

impl ShardTenant {
    pub(super) fn new(new: NewTenant, metrics: Arc<TenantMetrics>) -> Rc<Self> {
        let tenant = Self {
            settings: RefCell::new(new.settings.clone()),
            chain: RefCell::new(TenantChain::Awake(Chain::closed())),
            first_use: RefCell::default(),
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
            NewRules::SameChain => {
                self.share.weigh(new.settings.weight);
                self.settings.replace(new.settings);
                return;
            }
            NewRules::Chain {
                build,
                eager,
                first_use,
            } => {
                self.closed.set(false);
                self.first_use.replace(first_use);
                if eager {
                    TenantChain::Awake(build())
                } else {
                    TenantChain::Asleep(build)
                }
            }
            NewRules::Closed => {
                self.closed.set(true);
                TenantChain::Awake(Chain::closed())
            }
        };
        self.share.weigh(new.settings.weight);
        self.settings.replace(new.settings);
        self.chain.replace(chain);
    }

    pub(super) fn evict_idle(&self) {
        if let TenantChain::Awake(chain) = &mut *self.chain.borrow_mut() {
            chain.evict_idle();
        }
        self.share.report();
    }

    /// If its clients are sent away: after how many milliseconds one is to come back.
    pub fn sends_away(&self) -> Option<u64> {
        let spread = RETRY_MS.end - RETRY_MS.start;
        (self.closed.get() || self.failed_at_first_use())
            .then(|| RETRY_MS.start + getrandom::u64().unwrap_or_default() % spread)
    }

    /// Whether one of its plugins could not be used when it was first asked. The broker quarantines it as soon as it hears
    /// of it.
    pub fn failed_at_first_use(&self) -> bool {
        self.first_use.borrow().has_failed()
    }

    /// Whether it serves clients.
    pub(super) fn is_open(&self) -> bool {
        !self.closed.get()
    }

    /// Whether its plugins failed when they were last loaded.
    pub(super) fn is_quarantined(&self) -> bool {
        self.quarantined.get()
    }

    /// The present settings.
    pub fn settings(&self) -> Arc<Tenant> {
        self.settings.borrow().clone()
    }

    /// The present chain, for one call. It is built when it is first asked.
    pub fn chain(&self) -> RefMut<'_, Chain> {
        RefMut::map(self.chain.borrow_mut(), TenantChain::wake)
    }
}

// === impl TenantChain ===

impl TenantChain {
    fn wake(&mut self) -> &mut Chain {
        if let Self::Asleep(build) = self {
            let build = std::mem::replace(build, Box::new(Chain::closed));
            *self = Self::Awake(build());
        }
        match self {
            Self::Awake(chain) => chain,
            Self::Asleep(_) => unreachable!("it was built just now"),
        }
    }
}
