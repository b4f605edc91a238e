//! The backplane of a single node: channels in memory, the same contract as across nodes. Knows the
//! inboxes of its shards; nothing survives the process.

mod channel;
mod contract;
mod epochs;
mod keys;
mod pending;
mod retention;
mod room;
mod state;
mod tenants;
#[cfg(test)]
mod tests;
mod waiting;

pub use state::MemoryBackplane;
