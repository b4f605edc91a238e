//! Binds plugins that were loaded to tenants, and tries them out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::bound::Bound;
use super::bound_tenant::BoundTenant;
use super::link::{BoundLink, NewLink, chain_problem};
use super::loaded::LoadedPlugins;
use super::wanted::{Owner, WantedTenant};
use config::{Capability, ChainEntry, Config, Problem, Tenant};
use plugin_store::PluginStores;
use sandbox::{BindingOptions, FirstUse, Grants, Meter, Sandbox};

/// How long a start or a reload tries out plugins whose tenants may wait for their first use.
const TRIALS: Duration = Duration::from_secs(1);

/// Which plugins are tried out when they are loaded: an instance is made of each, with its `init`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trials {
    All,
    /// Those of the default tenant, eager ones, and as many others as fit into [`TRIALS`], in the order of the config. What
    /// is left is tried when it is first used.
    InTime,
}

/// What bindings are made with.
pub(super) struct Binder {
    pub sandbox: Arc<Sandbox>,
    pub stores: Arc<PluginStores>,
    pub meter: Arc<Meter>,
}

// === impl Binder ===

impl Binder {
    /// Binds tenants. The problems are all that went wrong, each once, those of `plugins` included.
    pub(super) fn attempt(
        &self,
        config: &Config,
        plugins: &LoadedPlugins,
        wanted: &[WantedTenant],
        before: &Bound,
        trials: Trials,
    ) -> Attempt {
        let mut problems: Vec<Problem> = plugins.problems().cloned().collect();
        let mut tried = Duration::ZERO;
        let tenants = wanted.iter().map(|WantedTenant { tenant, owner }| {
            let before = before.tenants.get(&tenant.name);
            let mut own = Vec::new();
            let (links, mut failed) = self.bind_tenant(tenant, plugins, before, &mut own);
            let is_default = Some(&tenant.name) == config.server.default_tenant.as_ref();
            for NewLink { link, entry, is_new } in &links {
                let must = trials == Trials::All || is_default || entry.eager;
                if !is_new || !must && tried >= TRIALS {
                    continue;
                }
                let begin = Instant::now();
                if let Err(error) = self.sandbox.try_out(&link.binding) {
                    let problem = chain_problem(tenant, entry, plugins.schema(&entry.plugin), &error);
                    own.push(problem.clone());
                    failed.push(problem);
                }
                if !must {
                    tried += begin.elapsed();
                }
            }
            // What fails of a pushed tenant is no problem of the files.
            if *owner == Owner::Files {
                problems.append(&mut own);
            }
            if failed.is_empty() {
                let links = links.into_iter().map(|new| new.link).collect();
                BoundTenant::running(tenant.clone(), *owner, links)
            } else {
                BoundTenant::failed(tenant.clone(), *owner, failed, before)
            }
        });
        let tenants = tenants.collect();
        Attempt { problems, tenants }
    }

    /// Binds the tenant's plugins: those that could be, and what was wrong. What is not in `problems` yet is put there. What
    /// the tenant had `before` and is to have again stays what it is, with its instances.
    pub(super) fn bind_tenant<'t>(
        &self,
        tenant: &'t Tenant,
        plugins: &LoadedPlugins,
        before: Option<&BoundTenant>,
        problems: &mut Vec<Problem>,
    ) -> (Vec<NewLink<'t>>, Vec<Problem>) {
        let (mut links, mut failed) = (Vec::new(), Vec::new());
        let before = before.filter(|before| !before.is_quarantined());
        let first_use = before.and_then(BoundTenant::first_use);
        let first_use = first_use.filter(|first_use| !first_use.has_failed());
        let mut had: Vec<(&ChainEntry, &BoundLink)> = match (before, first_use) {
            (Some(before), Some(_)) => before.chain().collect(),
            _ => Vec::new(),
        };
        let first_use = first_use.cloned().unwrap_or_default();
        for entry in &tenant.chain {
            let plugin = match plugins.get(&entry.plugin) {
                Some(Ok(plugin)) => plugin,
                // It is reported once, where it is declared.
                Some(Err(problem)) => {
                    failed.push(problem.clone());
                    continue;
                }
                // It was there when the tenant was pushed.
                None => {
                    let problem = chain_problem(tenant, entry, None, &"the config has no such plugin any more");
                    problems.push(problem.clone());
                    failed.push(problem);
                    continue;
                }
            };
            let is_same = |(old, link): &(&ChainEntry, &BoundLink)| {
                Arc::ptr_eq(&link.plugin, plugin) && old.is_same_but_on_fault(entry)
            };
            if let Some(index) = had.iter().position(is_same) {
                let (_, link) = had.remove(index);
                let link = BoundLink {
                    on_fault: entry.on_fault,
                    ..link.clone()
                };
                links.push(NewLink {
                    link,
                    entry,
                    is_new: false,
                });
                continue;
            }
            let schema = plugins.schema(&entry.plugin);
            let settings = match entry.settings.for_schema(schema) {
                Ok(settings) => settings,
                Err(missing) => {
                    problems.extend_from_slice(&missing);
                    failed.extend(missing);
                    continue;
                }
            };
            let options = binding_options(tenant, entry, settings, &first_use);
            match self.sandbox.bind(plugin, options, &self.stores, &self.meter) {
                Ok(binding) => {
                    let link = BoundLink {
                        sandbox: self.sandbox.clone(),
                        plugin: plugin.clone(),
                        binding,
                        on_fault: entry.on_fault,
                    };
                    links.push(NewLink {
                        link,
                        entry,
                        is_new: true,
                    });
                }
                Err(error) => {
                    let problem = chain_problem(tenant, entry, schema, &error);
                    problems.push(problem.clone());
                    failed.push(problem);
                }
            }
        }
        (links, failed)
    }
}

fn binding_options(
    tenant: &Tenant,
    entry: &ChainEntry,
    settings: serde_json::Value,
    first_use: &Arc<FirstUse>,
) -> BindingOptions {
    BindingOptions {
        tenant: tenant.name.clone(),
        hooks: entry.hooks,
        deadline: entry.deadline,
        memory_bytes: entry.memory_bytes,
        grants: Grants {
            kv: entry.grants.contains(&Capability::Kv),
            limiter: entry.grants.contains(&Capability::Limiter),
            metrics: entry.grants.contains(&Capability::Metrics),
        },
        eager: entry.eager,
        settings,
        first_use: first_use.clone(),
    }
}
