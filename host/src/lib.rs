//! Sluicegate, a realtime broker whose rules are plugins. The modules stand in the order of a
//! message's journey; `docs/ARCHITECTURE.md` is the bird's-eye view.

pub mod broker;
pub mod cli;
pub use ::config;

pub mod gateway;

pub use ::wall_clock;
pub use ::wire;

pub mod session;

pub use ::protocol;

pub use ::chain;

pub use ::sandbox;

pub use ::backplane;

pub mod hub;
pub mod outbox;
pub mod registry;
pub mod shard;
pub mod transport;

pub mod control;

pub mod observe;
pub mod token;
