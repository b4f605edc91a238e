//! The engine all plugins share, and the ticker that makes their deadlines pass.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::cache::Cache;
use super::call_time::{TICK, Ticks};
use super::code::{GUARD_BYTES, MEMORY_BYTES, code_settings};
use super::compile::{Compiler, CompilerOptions};
use super::contract;
use super::limits::{CORE_INSTANCES, MEMORIES, TABLES};
use super::machine::MappingLimits;
use super::room::Capacity;
use super::state::StoreData;
use plugin_store::Clock;

/// Elements of a table: functions whose address is taken.
const TABLE_ELEMENTS: usize = 20_000;

/// Memories that are reserved at most and at least.
const MEMORIES_MOST: usize = 262_144;
const MEMORIES_LEAST: usize = 8;
/// Mappings of one memory: what is before its image, the image, what is behind it, and what it may not touch.
pub(super) const MAPPINGS_PER_MEMORY: usize = 4;
/// Tables that are reserved for each memory: as many as a Rust plugin has, and one more.
const TABLES_PER_MEMORY: usize = 3;

/// What compiles plugins, keeps their code, and runs it. Makes no instance.
pub(super) struct PluginEngine {
    pub(super) engine: Engine,
    /// The contract's imports; WASI is added for each plugin, under the versions it asks for.
    pub(super) contract: Linker<StoreData>,
    pub(super) cache: Option<Cache>,
    pub(super) compiler: Compiler,
    pub(super) ticks: Ticks,
    /// Of one memory: no binding may ask for more.
    pub(super) max_memory_bytes: usize,
    pub(super) clock: Clock,
    /// What it has room for.
    pub(super) capacity: Capacity,
}

/// What an engine is made with.
pub(super) struct EngineOptions {
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) cache_bytes: u64,
    pub(super) instances: Option<usize>,
    pub(super) compiler: CompilerOptions,
    pub(super) max_memory_bytes: usize,
    pub(super) clock: Clock,
}

/// The engine could not be made.
#[derive(Debug, Error)]
#[error(
    "the WebAssembly engine does not start with room for {memories} memories of instances: {cause}. \
     It reserves 4 GiB of address space for each; is the process's virtual memory limited (ulimit -v)?"
)]
pub struct EngineError {
    memories: usize,
    cause: String,
}

// === impl EngineError ===

impl EngineError {
    pub(super) fn new(cause: impl ToString) -> Self {
        Self {
            memories: 0,
            cause: cause.to_string(),
        }
    }
}

// === impl PluginEngine ===

impl PluginEngine {
    /// Starts the engine and its ticker, which ends when the engine is gone. The engine reserves what the machine lets it
    /// map.
    pub(super) fn start(options: EngineOptions) -> Result<Arc<Self>, EngineError> {
        let max_memory_bytes = options.max_memory_bytes.clamp(1, MEMORY_BYTES);
        let machine = MappingLimits::look();
        let (engine, memories) = reserve(&machine, options.instances, max_memory_bytes)?;
        let failed = |cause: String| EngineError { memories, cause };
        let contract = contract::linker(&engine).map_err(|e| failed(format!("{e:#}")))?;
        let ticks = Ticks::start();
        start_ticker(&engine, ticks.clone()).map_err(|e| failed(e.to_string()))?;
        let cache = options
            .cache_dir
            .and_then(|dir| Cache::open(dir, options.cache_bytes, &engine));
        let mapped_memories = machine.mappings.map(|mappings| mappings / MAPPINGS_PER_MEMORY);
        Ok(Arc::new(Self {
            engine,
            contract,
            cache,
            compiler: Compiler::new(options.compiler),
            ticks,
            max_memory_bytes,
            clock: options.clock,
            capacity: Capacity {
                instances: options.instances,
                memories,
                tables: memories * TABLES_PER_MEMORY,
                mapped_memories,
            },
        }))
    }
}

/// An engine with places for as many memories as the process can map, and how many these are. What the kernel grants is
/// known only once it is asked.
fn reserve(
    machine: &MappingLimits,
    instances: Option<usize>,
    max_memory_bytes: usize,
) -> Result<(Engine, usize), EngineError> {
    let addresses = machine.addresses / (MEMORY_BYTES as u64 + GUARD_BYTES);
    let mapped = machine.mappings.map(|mappings| mappings / MAPPINGS_PER_MEMORY);
    let wanted = instances.map(|instances| instances.saturating_mul(MEMORIES as usize));
    let mut memories = usize::try_from(addresses)
        .unwrap_or(usize::MAX)
        .min(mapped.unwrap_or(usize::MAX))
        .min(wanted.unwrap_or(usize::MAX))
        .clamp(MEMORIES_LEAST, MEMORIES_MOST);
    loop {
        match Engine::new(&config(memories, max_memory_bytes)) {
            Ok(engine) => return Ok((engine, memories)),
            Err(_) if memories > MEMORIES_LEAST => memories = (memories / 4 * 3).max(MEMORIES_LEAST),
            Err(error) => {
                let cause = format!("{error:#}");
                return Err(EngineError { memories, cause });
            }
        }
    }
}

fn config(memories: usize, max_memory_bytes: usize) -> Config {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // Instances themselves lie where everything else does. Of memories and tables each takes what it has, from all that
    // there are.
    pool.total_component_instances(u32::MAX)
        .total_core_instances(u32::MAX)
        .total_memories(count(memories))
        .total_tables(count(memories * TABLES_PER_MEMORY))
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

/// Advances the epoch, and the count that host calls look at, until the engine is gone.
fn start_ticker(engine: &Engine, ticks: Ticks) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = move || {
        let mut counted = Instant::now();
        loop {
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => {
                    let now = Instant::now();
                    ticks.count(now - counted);
                    counted = now;
                    engine.increment_epoch();
                }
                None => return,
            }
        }
    };
    thread::Builder::new().name("epoch".into()).spawn(ticker)?;
    Ok(())
}
