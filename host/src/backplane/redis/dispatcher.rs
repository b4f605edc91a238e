//! The dispatcher takes what arrived from Redis, in its order, and brings it to the shards that want it.

use std::sync::Arc;

use redis_client::{PushQueue, PushedMessage};
use tokio::sync::mpsc;

use super::channel_cursor::Next;
use super::codec::{self, ParsedPush};
use super::node::Node;
use crate::backplane::Envelope;
use crate::backplane::envelope::PresenceChange;
use crate::observe::Seldom;

/// Messages taken from the queue at once.
const TURN: usize = 256;

/// Dispatches for ever. A shard whose inbox is full holds everything up: that is how a node says that it has too much
/// to do, and what then no longer fits the queue is made up for from the history.
pub(super) async fn dispatch(node: Arc<Node>, queue: PushQueue, mut arrived: mpsc::Receiver<PushedMessage>) {
    let mut turn = Vec::with_capacity(TURN);
    let mut shards = Vec::new();
    while arrived.recv_many(&mut turn, TURN).await > 0 {
        for one in turn.drain(..) {
            queue.took(&one);
            take(&node, one, &mut shards).await;
        }
    }
}

async fn take(node: &Arc<Node>, message: PushedMessage, shards: &mut Vec<usize>) {
    let PushedMessage { channel, payload } = message;
    let Some(topic) = node.table.topic(&channel) else {
        // A control message, or what nobody wants any more.
        node.control.take(&channel, &payload);
        return;
    };
    let envelope = match codec::read_pushed(&topic, payload) {
        Some(ParsedPush::Message(publication)) => {
            let publication = Arc::new(publication);
            match node.table.take(&channel, &publication, shards) {
                Next::Deliver => Envelope::Message(publication),
                Next::Nothing => return,
                Next::Recover => {
                    node.recover(channel.into());
                    return;
                }
            }
        }
        Some(ParsedPush::Presence { member, joined }) => {
            node.table.shards(&channel, shards);
            Envelope::Presence(Arc::new(PresenceChange::new(topic, member, joined)))
        }
        None => {
            static LOG: Seldom = Seldom::new();
            if let Some(others) = LOG.now() {
                let why = "a message in Redis cannot be read: is a newer version running beside this one?";
                tracing::warn!(%topic, others, "{why}");
            }
            return;
        }
    };
    node.deliver(&envelope, shards).await;
}
