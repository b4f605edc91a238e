//! The only place that names wasmtime: compiles plugins, binds them to tenants, and answers the chain's
//! questions through them. Knows no socket, no config file and no message's way.
//!
//! [`Sandbox`] is the engine with its ticker, and the pool of all instances. It loads a [`Plugin`] once; a [`Binding`] is that
//! plugin in one tenant's chain, with the tenant's settings, limits and grants; a [`Slot`] is a binding on one shard
//! and implements [`chain::Hook`]. A slot has at most one instance, and an instance has a store
//! of its own, because a trap poisons its whole store.
//!
//! One direction: engine, plugin, binding, instance, pool, slot; each knows those before it.

mod binding;
mod bounded;
mod breaker;
mod build_watch;
mod cache;
mod call_time;
mod capabilities;
mod client;
mod code;
mod compile;
mod contract;
mod engine;
mod error;
mod exports;
mod fault;
mod features;
mod good_answers;
mod host_call;
mod imports;
mod inspect;
mod instance;
mod label;
mod limits;
mod machine;
mod meter;
mod pace;
mod plugin;
mod pool;
mod rebuild_delay;
mod room;
mod sandbox;
mod settings;
mod slot;
mod state;
mod suspension;
#[cfg(test)]
mod tests;
mod usage;
mod wasi;

pub use binding::{Binding, BindingOptions, FirstUse};
pub use capabilities::Grants;
pub use compile::{CompilerOptions, LoadLimits, LoadingGuard, WorkerLimits, run_worker};
pub use engine::EngineError;
pub use error::{LoadError, NameList, SettingError};
pub use meter::{Meter, SandboxGauges};
pub use plugin::Plugin;
pub use pool::UnusablePlugin;
pub use sandbox::{Sandbox, SandboxOptions};
pub use slot::Slot;
pub use usage::TenantMemory;
