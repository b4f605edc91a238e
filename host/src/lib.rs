//! Sluicegate, a realtime broker whose rules are plugins: what is left of it when the rooms that are crates of their own
//! (`host/crates/`) are taken away. `docs/ARCHITECTURE.md` is the bird's-eye view.

pub mod broker;
pub mod cli;
pub mod control;
pub mod gateway;
pub mod hub;
pub mod observe;
pub mod outbox;
pub mod session;
pub mod shard;
pub mod token;
pub mod transport;
