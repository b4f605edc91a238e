//! Redis as a broker needs it: connections that come back by themselves, one server, Sentinel or a Cluster behind one
//! interface, scripts, and subscriptions. The only crate that depends on `redis`. Knows no channel, no tenant and
//! nothing else of the broker.
//!
//! What the `redis` crate does and what is ours, with reasons: `docs/decisions/0006-the-redis-client.md`.

mod address;
mod backoff;
mod connection;
mod failure;
mod handler;
mod liveness;
mod login;
mod permissions;
mod push_queue;
mod request;
mod resp;
mod script;
mod sentinel;
mod server_run;
mod settings;
mod side_connection;
mod slot_ranges;
mod slots;
mod stream;
mod subscription;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod topology;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use backoff::{ReconnectBackoff, jittered};
pub use connection::{ConnectedServer, ServerConnection};
pub use failure::Failure;
pub use login::Login;
pub use permissions::MissingRights;
pub use push_queue::{PushQueue, PushedMessage};
pub use script::{Script, ScriptCall};
pub use settings::{ClientSettings, Rights, TopologyKind};
pub use slots::{SLOTS, slot_of, slot_of_tag};
pub use subscription::{Confirmed, SubscribedConnection};
pub use tokio_rustls::rustls::ClientConfig;
pub use topology::Topology;

pub use redis::{Cmd, ToRedisArgs, Value, cmd, from_redis_value};
