//! The only place that names wasmtime: compiles plugins, binds them to tenants, and answers the chain's
//! questions through them. Knows no socket, no config file and no message's way.
//!
//! [`Sandbox`] is the engine with its ticker. It loads a [`Plugin`] once; a [`Binding`] is that plugin in
//! one tenant's chain, with the tenant's settings, limits and grants; a [`Slot`] is a binding on one shard
//! and implements [`chain::Hook`]. A slot holds at most one instance, and an instance has a store
//! of its own, because a trap poisons its whole store.

mod binding;
mod bounded;
mod breaker;
mod builder;
mod cache;
mod call_time;
mod capabilities;
mod client;
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
mod meter;
mod pace;
mod plugin;
mod rebuild_delay;
mod settings;
mod slot;
mod state;
mod suspension;
#[cfg(test)]
mod tests;
mod wasi;

pub use binding::{Binding, BindingOptions};
pub use capabilities::Grants;
pub use compile::{CompilerOptions, LoadLimits, LoadingGuard, WorkerLimits, run_worker};
pub use engine::{EngineError, Sandbox, SandboxOptions};
pub use error::{LoadError, NameList, SettingError};
pub use meter::Meter;
pub use plugin::Plugin;
pub use slot::Slot;
