//! From a config's chains to chains that run: each plugin compiled once, bound to each tenant that names it. What fails
//! here fails for the tenants that use it, and `bound.rs` says what becomes of them.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use plugin_store::shared::SharedStore;
use plugin_store::{Clock, PluginStores};

use super::attempt::Attempt;
use super::backends;
use super::binder::{Binder, Trials};
use super::bound::{Bound, Delta};
use super::bound_tenant::BoundTenant;
use super::certificates;
use super::difference::{difference, refuses};
use super::error::BrokerError;
use super::link::{NewLink, chain_problem};
use super::loaded::LoadedPlugins;
use super::put_tenant::PutTenant;
use super::quarantined::reason;
use super::wanted::{Owner, WantedTenant};
use crate::observe::Metrics;
use config::{BackplaneKind, Config, PluginFile, Problem, Problems, SandboxLimits, Tenant};
use sandbox::{CompilerOptions, LoadLimits, Meter, Sandbox, SandboxOptions, UnusablePlugin};

/// The broker's own program, also when another file is at its path by now.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The subcommand that compiles, and checks settings.
const COMPILER: &str = "compiler";

/// What a reload may always raise `memory_mib` to without a restart.
const POOL_MEMORY_BYTES_LEAST: usize = 256 * 1024 * 1024;

/// The sandbox and its stores. They live as long as the broker, so that stored values survive a reload.
pub struct Plugins {
    binder: Binder,
    /// Held by whoever loads plugins.
    loading: Mutex<()>,
    /// The plugins as they were last loaded.
    loaded: ArcSwap<LoadedPlugins>,
}

