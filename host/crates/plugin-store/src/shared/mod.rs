//! Stores that all nodes share: the trait of whoever keeps the data, and `kv` and `limiter` over it. Knows no server
//! and no network.

mod handle;
mod kv;
mod lease;
mod limiter;
mod store;
#[cfg(test)]
mod tests;

pub use handle::{StoreHandle, StoreLink};
pub use kv::SharedKv;
pub use lease::LeaseTerms;
pub use limiter::SharedLimiter;
pub use store::{NoReply, OnReply, SharedStore, StoreReply, StoreRequest};
