//! From a config's chains to chains that run: each plugin compiled once, bound to each tenant that names it. What fails
//! here fails for the tenants that use it, and `bound.rs` says what becomes of them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use plugin_store::shared::SharedStore;
use plugin_store::{Clock, PluginStores};
use serde_json::Value;

use super::attempt::{Attempt, BoundLink, chain_problem};
use super::bound::Bound;
use super::error::BrokerError;
use super::put_tenant::PutTenants;
use crate::observe::Metrics;
use config::{BackplaneKind, Capability, ChainEntry, Config, PluginFile, Problem, Problems, SandboxLimits, Tenant};
use sandbox::{
    BindingOptions, CompilerOptions, FirstUse, Grants, LoadLimits, Meter, Plugin, Sandbox, SandboxOptions,
    UnusablePlugin,
};

/// The broker's own program, also when another file is at its path by now.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The subcommand that compiles, and checks settings.
const COMPILER: &str = "compiler";

/// What a reload may always raise `memory_mib` to without a restart.
const POOL_MEMORY_BYTES_LEAST: usize = 256 * 1024 * 1024;

/// How long a start or a reload tries out plugins whose tenants may wait for their first use.
const TRIALS: Duration = Duration::from_secs(1);

/// Which plugins are tried out when they are loaded: an instance is made of each, with its `init`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trials {
    All,
    /// Those of the default tenant, eager ones, and as many others as fit into [`TRIALS`], in the order of the config. What
    /// is left is tried when it is first used.
    InTime,
}

/// The sandbox and its stores. They live as long as the broker, so that stored values survive a reload.
pub struct Plugins {
    sandbox: Arc<Sandbox>,
    stores: Arc<PluginStores>,
    meter: Arc<Meter>,
    /// Held by whoever loads plugins.
    loading: Mutex<()>,
    schemas: ArcSwap<SettingsSchemas>,
}

/// The schemas of plugins' settings, by the plugins' names.
pub(super) type SettingsSchemas = HashMap<Arc<str>, Value>;

/// Loads everything a config names, as `serve` would, and tells what is wrong.
pub fn check(config: &Config) -> Vec<Problem> {
    let plugins = match Plugins::new(config, &Metrics::new(), Plugins::child_compiler()) {
        Ok(plugins) => plugins,
        Err(error) => {
            let place = config::Place::file(config.path.as_path());
            return vec![place.problem(error.to_string())];
        }
    };
    plugins.attempt(config, |_| true, Trials::All).problems
}

/// The engine's own bound of a memory, behind each chain entry's limit: fixed when the process starts, with room for
/// a reload that raises a small one.
fn pool_memory_bytes(config: &Config) -> usize {
    let entries = config.tenants.iter().flat_map(|tenant| &tenant.chain);
    let largest = entries.map(|entry| entry.memory_bytes).max().unwrap_or(0);
    largest.max(POOL_MEMORY_BYTES_LEAST)
}

/// Bytes of all instances together.
fn memory_bytes(config: &Config) -> usize {
    usize::try_from(config.sandbox.memory_bytes).unwrap_or(usize::MAX)
}

// === impl Plugins ===

impl Plugins {
    pub fn new(config: &Config, metrics: &Metrics, compiler: CompilerOptions) -> Result<Self, BrokerError> {
        let sandbox = Sandbox::new(SandboxOptions {
            cache_dir: config.server.plugin_cache.clone(),
            cache_bytes: config.sandbox.cache_bytes,
            compiler,
            instances: config.sandbox.instances,
            memory_bytes: memory_bytes(config),
            max_memory_bytes: pool_memory_bytes(config),
            clock: Clock::System,
        })?;
        metrics.show(sandbox.gauges());
        let counting = Arc::downgrade(&sandbox);
        metrics.backplane.footprints.count_instances(move |tenant| {
            let memory = counting.upgrade().map(|sandbox| sandbox.tenant_memory(tenant));
            Box::new(move || memory.as_ref().map_or(0, |memory| memory.bytes()))
        });
        let stores = match config.backplane {
            BackplaneKind::Memory => PluginStores::in_memory(Clock::System),
            BackplaneKind::Redis(_) => PluginStores::shared(Clock::System)?,
        };
        Ok(Self {
            sandbox,
            stores,
            meter: Meter::new(&metrics.registry).expect("the sandbox's metric names are its own"),
            loading: Mutex::default(),
            schemas: ArcSwap::default(),
        })
    }

