//! What decides about machine code: the same in the broker and in the processes that compile for it.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel};

use super::features;

/// Stack a guest may use. Shards have 4 MiB; what is left is the host's.
const GUEST_STACK_BYTES: usize = 512 * 1024;

/// Each memory reserves so many addresses, so that no access needs a bounds check …
pub(super) const MEMORY_BYTES: usize = 4 * 1024 * 1024 * 1024;
/// … and so many behind it.
pub(super) const GUARD_BYTES: u64 = 32 * 1024 * 1024;
/// An engine whose machine code those of a sandbox can use, without room for instances.
pub(super) fn for_compiling() -> wasmtime::Result<Engine> {
    let mut config = code_settings();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// Settings of every engine.
pub(super) fn code_settings() -> Config {
    let mut config = Config::new();
    features::apply(&mut config);
    config
        // Hooks are plain calls; without the bookkeeping of tasks they cost half.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_reservation(MEMORY_BYTES as u64)
        .memory_guard_size(GUARD_BYTES)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        // A fault says what happened and where it was asked; the frames of a stripped plugin add nothing.
        .wasm_backtrace_max_frames(None);
    config
}