/// Loads everything a config names, as `serve` would, and tells what is wrong.
pub fn check(config: &Config) -> Vec<Problem> {
    let plugins = match Plugins::new(config, &Metrics::new(), Plugins::child_compiler()) {
        Ok(plugins) => plugins,
        Err(error) => {
            let place = config::Place::file(config.path.as_path());
            return vec![place.problem(error.to_string())];
        }
    };
    let mut problems = plugins.check(config);
    problems.extend(backends::check(config));
    problems.extend(certificates::check(config));
    problems
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
            binder: Binder {
                sandbox,
                stores,
                meter: Meter::new(&metrics.registry).expect("the sandbox's metric names are its own"),
            },
            loading: Mutex::default(),
            loaded: ArcSwap::default(),
        })
    }

    /// All that is wrong with the config's plugins, and with what its tenants want of them.
    fn check(&self, config: &Config) -> Vec<Problem> {
        let _loading = self.loading.lock();
        let _limits = self.binder.sandbox.begin_loading(limits(&config.sandbox));
        let plugins = self.load(config, |_| true, &LoadedPlugins::default());
        let wanted = config.tenants.iter().map(|tenant| WantedTenant {
            tenant: tenant.clone(),
            owner: Owner::Files,
        });
        let wanted: Vec<_> = wanted.collect();
        self.binder
            .attempt(config, &plugins, &wanted, &Bound::default(), Trials::All)
            .problems
    }

    /// The config's plugins, bound to nobody.
    pub(super) fn load_all(&self, config: &Config) -> LoadedPlugins {
        let _loading = self.loading.lock();
        let _limits = self.binder.sandbox.begin_loading(limits(&config.sandbox));
        self.load(config, |_| true, &LoadedPlugins::default())
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
        self.binder.stores.connect(store);
    }

    /// Loads the config's plugins and binds them to its tenants. A tenant that fails is quarantined.
    ///
    /// # Errors
    /// The problems, where they refuse the whole config.
    pub fn bind(&self, config: &Config) -> Result<Bound, Problems> {
        let mut bound = Bound::default();
        bound.apply(self.reload(config, &bound)?);
        Ok(bound)
    }

    /// Loads the config's plugins, and binds them to the tenants that are not as they were `before`, or whose plugins are not.
    /// A tenant that fails keeps what it had, or is quarantined.
    ///
    /// # Errors
    /// The problems, if there are any and the config is strict, all tenants failed, or the default tenant has nothing
    /// that it could keep.
    pub(super) fn reload(&self, config: &Config, before: &Bound) -> Result<Delta, Problems> {
        let _loading = self.loading.lock();
        let _limits = self.binder.sandbox.begin_loading(limits(&config.sandbox));
        let plugins = self.load(config, |_| true, &before.plugins);
        let (wanted, removed) = difference(config, &plugins, before);
        let trials = if config.server.strict {
            Trials::All
        } else {
            Trials::InTime
        };
        let Attempt { tenants, problems } = self.binder.attempt(config, &plugins, &wanted, before, trials);
        if !problems.is_empty() && refuses(config, &tenants, &removed, before) {
            return Err(problems.into());
        }
        let concerns = |problem: &Problem| tenants.iter().any(|tenant| tenant.problems.contains(problem));
        for problem in problems.iter().filter(|problem| !concerns(problem)).map(reason) {
            tracing::error!(problem, "a plugin that no tenant uses does not load");
        }
        self.binder.sandbox.limit_memory(memory_bytes(config));
        self.loaded.store(Arc::new(plugins.clone()));
        Ok(Delta {
            put: tenants,
            removed,
            plugins: Some(plugins),
        })
    }

    /// Tries the quarantined tenants of `bound` again, which was made from `config`.
    pub(super) fn retry(&self, config: &Config, bound: &Bound) -> Delta {
        let _loading = self.loading.lock();
        let _limits = self.binder.sandbox.begin_loading(limits(&config.sandbox));
        let quarantined = bound.tenants.values();
        let quarantined = quarantined.filter(|tenant| tenant.is_quarantined() && tenant.may_recover);
        let wanted: Vec<_> = quarantined.map(BoundTenant::wanted).collect();
        let is_used = |file: &PluginFile| {
            let mut entries = wanted.iter().flat_map(|wanted| &wanted.tenant.chain);
            entries.any(|entry| entry.plugin == file.name)
        };
        let mut plugins = bound.plugins.clone();
        plugins.extend(self.load(config, is_used, &bound.plugins));
        self.loaded.store(Arc::new(plugins.clone()));
        let tried = self.binder.attempt(config, &plugins, &wanted, bound, Trials::All);
        Delta {
            put: tried.tenants,
            removed: Vec::new(),
            plugins: Some(plugins),
        }
    }

    /// Binds pushed tenants to the plugins that are in force, and takes others away. One that fails is closed: what it had is
    /// not wanted any more.
    pub(super) fn install(&self, config: &Config, put: Vec<PutTenant>, remove: &[Arc<str>], bound: &Bound) -> Delta {
        let _loading = self.loading.lock();
        let _limits = self.binder.sandbox.begin_loading(limits(&config.sandbox));
        // Files win: what came in between is sorted out by who pushes.
        let is_free = |name: &str| {
            bound
                .tenants
                .get(name)
                .is_none_or(|tenant| tenant.owner == Owner::Pushed)
        };
        let (good, bad): (Vec<_>, Vec<_>) = put
            .into_iter()
            .filter(|put| is_free(&put.settings.name))
            .partition(|put| put.problems.is_empty());
        // All are put again when the files were read again: those that are as they were stay so.
        let runs = |put: &PutTenant| {
            let tenant = bound.tenants.get(&put.settings.name);
            tenant.is_some_and(|tenant| tenant.runs(&put.settings, |plugin| bound.plugins.plugin(plugin)))
        };
        let others = good.into_iter().filter(|put| !runs(put));
        let wanted = others.map(|put| WantedTenant {
            tenant: put.settings,
            owner: Owner::Pushed,
        });
        let wanted: Vec<_> = wanted.collect();
        let mut tenants = self
            .binder
            .attempt(config, &bound.plugins, &wanted, bound, Trials::All)
            .tenants;
        for tenant in tenants.iter_mut().filter(|tenant| tenant.is_quarantined()) {
            tenant.close();
        }
        tenants.extend(bad.into_iter().map(|put| BoundTenant {
            may_recover: false,
            ..BoundTenant::failed(put.settings, Owner::Pushed, put.problems, None)
        }));
        let is_pushed = |name: &&Arc<str>| bound.tenants.contains_key(*name) && is_free(name);
        Delta {
            put: tenants,
            removed: remove.iter().filter(is_pushed).cloned().collect(),
            plugins: None,
        }
    }

    /// There is no such tenant any more: what its plugins stored in memory and counted is gone with it.
    pub(super) fn forget(&self, tenant: &Tenant) {
        for entry in &tenant.chain {
            self.binder.stores.forget(&tenant.name, &entry.plugin);
            self.binder.meter.forget(&tenant.name, &entry.plugin);
        }
    }

    /// What is wrong with the plugins of a tenant that is not in force: they are bound, their `init` is run, and nothing
    /// comes of it.
    pub(super) fn trial(&self, config: &Config, tenant: &Tenant, is_asked: &dyn Fn() -> bool) -> Vec<Problem> {
        let _loading = self.loading.lock();
        let _limits = self.binder.sandbox.begin_loading(limits(&config.sandbox));
        let is_used = |file: &PluginFile| tenant.chain.iter().any(|entry| entry.plugin == file.name);
        let plugins = self.load(config, is_used, &self.loaded.load());
        let (links, mut failed) = self.binder.bind_tenant(tenant, &plugins, None, &mut Vec::new());
        for NewLink { link, entry, .. } in links {
            if !is_asked() {
                break;
            }
            if let Err(error) = self.binder.sandbox.try_out(&link.binding) {
                failed.push(chain_problem(tenant, entry, plugins.schema(&entry.plugin), &error));
            }
        }
        failed
    }

    /// The plugins as they were last loaded, with what they say about their settings.
    pub(super) fn loaded(&self) -> Arc<LoadedPlugins> {
        self.loaded.load_full()
    }

    /// Waits until plugins could not be used when they were first asked.
    pub async fn unusable(&self) -> Vec<UnusablePlugin> {
        self.binder.sandbox.unusable().await
    }

    fn load(&self, config: &Config, is_used: impl Fn(&PluginFile) -> bool, before: &LoadedPlugins) -> LoadedPlugins {
        let files = config.plugins.iter().filter(|file| is_used(file));
        let plugins = LoadedPlugins::load(files, config.sandbox.component_bytes, &self.binder.sandbox, before);
        self.binder.sandbox.settle_cache();
        plugins
    }
}

fn limits(settings: &SandboxLimits) -> LoadLimits {
    LoadLimits {
        component_bytes: settings.component_bytes,
        compile_time: settings.compile_time,
        compile_memory_bytes: settings.compile_memory_bytes,
    }
}
