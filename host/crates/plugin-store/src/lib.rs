//! What plugins keep and count: `kv` and `limiter`, one of each for a plugin in a tenant, kept in this process or
//! shared by all nodes. Knows no WebAssembly and, but for the feature `redis`, no server.

mod clock;
mod id;
mod kv;
mod limiter;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
pub mod shared;
mod stores;
mod turns;
mod wait_budget;

pub use clock::Clock;
pub use id::StoreId;
pub use kv::{BYTES, KEYS, Kv, KvError};
pub use limiter::{Limiter, Take, TakeError};
pub use stores::{PluginStores, Stores};
pub use wait_budget::WaitBudget;
