//! What plugins keep for all nodes, in Redis: values and buckets. Asked from the shards' threads, it runs on the
//! runtime of whoever connected.

mod names;
mod requests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use redis_client::Topology;
use tokio::runtime::Handle;

use crate::StoreId;
use crate::shared::{NoReply, OnReply, SharedStore, StoreRequest};
use names::StoreNames;

/// The store of one prefix.
pub struct RedisStore {
    topology: Arc<Topology>,
    names: StoreNames,
    runtime: Handle,
    on_stall: Box<dyn Fn() + Send + Sync>,
}

impl RedisStore {
    /// A store that asks on this runtime. `on_stall` is called when a plugin waited in vain.
    pub fn new(
        topology: Arc<Topology>,
        prefix: &str,
        runtime: Handle,
        on_stall: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            topology,
            names: StoreNames::new(prefix),
            runtime,
            on_stall: Box::new(on_stall),
        }
    }
}

impl SharedStore for RedisStore {
    fn send(&self, id: &StoreId, request: StoreRequest, on_reply: OnReply) -> bool {
        let command = requests::command(&self.names, id, request);
        let connection = self.topology.connection_of(command.key());
        if connection.is_none_or(|connection| connection.server().is_none()) {
            return false;
        }
        let topology = self.topology.clone();
        self.runtime.spawn(async move {
            let answer = match command.run(&topology).await {
                Ok(answer) => requests::read(answer).ok_or(NoReply),
                Err(error) => {
                    tracing::debug!(%error, "a plugin's request has no answer");
                    Err(NoReply)
                }
            };
            on_reply(answer);
        });
        true
    }

    fn stalled(&self) {
        (self.on_stall)();
    }
}
