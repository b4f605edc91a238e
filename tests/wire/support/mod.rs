//! The tools of the tests: a broker, clients, tokens, hostile guests.

pub(crate) mod admin;
pub(crate) mod ask;
pub(crate) mod broker;
pub(crate) mod chunks;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod crowd;
pub(crate) mod dial;
pub(crate) mod drip;
pub(crate) mod envelope;
pub(crate) mod guests;
pub(crate) mod http;
pub(crate) mod http_client;
pub(crate) mod kept_connection;
pub(crate) mod lines;
pub(crate) mod link;
pub(crate) mod message_pack;
pub(crate) mod metrics;
pub(crate) mod nodes;
pub(crate) mod poll_link;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod push;
pub(crate) mod recovery;
pub(crate) mod redis;
pub(crate) mod redis_cluster;
pub(crate) mod resp;
pub(crate) mod sentinel;
pub(crate) mod service;
pub(crate) mod shared;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod usage;

use std::future::Future;
use std::time::Duration;

pub(crate) use broker::Broker;
pub(crate) use client::Client;
pub(crate) use nodes::Nodes;
pub(crate) use redis::Redis;
pub(crate) use redis_cluster::RedisCluster;
pub(crate) use sentinel::Sentinels;
pub(crate) use serde_json::{Value, json};
pub(crate) use shared::shared;
pub(crate) use socket::Frame;

/// How long a test waits for what must happen. Only a failing test ever waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `event`, or fails with the text of `otherwise` about what came instead.
pub(crate) async fn within<T>(event: impl Future<Output = T>, otherwise: impl FnOnce() -> String) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(late) => panic!("waited {PATIENCE:?}, {late}: {}", otherwise()),
    }
}

/// Between two checks of a state that sends no event.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Calls `probe` until it gives something, or fails after `limit`. For state that sends no event, as another program's.
pub(crate) async fn eventually<T>(limit: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
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
