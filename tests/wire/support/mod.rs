//! The tools of the tests: a broker, clients, tokens, hostile guests.

pub mod admin;
pub mod broker;
pub mod client;
pub mod config;
pub mod crowd;
pub mod dial;
pub mod envelope;
pub mod guests;
pub mod http;
pub mod lines;
pub mod link;
pub mod metrics;
pub mod nodes;
pub mod process;
pub mod recovery;
pub mod redis;
pub mod redis_cluster;
pub mod resp;
pub mod sentinel;
pub mod shared;
pub mod socket;
pub mod token;
pub mod usage;

use std::future::Future;
use std::time::Duration;

pub use broker::Broker;
pub use client::Client;
pub use nodes::Nodes;
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use sentinel::Sentinels;
pub use serde_json::{Value, json};
pub use shared::shared;
pub use socket::Frame;

/// How long a test waits for what must happen. Only a failing test ever waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `event`, or fails with the text of `otherwise` about what came instead.
pub async fn within<T>(event: impl Future<Output = T>, otherwise: impl FnOnce() -> String) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(late) => panic!("waited {PATIENCE:?}, {late}: {}", otherwise()),
    }
}

/// Between two checks of a state that sends no event.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Calls `probe` until it gives something, or fails after `limit`. For state that sends no event, as another program's.
pub async fn eventually<T>(limit: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    match tokio::time::timeout(limit, looking).await {
        Ok(found) => found,
        Err(late) => panic!("waited {limit:?} for {what}: {late}"),
    }
}
