//! What changes when tenants are put in force: only theirs, wherever something is kept by tenant.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Broker;
use super::bound::{Applied, AppliedTenant, Delta};
use super::bound_tenant::BoundTenant;
use super::quarantined::QuarantinedTenant;
use crate::shard::NewTenant;
use config::Tenant;

/// Tenants that shards are told of at once.
const AT_ONCE: usize = 256;
/// How long a shard may be busy until nobody waits any more for what it does with them: longer than a plugin's call can take.
const SHARD_WAIT: Duration = Duration::from_secs(15);

impl Broker {
    /// The tenants that the shards begin with are in force.
    pub(super) fn begin_in_force(&mut self) {
        let bound = &self.present.bound;
        let tenants: Vec<_> = bound.tenants().collect();
        self.take_over(tenants.iter().copied());
        self.gateway
            .directory
            .put(tenants.iter().map(|tenant| &tenant.settings));
        self.gateway
            .directory
            .set_default(self.present.config.server.default_tenant.as_ref());
        self.report(tenants.iter().copied());
        self.retry.loaded(self.present.bound.has_quarantined());
    }

    /// Takes over what changed. Every shard has it when this returns, and the clients of removed tenants are cut off.
    pub(super) async fn put_in_force(&mut self, delta: Delta) {
        let applied = Arc::make_mut(&mut self.present.bound).apply(delta);
        let Applied { put, removed } = &applied;
        // Nobody comes any more to those that go.
        self.gateway.directory.remove(removed.iter());
        self.take_over(put.iter().map(|tenant| &tenant.now));
        if !removed.is_empty() {
            let names: Vec<_> = removed.iter().map(|tenant| tenant.name.clone()).collect();
            self.tell_shards(Vec::new, &names).await;
            self.forget(removed);
        }
        for some in put.chunks(AT_ONCE) {
            self.tell_shards(|| some.iter().map(AppliedTenant::for_shard).collect(), &[])
                .await;
        }
        // And to those that come, when every shard has them.
        let in_force = put
            .iter()
            .map(|tenant| &tenant.now)
            .filter(|tenant| !tenant.is_quarantined());
        let directory = &self.gateway.directory;
        directory.put(in_force.map(|tenant| &tenant.settings));
        directory.put_behind(self.present.bound.kept());
        self.report(put.iter().map(|tenant| &tenant.now));
    }

    async fn tell_shards(&self, put: impl Fn() -> Vec<NewTenant>, removed: &[Arc<str>]) {
        let mut all_done = Vec::new();
        for shard in &self.shards {
            all_done.push(shard.change_tenants(put(), removed.to_vec()).await);
        }
        let all_done = async {
            for done in all_done {
                // A shard that is gone has no clients.
                drop(done.await);
            }
        };
        if timeout(SHARD_WAIT, all_done).await.is_err() {
            tracing::warn!(?SHARD_WAIT, "a shard has too much to do: tenants change there later");
        }
    }

    /// What is kept for tenants beside shards and directory is as their settings say.
    fn take_over<'a>(&self, tenants: impl Iterator<Item = &'a BoundTenant> + Clone) {
        let settings = tenants.map(|tenant| &*tenant.settings);
        let budgets = settings
            .clone()
            .map(|tenant| (&*tenant.name, tenant.limits.log_bytes_per_second));
        self.log.set_budgets(budgets);
        self.registry
            .limit_bans(settings.map(|tenant| (tenant.name.clone(), &tenant.limits)));
    }

    fn forget(&self, tenants: &[Arc<Tenant>]) {
        for tenant in tenants {
            self.log.forget_budget(&tenant.name);
            self.registry.forget_limit(&tenant.name);
            self.metrics.forget(&tenant.name);
            self.gateway.doorkeeper.forget(&tenant.name);
            self.plugins.forget(tenant);
        }
    }

    /// Tells the operator which of these tenants are quarantined.
    fn report<'a>(&self, tenants: impl Iterator<Item = &'a BoundTenant>) {
        for tenant in tenants {
            let quarantined = tenant.quarantined();
            self.metrics.quarantined(&tenant.settings.name, quarantined.is_some());
            if let Some(quarantined) = quarantined {
                let (tenant, why, then) = (&*quarantined.name, &*quarantined.reason, quarantined.consequence());
                tracing::error!(
                    tenant,
                    why,
                    then,
                    "a tenant is quarantined, because a plugin of it fails"
                );
            }
        }
        let quarantined = self.present.bound.quarantined();
        let why = |tenant: &QuarantinedTenant| format!("{}: {}", tenant.consequence(), tenant.reason);
        let reasons = quarantined.iter().map(|tenant| (tenant.name.clone(), why(tenant)));
        self.node_tenants.quarantine(reasons.collect());
        let mut lines: Vec<String> = quarantined.iter().map(ToString::to_string).collect();
        let conflicts = self.node_tenants.conflicts().into_iter();
        lines.extend(conflicts.map(|(name, why)| format!("{name}: it was pushed, and is not in force: {why}")));
        self.readiness.quarantine(lines);
    }
}
