//! Everything the tests hold in their hands: a broker, clients, tokens, hostile guests.

pub mod admin;
pub mod broker;
pub mod client;
pub mod config;
pub mod dial;
pub mod envelope;
pub mod guests;
pub mod http;
pub mod lines;
pub mod metrics;
pub mod process;
pub mod shared;
pub mod socket;
pub mod token;

use std::future::Future;
use std::time::Duration;

pub use broker::Broker;
pub use client::Client;
pub use serde_json::{Value, json};
pub use shared::shared;
pub use socket::Frame;

/// How long a test waits for what must happen. Only a failing test ever waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `event`, or fails with what `otherwise` tells about what came instead.
pub async fn within<T>(event: impl Future<Output = T>, otherwise: impl FnOnce() -> String) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(late) => panic!("waited {PATIENCE:?}, {late}: {}", otherwise()),
    }
}
