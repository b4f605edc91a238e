//! Posts over Redis. Each instance listens to a channel of its own, over a connection of its own: a flood of posts holds up
//! neither messages of channels nor orders.

mod post_listener;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backplane::Nodes;
use bytes::Bytes;
use redis_client::{Failure, PushQueue, PushedMessage, Topology, Value, cmd};
use tokio::sync::mpsc;

use crate::post_channel::{ChannelReply, NotSent, PostChannel};
use post_listener::PostListener;

/// Messages that were taken from the connection's queue, and wait to be read.
const READ_AHEAD: usize = 64;

/// Posts between the instances of a cluster.
pub struct RedisPostChannel {
    servers: Arc<Topology>,
    prefix: Box<str>,
    nodes: Arc<dyn Nodes>,
    /// The connection that listens; 0: none does.
    listens_over: Arc<AtomicU64>,
}

// === impl RedisPostChannel ===

impl RedisPostChannel {
    /// Begins to listen, on the runtime that it is called in. Gives also what is sent to this instance.
    pub fn start(servers: Arc<Topology>, prefix: &str, nodes: Arc<dyn Nodes>) -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let channel = Arc::new(Self {
            servers,
            prefix: prefix.into(),
            nodes,
            listens_over: Arc::default(),
        });
        let (queue, pushed) = PushQueue::new();
        let (messages, arrived) = mpsc::channel(READ_AHEAD);
        let name: Arc<str> = channel.name(channel.instance()).into();
        let listener = PostListener {
            servers: channel.servers.clone(),
            liveness: format!("{name}:live").into(),
            name,
            queue: queue.clone(),
            listens_over: channel.listens_over.clone(),
        };
        tokio::spawn(listener.keep());
        tokio::spawn(read(queue, pushed, messages));
        (channel, arrived)
    }

    /// Where posts to an instance are published.
    fn name(&self, instance: &str) -> String {
        format!("{}:relay:{{{instance}}}", self.prefix)
    }

    async fn publish(&self, to: &str, message: Vec<u8>) -> Result<bool, NotSent> {
        let name = self.name(to);
        let mut publish = cmd(self.servers.publish_command());
        publish.arg(&name).arg(message);
        let receivers = self.servers.run(name.as_bytes(), &publish).await?;
        Ok(matches!(receivers, Value::Int(1..)))
    }
}

impl PostChannel for RedisPostChannel {
    fn instance(&self) -> &str {
        self.nodes.instance()
    }

    fn send<'a>(&'a self, to: &'a str, message: Vec<u8>) -> ChannelReply<'a, bool> {
        Box::pin(self.publish(to, message))
    }

    fn is_there<'a>(&'a self, instance: &'a str) -> ChannelReply<'a, bool> {
        // By another connection than that of its posts, which may be lost for a moment.
        Box::pin(async move { self.nodes.listens(instance).await.map_err(|error| NotSent(error.0)) })
    }

    fn listens_over(&self) -> Option<u64> {
        Some(self.listens_over.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }
}

async fn read(queue: PushQueue, mut pushed: mpsc::Receiver<PushedMessage>, messages: mpsc::Sender<Bytes>) {
    while let Some(message) = pushed.recv().await {
        queue.took(&message);
        if messages.send(message.payload).await.is_err() {
            return;
        }
    }
}

impl From<Failure> for NotSent {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}
