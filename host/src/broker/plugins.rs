//! From a config's chains to chains that run: each plugin compiled once, bound to each tenant that
//! names it, with a slot of its own on each shard.

use std::collections::HashMap;
use std::sync::Arc;

use plugin_store::shared::SharedStore;
use plugin_store::{Clock, PluginStores};

use super::error::BrokerError;
use crate::observe::Metrics;
use crate::shard::NewTenant;
use chain::{Chain, ChainStep, Defaults, FaultRules};
use config::{BackplaneKind, Capability, ChainEntry, Config, Problem, Problems, Tenant};
use sandbox::{Binding, BindingOptions, Grants, Meter, Plugin, Sandbox, SandboxOptions};

/// The sandbox and its stores. They live as long as the broker, so that stored values survive a reload.
pub struct Plugins {
    sandbox: Arc<Sandbox>,
    stores: Arc<PluginStores>,
    meter: Arc<Meter>,
}

/// The tenants of a config, with their plugins.
pub struct Bound(Vec<BoundTenant>);

#[derive(Clone)]
struct BoundTenant {
    settings: Arc<Tenant>,
    links: Vec<BoundLink>,
}

#[derive(Clone)]
struct BoundLink {
    binding: Arc<Binding>,
    on_fault: FaultRules,
}

/// Loads everything a config names, as `serve` would, and tells what is wrong.
pub fn check(config: &Config) -> Vec<Problem> {
    let plugins = match Plugins::new(config, &Metrics::new()) {
        Ok(plugins) => plugins,
        Err(error) => {
            let place = config::Place::file(config.path.as_path());
            return vec![place.problem(error.to_string())];
        }
    };
    match plugins.bind(config) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().cloned().collect(),
    }
}

// === impl Plugins ===

impl Plugins {
    pub fn new(config: &Config, metrics: &Metrics) -> Result<Self, BrokerError> {
        let sandbox = Sandbox::new(SandboxOptions {
            cache_dir: config.server.plugin_cache.clone(),
            cache_bytes: config.sandbox.cache_bytes,
            ..SandboxOptions::default()
        })?;
        let stores = match config.backplane {
            BackplaneKind::Memory => PluginStores::in_memory(Clock::System),
            BackplaneKind::Redis(_) => PluginStores::shared(Clock::System)?,
        };
        Ok(Self {
            sandbox,
            stores,
            meter: Meter::new(&metrics.registry).expect("the sandbox's metric names are its own"),
        })
    }

    /// Connects the store that all nodes share. Until then it does not answer plugins.
    pub fn connect(&self, store: Arc<dyn SharedStore>) {
        self.stores.connect(store);
    }

    /// Loads the config's plugins and binds them to its tenants: all of them, or every problem.
    pub fn bind(&self, config: &Config) -> Result<Bound, Problems> {
        let mut problems = Vec::new();
        let mut loaded: HashMap<Arc<str>, Arc<Plugin>> = HashMap::new();
        for file in &config.plugins {
            match self.sandbox.load_file(&file.name, &file.path, file.sha256) {
                Ok(plugin) => {
                    loaded.insert(file.name.clone(), plugin);
                }
                Err(error) => {
                    let reason = format!("plugin {:?} ({}): {error}", &*file.name, file.path.display());
                    problems.push(file.place.problem(reason));
                }
            }
        }
        self.sandbox.settle_cache();
        let mut tenants = Vec::new();
        for tenant in &config.tenants {
            let mut links = Vec::new();
            for entry in &tenant.chain {
                // A plugin that did not load is reported once, where it is declared.
                let Some(plugin) = loaded.get(&entry.plugin) else {
                    continue;
                };
                match plugin.bind(binding_options(tenant, entry), &self.stores, &self.meter) {
                    Ok(binding) => links.push(BoundLink {
                        binding,
                        on_fault: entry.on_fault,
                    }),
                    Err(error) => {
                        let reason = format!("plugin {:?} for tenant {:?}: {error}", &*entry.plugin, &*tenant.name);
                        problems.push(entry.place.problem(reason));
                    }
                }
            }
            tenants.push(BoundTenant {
                settings: tenant.clone(),
                links,
            });
        }
        if problems.is_empty() {
            Ok(Bound(tenants))
        } else {
            Err(problems.into())
        }
    }
}

// === impl Bound ===

impl Bound {
    /// What a shard needs to run these tenants.
    pub fn for_shard(&self) -> Vec<NewTenant> {
        self.0.iter().cloned().map(BoundTenant::for_shard).collect()
    }
}

impl BoundTenant {
    fn for_shard(self) -> NewTenant {
        let defaults = Defaults {
            anonymous: self.settings.anonymous,
            allow: self.settings.default_allow,
            message_bytes: self.settings.limits.message_bytes,
        };
        let links = self.links;
        NewTenant {
            settings: self.settings,
            chain: Box::new(move || Chain::new(links.into_iter().map(BoundLink::on_this_shard).collect(), defaults)),
        }
    }
}

impl BoundLink {
    fn on_this_shard(self) -> ChainStep {
        ChainStep {
            plugin: self.binding.name().clone(),
            hooks: self.binding.hooks(),
            on_fault: self.on_fault,
            hook: Box::new(self.binding.slot()),
        }
    }
}

fn binding_options(tenant: &Tenant, entry: &ChainEntry) -> BindingOptions {
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
        settings: entry.settings.clone(),
    }
}
