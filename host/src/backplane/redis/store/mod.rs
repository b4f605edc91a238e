//! What plugins keep for all nodes: values and buckets. Asked from the shards' threads, it runs on the
//! backplane's own.

mod questions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus::IntCounter;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::names::Names;
use super::servers::Servers;
use plugin_store::StoreId;
use plugin_store::shared::{NoReply, OnReply, SharedStore, StoreRequest};

/// Questions under way at once; one more is refused, because it would wait behind all of them.
const UNDER_WAY: usize = 1024;

/// The store of one prefix.
pub(super) struct Store {
    servers: Arc<Servers>,
    names: Names,
    runtime: Handle,
    under_way: Arc<Semaphore>,
    stalls: IntCounter,
}

impl Store {
    /// Asks on this runtime, and counts when that took too long.
    pub fn new(servers: Arc<Servers>, names: Names, runtime: Handle, stalls: IntCounter) -> Self {
        Self {
            servers,
            names,
            runtime,
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
            stalls,
        }
    }
}

impl SharedStore for Store {
    fn send(&self, id: &StoreId, request: StoreRequest, on_reply: OnReply) -> bool {
        let asked = questions::ask(&self.names, id, request);
        let link = self.servers.link_of(asked.key());
        if link.is_none_or(|link| link.server().is_none()) {
            return false;
        }
        let Ok(permit) = self.under_way.clone().try_acquire_owned() else {
            return false;
        };
        let servers = self.servers.clone();
        self.runtime.spawn(async move {
            let answer = match asked.run(&servers).await {
                Ok(answer) => questions::read(answer).ok_or(NoReply),
                Err(error) => {
                    tracing::debug!(%error, "a plugin's question has no answer");
                    Err(NoReply)
                }
            };
            drop(permit);
            on_reply(answer);
        });
        true
    }

    fn stalled(&self) {
        self.stalls.inc();
    }
}