    /// A compiler that is a process of this program.
    pub fn child_compiler() -> CompilerOptions {
        CompilerOptions::Child {
            program: PathBuf::from(THIS_PROGRAM),
            args: vec![COMPILER.to_owned()],
        }
    }

    /// Connects the store that all nodes share. Until then it does not answer plugins.
    pub fn connect(&self, store: Arc<dyn SharedStore>) {
        self.stores.connect(store);
    }

    /// Loads the config's plugins and binds them to its tenants. A tenant that fails is quarantined, or keeps what it had
    /// `before`; the problems are an error where `Bound::settle` says so.
    pub fn bind(&self, config: &Config, before: Option<&Bound>) -> Result<Bound, Problems> {
        self.bind_all(config, &PutTenants::new(), before)
    }

    /// The same, where `put` are among the tenants.
    pub(super) fn bind_all(
        &self,
        config: &Config,
        put: &PutTenants,
        before: Option<&Bound>,
    ) -> Result<Bound, Problems> {
        let trials = if config.server.strict {
            Trials::All
        } else {
            Trials::InTime
        };
        let attempt = self.attempt(config, |_| true, trials).of_pushed(config, put);
        let bound = Bound::settle(config, attempt, before)?;
        self.sandbox.limit_memory(memory_bytes(config));
        Ok(bound)
    }

    /// Tries the quarantined tenants of `bound` again, which was made from `config`.
    pub(super) fn retry(&self, config: &Config, put: &PutTenants, bound: &Bound) -> Bound {
        let attempt = self.attempt(config, |tenant| bound.is_quarantined(&tenant.name), Trials::All);
        bound.after_retry(config, attempt.of_pushed(config, put))
    }

    /// Waits until plugins could not be used when they were first asked.
    pub async fn unusable(&self) -> Vec<UnusablePlugin> {
        self.sandbox.unusable().await
    }

    /// The tenants that are `changed`, with their plugins, beside those of `before`.
    pub(super) fn rebind(
        &self,
        config: &Config,
        put: &PutTenants,
        changed: &HashSet<Arc<str>>,
        before: &Bound,
    ) -> Bound {
        let attempt = self.attempt(config, |tenant| changed.contains(&tenant.name), Trials::InTime);
        Bound::after_change(config, attempt.of_pushed(config, put), before)
    }

    /// What is wrong with the plugins of a tenant that is not in force: they are bound, their `init` is run, and nothing
    /// comes of it.
    pub(super) fn trial(&self, config: &Config, tenant: &Tenant) -> Vec<Problem> {
        let _loading = self.loading.lock();
        let _limits = self.sandbox.begin_loading(limits(&config.sandbox));
        let mut loaded = HashMap::new();
        for file in &config.plugins {
            if tenant.chain.iter().any(|entry| entry.plugin == file.name) {
                loaded.insert(file.name.clone(), self.load(file));
            }
        }
        let (links, mut failed) = self.bind_tenant(tenant, &loaded, &mut Vec::new());
        for (link, entry) in links {
            if let Err(error) = self.sandbox.try_out(&link.binding) {
                failed.push(chain_problem(tenant, entry, &error));
            }
        }
        failed
    }

    /// What plugins say about their settings, as they were last loaded.
    pub(super) fn schemas(&self) -> Arc<SettingsSchemas> {
        self.schemas.load_full()
    }

