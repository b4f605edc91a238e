//! Tenants with their plugins, in force; and which of them are quarantined. A tenant is never run without one of
//! its plugins: it runs as configured, or keeps all that it had, or sends its clients away.

use std::collections::HashMap;
use std::sync::Arc;

use super::bound_tenant::BoundTenant;
use super::loaded::LoadedPlugins;
use super::quarantined::QuarantinedTenant;
use crate::shard::NewTenant;
use config::Tenant;
use sandbox::UnusablePlugin;

/// The tenants that are in force, each with its rules, and the plugins that were loaded for them.
#[derive(Clone, Default)]
pub struct Bound {
    pub(super) tenants: HashMap<Arc<str>, BoundTenant>,
    pub(super) plugins: LoadedPlugins,
}

/// What is to become of some tenants; all others stay as they are.
#[derive(Default)]
pub(super) struct Delta {
    pub put: Vec<BoundTenant>,
    pub removed: Vec<Arc<str>>,
    /// Other plugins than before, if they were loaded again.
    pub plugins: Option<LoadedPlugins>,
}

/// What became of some tenants.
pub(super) struct Applied {
    pub put: Vec<AppliedTenant>,
    pub removed: Vec<Arc<Tenant>>,
}

pub(super) struct AppliedTenant {
    before: Option<BoundTenant>,
    pub now: BoundTenant,
}

// === impl Bound ===

impl Bound {
    /// Takes over what changed.
    pub(super) fn apply(&mut self, delta: Delta) -> Applied {
        if let Some(plugins) = delta.plugins {
            self.plugins = plugins;
        }
        let removed = delta.removed.iter().filter_map(|name| self.tenants.remove(name));
        let removed = removed.map(|tenant| tenant.settings).collect();
        let put = delta.put.into_iter().map(|now| AppliedTenant {
            before: self.tenants.insert(now.settings.name.clone(), now.clone()),
            now,
        });
        Applied {
            put: put.collect(),
            removed,
        }
    }

    /// Quarantines those whose plugins could not be used when they were first asked. What was replaced meanwhile is no
    /// matter.
    pub(super) fn after_first_use(&self, unusable: &[UnusablePlugin]) -> Delta {
        let mut put: HashMap<Arc<str>, BoundTenant> = HashMap::new();
        for failed in unusable {
            let mut tenants = self.tenants.values();
            let Some(tenant) = tenants.find(|tenant| tenant.has(&failed.first_use)) else {
                continue;
            };
            let quarantined = put.entry(tenant.settings.name.clone()).or_insert_with(|| BoundTenant {
                links: None,
                ..tenant.clone()
            });
            quarantined.problems.extend(tenant.problem(failed));
        }
        Delta {
            put: put.into_values().filter(BoundTenant::is_quarantined).collect(),
            ..Delta::default()
        }
    }

    /// Whether there are tenants that may run as they are wanted when they are tried again.
    pub(super) fn has_quarantined(&self) -> bool {
        let mut tenants = self.tenants.values();
        tenants.any(|tenant| tenant.is_quarantined() && tenant.may_recover)
    }

    /// The quarantined tenants, by name.
    pub(super) fn quarantined(&self) -> Vec<QuarantinedTenant> {
        let mut quarantined: Vec<_> = self.tenants.values().filter_map(BoundTenant::quarantined).collect();
        quarantined.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        quarantined
    }

    /// The settings of tenants that keep what they had: a host that now is another tenant's is the other's.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        let kept = self.tenants.values().filter(|tenant| tenant.is_quarantined());
        kept.map(|tenant| &tenant.settings)
    }

    /// All tenants.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &BoundTenant> {
        self.tenants.values()
    }

    /// What a shard needs to run these tenants.
    pub fn for_shard(&self) -> Vec<NewTenant> {
        self.tenants.values().map(|tenant| tenant.for_shard(None)).collect()
    }
}

// === impl AppliedTenant ===

impl AppliedTenant {
    /// What a shard needs to know of it.
    pub(super) fn for_shard(&self) -> NewTenant {
        self.now.for_shard(self.before.as_ref())
    }
}
