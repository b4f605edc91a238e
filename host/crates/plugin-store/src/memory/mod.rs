//! Stores of this process alone.

mod kv;
mod limiter;

pub use kv::MemoryKv;
pub use limiter::MemoryLimiter;
