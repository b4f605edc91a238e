//! What all calls share: the bus to all nodes, the backplane, the tenants, the keys and the audit log.

use std::sync::Arc;

use super::key::AdminKeys;
use super::key_lines::KeyLines;
use super::strangers::Strangers;
use crate::control::Bus;
use crate::gateway::state::Gateway;
use crate::observe::{AuditLog, Metrics};
use crate::pushed::PushedTenants;
use arc_swap::ArcSwap;
use backplane::Backplane;
use config::Config;
use registry::Registry;

/// The admin API of a node.
pub(crate) struct Api {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) registry: Arc<Registry>,
    pub(super) pushed: PushedTenants,
    /// The name of this node.
    pub(super) node: Arc<str>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) metrics: Metrics,
    pub(super) keys: ArcSwap<AdminKeys>,
    pub(super) audit: AuditLog,
    pub(super) strangers: Strangers,
    pub(super) key_lines: KeyLines,
}

impl Api {
    /// An API that reaches all nodes by `bus`, channels by `backplane`, and reads bans in `registry`.
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        backplane: Arc<dyn Backplane>,
        registry: Arc<Registry>,
        pushed: PushedTenants,
        gateway: Arc<Gateway>,
        audit: AuditLog,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            bus,
            backplane,
            registry,
            pushed,
            node: config.server.node.clone(),
            metrics: gateway.metrics.clone(),
            gateway,
            keys: ArcSwap::from_pointee(AdminKeys::new(&config.admin)),
            audit,
            strangers: Strangers::default(),
            key_lines: KeyLines::default(),
        })
    }

    /// Replaces the keys by those of `config`.
    pub(crate) fn reload(&self, config: &Config) {
        self.keys.store(Arc::new(AdminKeys::new(&config.admin)));
    }

    /// Where calls are recorded.
    pub(crate) fn audit(&self) -> &AuditLog {
        &self.audit
    }
}
