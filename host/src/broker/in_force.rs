//! What is in force: tenants and their rules on the shards, and what the operator is told of it.

use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use super::bound::{Bound, QuarantinedTenant};
use super::loading::Present;
use super::pushed_tenants::NodeTenants;
use super::shards::Running;
use crate::control::{Bus, Order};
use crate::gateway::{Directory, Gateway, Readiness};
use crate::observe::{BrokerLog, Metrics};
use crate::shard::Control;
use config::{Config, Tenant};
use registry::Registry;

/// Where tenants are in force.
pub(super) struct InForce {
    pub shards: Vec<Running>,
    pub registry: Arc<Registry>,
    pub gateway: Arc<Gateway>,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub node_tenants: Arc<NodeTenants>,
    /// Dropped last: it is written to the end.
    pub log: BrokerLog,
}

// === impl InForce ===

impl InForce {
    /// Puts it in force. Each shard tells when it has done so.
    pub(super) async fn put(&self, present: &Present) -> Vec<oneshot::Receiver<()>> {
        let Present { config, bound, .. } = present;
        let settings = bound.settings();
        set_log_budgets(&self.log, &settings);
        self.registry.limit_bans(ban_limits(&settings));
        let mut on_shards = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (done, told) = oneshot::channel();
            let tenants = bound.for_shard();
            shard.tell(Control::Tenants { tenants, done }).await;
            on_shards.push(told);
        }
        self.gateway.directory.store(Arc::new(directory(config, bound)));
        on_shards
    }

    /// Tells the operator which tenants are quarantined, in the log only of those that are `news`. Returns whether any is.
    pub(super) fn report(&self, present: &Present, is_news: impl Fn(&str) -> bool) -> bool {
        let Present { config, bound, .. } = present;
        for problem in bound.unused() {
            tracing::error!(problem, "a plugin that no tenant uses does not load");
        }
        let quarantined = bound.quarantined();
        for tenant in quarantined.iter().filter(|tenant| is_news(&tenant.name)) {
            let (tenant, why, then) = (&*tenant.name, &*tenant.reason, tenant.consequence());
            tracing::error!(
                tenant,
                why,
                then,
                "a tenant is quarantined, because a plugin of it fails"
            );
        }
        let names = config.tenants.iter().map(|tenant| &*tenant.name);
        self.metrics
            .quarantined(names.map(|name| (name, bound.is_quarantined(name))));
        let reason = |tenant: &QuarantinedTenant| {
            (
                tenant.name.clone(),
                format!("{}: {}", tenant.consequence(), tenant.reason),
            )
        };
        self.node_tenants.quarantine(quarantined.iter().map(reason).collect());
        let mut lines: Vec<String> = quarantined.iter().map(ToString::to_string).collect();
        let conflicts = self.node_tenants.conflicts().into_iter();
        lines.extend(conflicts.map(|(name, why)| format!("{name}: it was pushed, and is not in force: {why}")));
        self.readiness.quarantine(lines);
        bound.has_quarantined()
    }
}

/// Tells who waits for it when all shards have it.
pub(super) async fn tell_when_done(on_shards: Vec<oneshot::Receiver<()>>, done: oneshot::Sender<()>) {
    for told in on_shards {
        // A shard that is gone was logged.
        drop(told.await);
    }
    // Whoever wanted it may not wait any more.
    let _ = done.send(());
}

/// Has the other nodes look when this one gave the store of pushed tenants back what it had lost.
pub(super) async fn tell_of_restored(bus: Arc<dyn Bus>, restored: Arc<Notify>) {
    loop {
        restored.notified().await;
        let order = Order::ReadTenant { tenant: String::new() };
        if let Err(error) = bus.ask(order).await {
            tracing::debug!(%error, "the other nodes find by themselves what was restored");
        }
    }
}

/// Gives each tenant's log the budget that is in force.
pub(super) fn set_log_budgets(log: &BrokerLog, tenants: &[Arc<Tenant>]) {
    let budgets = tenants
        .iter()
        .map(|tenant| (&*tenant.name, tenant.limits.log_bytes_per_second));
    log.set_budgets(budgets);
}

pub(super) fn ban_limits(tenants: &[Arc<Tenant>]) -> impl Iterator<Item = (Arc<str>, usize)> {
    tenants.iter().map(|tenant| (tenant.name.clone(), tenant.limits.bans))
}

pub(super) fn directory(config: &Config, bound: &Bound) -> Directory {
    Directory::new(&bound.settings(), config.server.default_tenant.as_deref())
}
