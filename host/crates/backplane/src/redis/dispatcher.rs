//! The dispatcher takes what arrived from Redis, in its order, and brings it to the shards that want it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::names::Topic;
use redis_client::{PushQueue, PushedMessage};
use tokio::sync::mpsc;

use super::channel_cursor::Next;
use super::codec::{self, ParsedPush};
use super::node::Node;
use crate::{Envelope, PresenceChange};

/// Messages taken from the queue at once.
const TURN: usize = 256;
/// Between two log lines about messages that cannot be read.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Dispatches for ever. A shard whose inbox is full holds everything up: that is how a node says that it has too much
/// to do, and what then no longer fits the queue is made up for from the history.
pub(super) async fn dispatch(node: Arc<Node>, queue: PushQueue, mut arrived: mpsc::Receiver<PushedMessage>) {
    let mut dispatcher = Dispatcher {
        node,
        shards: Vec::new(),
        unreadable: 0,
        logged: None,
    };
    let mut turn = Vec::with_capacity(TURN);
    while arrived.recv_many(&mut turn, TURN).await > 0 {
        for message in turn.drain(..) {
            queue.took(&message);
            dispatcher.take(message).await;
        }
    }
}

struct Dispatcher {
    node: Arc<Node>,
    /// Those that the present message is for.
    shards: Vec<usize>,
    /// Messages that could not be read since that was logged.
    unreadable: u64,
    logged: Option<Instant>,
}

impl Dispatcher {
    async fn take(&mut self, message: PushedMessage) {
        let PushedMessage { channel, payload } = message;
        let node = &self.node;
        let Some(topic) = node.table.topic(&channel) else {
            // A control message, or what nobody wants any more.
            node.control.take(&channel, &payload);
            return;
        };
        let envelope = match codec::read_pushed(&topic, payload) {
            Some(ParsedPush::Message(publication)) => match node.table.take(&channel, &publication, &mut self.shards) {
                Next::Deliver => Envelope::Message(publication),
                Next::Nothing => return,
                Next::Recover => {
                    node.recover(channel.into());
                    return;
                }
            },
            Some(ParsedPush::Presence {
                member,
                joined,
                version,
            }) => {
                node.table.shards(&channel, &mut self.shards);
                Envelope::Presence(Arc::new(PresenceChange::new(topic, member, joined, version)))
            }
            None => {
                self.log_unreadable(&topic);
                return;
            }
        };
        self.node.deliver(&envelope, &self.shards).await;
    }

    /// Once a second: whoever writes such messages may write many.
    fn log_unreadable(&mut self, topic: &Topic) {
        self.unreadable += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
            let messages = std::mem::take(&mut self.unreadable);
            self.logged = Some(Instant::now());
            let why = "a message in Redis cannot be read: is a newer version running beside this one?";
            tracing::warn!(%topic, messages, "{why}");
        }
    }
}
