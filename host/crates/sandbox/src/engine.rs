//! The engine all plugins share, and the ticker that makes their deadlines pass.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::builder::Builders;
use super::cache::Cache;
use super::call_time::{TICK, Ticks};
use super::compile::{Compiler, CompilerOptions, LoadLimits, LoadingGuard};
use super::contract;
use super::features;
use super::state::StoreData;
use plugin_store::Clock;

/// Stack a guest may use. Shards have 4 MiB; what is left is the host's.
const GUEST_STACK_BYTES: usize = 512 * 1024;

/// Core instances, memories and tables a component has at most. A Rust plugin has 3, 1 and 2; composed
/// ones and those with an interpreter inside have more.
pub(super) const CORE_INSTANCES: u32 = 32;
pub(super) const MEMORIES: u32 = 4;
pub(super) const TABLES: u32 = 16;
/// Elements of a table: functions whose address is taken.
const TABLE_ELEMENTS: usize = 20_000;

/// Each memory reserves 4 GiB of addresses, so that no access needs a bounds check. 2,048 instances with
/// [`MEMORIES`] each reserve 32 TiB of the 128 that a process has.
const INSTANCES_MAX: u32 = 2_048;

/// What one memory can have at most: what is reserved for it.
const MEMORY_BYTES: usize = 4 * 1024 * 1024 * 1024;

/// Of compiled code on disk, unless the options say otherwise.
const CACHE_BYTES: u64 = 1024 * 1024 * 1024;

/// What a sandbox may take from the machine.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled plugins are kept between runs; none compiles them anew on each start. The directory
    /// is made if it is missing and must be open to this user alone.
    pub cache_dir: Option<PathBuf>,
    /// Bytes of that directory at most.
    pub cache_bytes: u64,
    /// Instances alive at once, over all shards, tenants and plugins; at most 2,048.
    pub max_instances: u32,
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
            cache_bytes: CACHE_BYTES,
            max_instances: 1_024,
            compiler: CompilerOptions::InPlace,
            max_memory_bytes: MEMORY_BYTES,
            clock: Clock::System,
        }
    }
}

/// The engine could not be made.
#[derive(Debug, Error)]
#[error(
    "the WebAssembly engine does not start with room for {instances} instances: {cause}. \
     It reserves 16 GiB of address space for each; is the process's virtual memory limited (ulimit -v)?"
)]
pub struct EngineError {
    instances: u32,
    cause: String,
}

/// The engine, what it offers to plugins, and the threads that serve it.
pub struct Sandbox {
    pub(super) engine: Engine,
    /// The contract's imports; WASI is added for each plugin, under the versions it asks for.
    pub(super) contract: Linker<StoreData>,
    pub(super) cache: Option<Cache>,
    pub(super) compiler: Compiler,
    pub(super) builders: Builders,
    pub(super) ticks: Ticks,
    /// Of one memory: no binding may ask for more.
    pub(super) max_memory_bytes: usize,
    pub(super) clock: Clock,
}

// === impl Sandbox ===

impl Sandbox {
    /// Starts the engine, its ticker and the threads that make instances. The threads end when the
    /// last plugin and the sandbox itself are gone.
    pub fn new(options: SandboxOptions) -> Result<Arc<Self>, EngineError> {
        let instances = options.max_instances.clamp(1, INSTANCES_MAX);
        let failed = |cause: String| EngineError { instances, cause };
        let max_memory_bytes = options.max_memory_bytes.clamp(1, MEMORY_BYTES);
        let engine = Engine::new(&config(instances, max_memory_bytes)).map_err(|e| failed(format!("{e:#}")))?;
        let contract = contract::linker(&engine).map_err(|e| failed(format!("{e:#}")))?;
        let ticks = Ticks::start();
        start_ticker(&engine, ticks.clone()).map_err(|e| failed(e.to_string()))?;
        let builders = Builders::start().map_err(|e| failed(e.to_string()))?;
        let cache = options
            .cache_dir
            .and_then(|dir| Cache::open(dir, options.cache_bytes, &engine));
        Ok(Arc::new(Self {
            engine,
            contract,
            cache,
            compiler: Compiler::new(options.compiler),
            builders,
            ticks,
            max_memory_bytes,
            clock: options.clock,
        }))
    }

    /// Begins to load plugins, each within `limits`, until the returned value is dropped. All loading is done by one
    /// thread.
    pub fn begin_loading(&self, limits: LoadLimits) -> LoadingGuard<'_> {
        self.compiler.begin(limits)
    }
}

/// An engine whose machine code those of [`Sandbox`] can use, without room for instances.
pub(super) fn for_compiling() -> wasmtime::Result<Engine> {
    let mut config = code_settings();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

fn config(instances: u32, max_memory_bytes: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances * MEMORIES)
        .total_tables(instances * TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(max_memory_bytes);
    let mut config = code_settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// What decides about machine code: the same in every engine.
fn code_settings() -> Config {
    let mut config = Config::new();
    features::apply(&mut config);
    config
        // Hooks are plain calls; without the bookkeeping of tasks they cost half.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        // A fault says what happened and where it was asked; the frames of a stripped plugin add nothing.
        .wasm_backtrace_max_frames(None);
    config
}

/// Advances the epoch, and the count that host calls look at, until the engine is gone.
fn start_ticker(engine: &Engine, ticks: Ticks) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = move || {
        loop {
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => {
                    ticks.count();
                    engine.increment_epoch();
                }
                None => return,
            }
        }
    };
    thread::Builder::new().name("epoch".into()).spawn(ticker)?;
    Ok(())
}