    fn attempt(&self, config: &Config, is_wanted: impl Fn(&Tenant) -> bool, trials: Trials) -> Attempt {
        let _loading = self.loading.lock();
        let _loading = self.sandbox.begin_loading(limits(&config.sandbox));
        let wanted: Vec<bool> = config.tenants.iter().map(|tenant| is_wanted(tenant)).collect();
        let mut problems = Vec::new();
        let mut loaded = HashMap::new();
        // All, also those that no tenant uses, unless a part of the tenants is wanted.
        let is_used = |file: &PluginFile| {
            let uses = |tenant: &Tenant| tenant.chain.iter().any(|entry| entry.plugin == file.name);
            let mut tenants = config.tenants.iter().zip(&wanted);
            wanted.iter().all(|wanted| *wanted) || tenants.any(|(tenant, wanted)| *wanted && uses(tenant))
        };
        for file in config.plugins.iter().filter(|file| is_used(file)) {
            let plugin = self.load(file);
            problems.extend(plugin.as_ref().err().cloned());
            loaded.insert(file.name.clone(), plugin);
        }
        self.sandbox.settle_cache();
        self.learn_schemas(loaded.values().flatten());
        let mut tried = Duration::ZERO;
        let tenants = config.tenants.iter().zip(wanted).map(|(tenant, wanted)| {
            if !wanted {
                return None;
            }
            let (links, mut failed) = self.bind_tenant(tenant, &loaded, &mut problems);
            let is_default = Some(&tenant.name) == config.server.default_tenant.as_ref();
            for (link, entry) in &links {
                let must = trials == Trials::All || is_default || entry.eager;
                if !must && tried >= TRIALS {
                    continue;
                }
                let begin = Instant::now();
                if let Err(error) = self.sandbox.try_out(&link.binding) {
                    let problem = chain_problem(tenant, entry, &error);
                    problems.push(problem.clone());
                    failed.push(problem);
                }
                if !must {
                    tried += begin.elapsed();
                }
            }
            let links = links.into_iter().map(|(link, _)| link).collect();
            Some(if failed.is_empty() { Ok(links) } else { Err(failed) })
        });
        let tenants = tenants.collect();
        Attempt { problems, tenants }
    }

    fn learn_schemas<'a>(&self, loaded: impl Iterator<Item = &'a Arc<Plugin>>) {
        let mut schemas = SettingsSchemas::clone(&self.schemas.load());
        for plugin in loaded {
            // It was read when the plugin was loaded.
            let schema = plugin
                .settings_schema()
                .and_then(|text| serde_json::from_str(text).ok());
            match schema {
                Some(schema) => drop(schemas.insert(plugin.name().clone(), schema)),
                None => drop(schemas.remove(plugin.name())),
            }
        }
        self.schemas.store(Arc::new(schemas));
    }

    fn load(&self, file: &PluginFile) -> Result<Arc<Plugin>, Problem> {
        self.sandbox
            .load_file(&file.name, &file.path, file.sha256)
            .map_err(|error| {
                let reason = format!("plugin {:?} ({}): {error}", &*file.name, file.path.display());
                file.place.problem(reason)
            })
    }

    /// Binds the tenant's plugins: those that could be, and what was wrong. What is not in `problems` yet is put there.
    fn bind_tenant<'t>(
        &self,
        tenant: &'t Tenant,
        loaded: &HashMap<Arc<str>, Result<Arc<Plugin>, Problem>>,
        problems: &mut Vec<Problem>,
    ) -> (Vec<(BoundLink, &'t ChainEntry)>, Vec<Problem>) {
        let (mut links, mut failed) = (Vec::new(), Vec::new());
        let first_use = Arc::default();
        for entry in &tenant.chain {
            let plugin = match loaded.get(&entry.plugin) {
                Some(Ok(plugin)) => plugin,
                // It is reported once, where it is declared.
                Some(Err(problem)) => {
                    failed.push(problem.clone());
                    continue;
                }
                // The config was checked for this.
                None => continue,
            };
            let options = binding_options(tenant, entry, &first_use);
            match self.sandbox.bind(plugin, options, &self.stores, &self.meter) {
                Ok(binding) => {
                    let link = BoundLink {
                        sandbox: self.sandbox.clone(),
                        binding,
                        on_fault: entry.on_fault,
                    };
                    links.push((link, entry));
                }
                Err(error) => {
                    let problem = chain_problem(tenant, entry, &error);
                    problems.push(problem.clone());
                    failed.push(problem);
                }
            }
        }
        (links, failed)
    }
}

fn limits(settings: &SandboxLimits) -> LoadLimits {
    LoadLimits {
        component_bytes: settings.component_bytes,
        compile_time: settings.compile_time,
        compile_memory_bytes: settings.compile_memory_bytes,
    }
}

fn binding_options(tenant: &Tenant, entry: &ChainEntry, first_use: &Arc<FirstUse>) -> BindingOptions {
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
        settings: entry.settings.clone(),
        first_use: first_use.clone(),
    }
}
