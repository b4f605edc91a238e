//! The sandbox as the broker sees it: loads plugins, binds them to tenants, and has slots for them on its shards.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::binding::{Binding, BindingOptions};
use super::compile::{CompilerOptions, LoadLimits, LoadingGuard};
use super::engine::{EngineError, EngineOptions, PluginEngine};
use super::error::LoadError;
use super::instance::MakeError;
use super::meter::{Meter, SandboxGauges};
use super::plugin::Plugin;
use super::pool::{InstancePool, UnusablePlugin};
use super::room::Room;
use super::slot::Slot;
use super::usage::{MemoryUsage, TenantMemory};
use plugin_store::{Clock, PluginStores};

const MIB: usize = 1024 * 1024;

/// What a sandbox may take from the machine.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled plugins are kept between runs; none compiles them anew on each start. The directory
    /// is made if it is missing and must be open to this user alone.
    pub cache_dir: Option<PathBuf>,
    /// Bytes of that directory at most.
    pub cache_bytes: u64,
    /// Instances alive at once, over all shards, tenants and plugins; none: as many as the process can map.
    pub instances: Option<usize>,
    /// Bytes of all instances together. Over it the least recently used is given back.
    pub memory_bytes: usize,
    /// Who compiles, and checks settings against schemas.
    pub compiler: CompilerOptions,
    /// Of one memory of an instance, however the instance's own limit comes about; at most 4 GiB.
    pub max_memory_bytes: usize,
    /// Tells circuit breakers the time.
    pub clock: Clock,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cache_bytes: 1_024 * MIB as u64,
            instances: None,
            memory_bytes: 2_048 * MIB,
            compiler: CompilerOptions::InPlace,
            max_memory_bytes: 4_096 * MIB,
            clock: Clock::System,
        }
    }
}

/// The engine, the instances, and the threads that serve them. The threads end when the last slot and the sandbox itself are
/// gone.
pub struct Sandbox {
    pub(super) engine: Arc<PluginEngine>,
    pub(super) room: Arc<Room>,
    pub(super) usage: Arc<MemoryUsage>,
    pool: Arc<InstancePool>,
}

// === impl Sandbox ===

impl Sandbox {
    /// Starts the engine, its ticker and the threads that make instances.
    pub fn new(options: SandboxOptions) -> Result<Arc<Self>, EngineError> {
        let engine = PluginEngine::start(EngineOptions {
            cache_dir: options.cache_dir,
            cache_bytes: options.cache_bytes,
            instances: options.instances,
            compiler: options.compiler,
            max_memory_bytes: options.max_memory_bytes,
            clock: options.clock,
        })?;
        let room = Room::new(engine.capacity);
        let usage = MemoryUsage::new(options.memory_bytes);
        let pool = InstancePool::start(Arc::clone(&room), Arc::clone(&usage), engine.ticks.clone());
        let pool = pool.map_err(EngineError::new)?;
        Ok(Arc::new(Self {
            engine,
            room,
            usage,
            pool: Arc::new(pool),
        }))
    }

    /// Begins to load plugins, each within `limits`, until the returned value is dropped. All loading is done by one
    /// thread.
    pub fn begin_loading(&self, limits: LoadLimits) -> LoadingGuard<'_> {
        self.engine.compiler.begin(limits)
    }

    /// Reads a plugin from a file; with `sha256`, only from these bytes.
    pub fn load_file(&self, name: &str, path: &Path, sha256: Option<[u8; 32]>) -> Result<Arc<Plugin>, LoadError> {
        Plugin::load_file(&self.engine, name, path, sha256)
    }

    /// Checks and compiles a component (binary, or in the text format). `name` is the plugin's in the config.
    /// Takes up to seconds for a component with an interpreter inside, unless the cache has it.
    pub fn load(&self, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        Plugin::load(&self.engine, name, bytes)
    }

    /// A start or a reload has loaded what it loads: the cache of compiled plugins makes room for what is new.
    pub fn settle_cache(&self) {
        if let Some(cache) = &self.engine.cache {
            cache.settle();
        }
    }

    /// Puts a plugin in a tenant's chain: checks what the tenant asks of it. Nothing of it runs.
    pub fn bind(
        &self,
        plugin: &Arc<Plugin>,
        options: BindingOptions,
        stores: &Arc<PluginStores>,
        meter: &Arc<Meter>,
    ) -> Result<Arc<Binding>, LoadError> {
        Binding::new(plugin, options, stores, meter, &self.usage)
    }

    /// Makes an instance, on this thread, to see whether its `init` takes the settings, and drops it. May take up to 2 s of
    /// processor time for its start and as much for its `init`.
    ///
    /// # Errors
    /// What is wrong with the plugin; that there is no room only if it is `eager`, for another may well be given back when
    /// it is used.
    pub fn try_out(&self, binding: &Binding) -> Result<(), LoadError> {
        match self.pool.try_out(binding) {
            Err(MakeError::Full(_)) if !binding.is_eager() => Ok(()),
            tried => Ok(tried?),
        }
    }

    /// A place for an instance of `binding`: each shard has one.
    pub fn slot(&self, binding: &Arc<Binding>) -> Slot {
        Slot::new(binding, &self.pool)
    }

    /// Waits until plugins could not be used when they were first asked. For one reader.
    pub async fn unusable(&self) -> Vec<UnusablePlugin> {
        poll_fn(|cx| self.pool.unusable().poll(cx)).await
    }

    /// Bytes of all instances together from now on.
    pub fn limit_memory(&self, bytes: usize) {
        self.usage.set_most(bytes);
    }

    /// The memory of all instances of a tenant, on all shards. The handle stays good; to read it is to read a number.
    pub fn tenant_memory(&self, tenant: &Arc<str>) -> Arc<TenantMemory> {
        self.usage.tenant(tenant)
    }

    /// Instances and their memory, as metrics.
    pub fn gauges(&self) -> SandboxGauges {
        SandboxGauges::new(&self.room, &self.usage)
    }

    #[cfg(test)]
    pub(super) fn builds_of(&self, tenant: &str) -> (usize, usize) {
        self.pool.builds_of(tenant)
    }
}
